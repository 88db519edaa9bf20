"""`lpie restore auto` and the guards of the pretrained networks, on files."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import lpie
from lpie.cli.main import lpie as cli
from lpie.errors import InputError
from lpie.image.image import read_image, to_float, to_uint8, write_image


@pytest.fixture
def photos(tmp_path, astronaut):
    """A folder with a clean, a noisy and a dark photo of 160x160, and a file that is no photo."""
    photo = astronaut[40:200, 180:340]
    noise = np.random.default_rng(0).normal(0, 25 / 255, photo.shape)
    write_image(tmp_path / "in" / "clean.png", photo)
    write_image(tmp_path / "in" / "noisy.png", to_uint8(to_float(photo) + noise))
    write_image(tmp_path / "in" / "dark.png", to_uint8(to_float(photo) ** 2.2 * 0.4))
    (tmp_path / "in" / "notes.txt").write_text("no photo")
    return tmp_path / "in"


def run(*words):
    result = CliRunner().invoke(cli, ["restore", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


def test_each_photo_of_a_folder_gets_what_it_needs(photos, tmp_path):
    shown = run("auto", photos, "-o", tmp_path / "out")
    for line in (
        "clean.png: neither noisy, dark nor blurred: left as it is",
        "levels, alike in all pixels: denoise\n",
        "% of white): lowlight\n",
        "2 restored, 1 left as they are, 1 left out.",
    ):
        assert line in shown
    before, after = ((folder / "clean.png").read_bytes() for folder in (photos, tmp_path / "out"))
    assert before == after
    assert read_image(tmp_path / "out" / "dark.png").mean() > 60
    again = run("auto", photos, "-o", tmp_path / "out", "--resume")
    assert "3 already done, skipped" in again


def test_json_says_which_network_ran_and_what_was_left_alone(photos, tmp_path):
    result = json.loads(run("auto", photos, "-o", tmp_path / "out", "--json"))
    assert {row["network"] for row in result["restored"]} == {"denoise", "lowlight"}
    assert all(row["note"] for row in result["restored"])
    (kept,) = result["kept"]
    assert kept["in"] == str(photos / "clean.png")
    assert kept["reason"] == "neither noisy, dark nor blurred: left as it is"


def test_a_photo_left_alone_keeps_its_file_in_every_way_of_naming_it(photos, tmp_path, astronaut):
    clean = photos / "clean.jpg"
    exif = Image.Exif()
    exif[0x010F] = "Ours"
    Image.fromarray(astronaut[40:200, 180:340]).save(clean, exif=exif, quality=97)
    data = clean.read_bytes()
    run("auto", clean)
    assert (photos / "clean_restored.jpg").read_bytes() == data
    assert (photos / "clean_restored.jpg").stat().st_mtime_ns == clean.stat().st_mtime_ns
    run("auto", clean, "-o", tmp_path / "other.png")
    assert np.array_equal(read_image(tmp_path / "other.png"), read_image(clean))
    assert Image.open(tmp_path / "other.png").getexif()[0x010F] == "Ours"
    run("auto", clean, "-o", tmp_path / "part.png", "--crop", "8,16,40x24", "--compare")
    part = read_image(tmp_path / "part.png")
    assert np.array_equal(part, read_image(clean)[16:40, 8:48])
    both = read_image(tmp_path / "part_compare.png")
    assert np.array_equal(both, np.hstack([part, part]))
    run("auto", clean, "--in-place", "--backup", ".orig")
    assert clean.read_bytes() == data
    assert not (photos / "clean.jpg.orig").exists()


def test_a_guard_leaves_a_photo_alone_unless_forced(photos, tmp_path):
    clean, out = photos / "clean.png", tmp_path / "out.png"
    shown = run("lowlight", clean, "-o", out)
    assert "left as it is (--force-task runs lowlight all the same)" in shown
    assert out.read_bytes() == clean.read_bytes()
    shown = run("lowlight", clean, "-o", out, "--force", "--force-task")
    assert "left" not in shown
    assert np.abs(read_image(out).astype(int) - read_image(clean)).mean() > 20


def test_a_guard_holds_for_tiles_and_crops_alike(photos, tmp_path, astronaut):
    noise = np.random.default_rng(0).normal(0, 3 / 255, (160, 160, 3))
    photo = photos / "noisy.png"
    write_image(photo, to_uint8(to_float(astronaut[40:200, 180:340]) + noise))
    whole, tiles, part = (tmp_path / f"{name}.png" for name in ("whole", "tiles", "part"))
    assert "% of denoise-phone (--force-task takes all of it)" in run(
        "denoise-phone-s", photo, whole
    )
    run("denoise-phone-s", photo, tiles, "--tile", "168")
    run("denoise-phone-s", photo, part, "--crop", "16,8,64x48")
    assert np.array_equal(read_image(whole), read_image(tiles))
    crop = read_image(whole)[8:56, 16:80]
    assert np.abs(crop.astype(int) - read_image(part)).max() <= 1


def test_python_has_the_same(photos, tmp_path):
    summary = lpie.restore("auto", photos, tmp_path / "out")
    assert sorted(row.network for row in summary.restored) == ["denoise", "lowlight"]
    assert [row.photo.name for row in summary.kept] == ["clean.png"]
    kept = lpie.restore("lowlight", photos / "clean.png", tmp_path / "a.png").kept
    assert "`force_task` runs lowlight all the same" in kept[0].note
    forced = lpie.restore("lowlight", photos / "clean.png", tmp_path / "b.png", force_task=True)
    assert len(forced.restored) == 1
    assert not forced.kept
    for model in ("auto", lpie.Restorer("denoise-s")):
        with pytest.raises(InputError, match="force_task"):
            lpie.restore(model, photos, tmp_path / "c", force_task=True)
    with pytest.raises(InputError, match="lpie restore auto"):
        lpie.Restorer("auto")
