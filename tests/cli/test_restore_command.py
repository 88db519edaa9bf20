"""`lpie restore` on folders as people have them: good, bad, huge and damaged files."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from lpie.image.image import read_image, write_image
from tests import soak
from tests.conftest import assert_one_sentence, run_lpie
from tests.image.test_photo import bomb

MODEL = "denoise-s"
FORMATS = ("jpg", "png", "webp", "tif", "bmp")


@pytest.fixture
def folder(tmp_path, astronaut):
    """Two good photos, one in a folder inside, one that is none, and one that is too large."""
    source = tmp_path / "in"
    write_image(source / "a.png", astronaut[:60, :80])
    write_image(source / "inner" / "b.jpg", astronaut[:50, :90])
    (source / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (source / "huge.png").write_bytes(bomb(60_000, 60_000))
    return source


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_good_bad_and_huge_files(folder, tmp_path):
    before = contents(folder)
    out = tmp_path / "out"
    result = run_lpie("restore", MODEL, folder, out)
    assert result.returncode == 1
    assert "2 of 4 photos were not restored" in result.stderr
    assert "bad.jpg is not a readable image" in result.stderr
    assert "huge.png is 60000x60000, 3,600 megapixels; at most 256" in result.stderr
    assert "Traceback" not in result.stderr
    assert {p.relative_to(out).as_posix() for p in contents(out)} == {"a.png", "inner/b.jpg"}
    assert contents(folder) == before
    first = contents(out)
    os.utime(out / "a.png", (0, 0))
    result = run_lpie("restore", MODEL, folder, out, "--resume", "--json")
    assert result.returncode == 1
    found = json.loads(result.stdout)
    assert (found["restored"], found["skipped"], len(found["failed"])) == ([], 2, 2)
    assert contents(out) == first
    assert (out / "a.png").stat().st_mtime == 0


def test_out_inside_in_is_not_restored_again(folder):
    for options in ([], ["--force"]):
        run_lpie("restore", MODEL, folder, folder / "out", *options)
        found = {p.relative_to(folder / "out").as_posix() for p in contents(folder / "out")}
        assert found == {"a.png", "inner/b.jpg"}


def test_comparison_strength_and_crop(tmp_path, astronaut):
    photo = tmp_path / "a.png"
    write_image(photo, astronaut[:60, :80])
    given = ["restore", MODEL, photo, "-o", tmp_path / "b.png", "--strength", 0, "--compare"]
    assert run_lpie(*given).returncode == 0
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), astronaut[:60, :80])
    pair = read_image(tmp_path / "b_compare.png")
    np.testing.assert_array_equal(pair, np.hstack([astronaut[:60, :80]] * 2))
    assert run_lpie(*given, "--crop", "10,20,30x16", "--force").returncode == 0
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), astronaut[20:36, 10:40])


def mutated(rng, data):
    """`data` cut short, or with some bits turned over."""
    if rng.random() < 0.3:
        return data[: rng.integers(0, len(data))]
    changed = bytearray(data)
    reach = len(data) if rng.random() < 0.5 else min(len(data), 200)  # half of them in the header
    for at in rng.integers(0, reach, rng.integers(1, 20)):
        changed[at] ^= 1 << rng.integers(0, 8)
    return bytes(changed)


@pytest.mark.soak
def test_mutated_files(tmp_path, astronaut):
    rng, count = soak.rng(), soak.amount(200, 40)
    source, exif = tmp_path / "in", Image.Exif()
    source.mkdir()
    exif[0x0112], exif[0x010F] = 6, "Ours"
    for n in range(count):
        kind, name = rng.choice(FORMATS, 2) if n % 5 == 0 else [rng.choice(FORMATS)] * 2
        image = Image.fromarray(astronaut[: 40 + n % 3, :56]).convert(["RGB", "L", "RGBA"][n % 3])
        if kind == "jpg" and image.mode == "RGBA":
            image = image.convert("RGB")
        path = source / f"{n:03}.{name}"
        image.save(path, {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind), exif=exif)
        path.write_bytes(mutated(rng, path.read_bytes()) if n % 10 else path.read_bytes())
    before = contents(source)
    given = ["--json", "--max-megapixels", 4]
    result = run_lpie("restore", MODEL, source, tmp_path / "out", *given, timeout=800)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    found = json.loads(result.stdout)
    done, bad = len(found["restored"]), len(found["failed"])
    assert done + bad == count
    assert min(done, bad) > count / 10
    assert all(
        each["error"].endswith(".") and "\n" not in each["error"] for each in found["failed"]
    )
    assert len(contents(tmp_path / "out")) == done
    assert contents(source) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")
def test_a_full_disk_leaves_nothing(tmp_path, astronaut):
    """A limit on the size of files stands for the full disk: the write fails half-way."""
    write_image(tmp_path / "in" / "a.bmp", astronaut)
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from lpie.cli.main import main; main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, "restore", MODEL, tmp_path / "in", tmp_path / "out"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert_one_sentence(result, 1, "File too large")
    assert not contents(tmp_path / "out")


def test_a_folder_that_cannot_be_written_to(tmp_path, astronaut):
    write_image(tmp_path / "a.png", astronaut[:40, :40])
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "b.png", "/proc/b.png"):
        assert_one_sentence(run_lpie("restore", MODEL, tmp_path / "a.png", out), 1, "cannot be")


def finished(folder):
    return sorted(path for path in folder.glob("*.png") if not path.name.startswith("."))


def test_interrupted_in_the_middle(tmp_path, astronaut):
    """Ctrl-C comes when the second photo is on disk, however long that takes."""
    write_image(tmp_path / "in" / "000.png", astronaut)
    for n in range(1, 100):
        os.link(tmp_path / "in" / "000.png", tmp_path / "in" / f"{n:03}.png")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "lpie", "restore", MODEL, tmp_path / "in", out]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while len(finished(out)) < 2 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert 2 <= len(finished(out)) < 100
    assert finished(out) == sorted(out.iterdir())  # no temporary file
    for path in finished(out):
        assert read_image(path).shape == astronaut.shape


@pytest.mark.parametrize("out", ["in/a.png", "in/inner/b.jpg", "a.gif", "/proc/a.png"])
def test_a_wrong_model_is_reported_before_anything_about_out(folder, tmp_path, out):
    result = run_lpie("restore", "denoize", "in/a.png", out, cwd=tmp_path)
    assert_one_sentence(result, 2, "Unknown pretrained network 'denoize'. Did you mean 'denoise'?")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["in", "--crop", "1,1,3x3"], "--crop is for one photo"),
        (["in/a.png", "--crop", "1,1"], "--crop must be X,Y,WIDTHxHEIGHT"),
        (["in/a.png", "--crop", "1,1,300x3"], "--crop must lie inside the photo, which is 80x60"),
        (["in/huge.png"], "at most 256 are decoded. Raise --max-megapixels if you trust it."),
        (["in", "in"], "lpie never overwrites its input"),
        (
            ["in/a.png", "--max-memory", "1"],
            "--max-memory 1 is too small: the result takes 0.014 MB and the smallest tile",
        ),
        (["in/a.png", "in/inner/b.jpg"], "in/inner/b.jpg exists already. To restore both"),
        (
            ["in/a.png", "-o", "in/inner/b.jpg"],
            "exists already. Choose another name or add --force.",
        ),
    ],
)
def test_a_wrong_question_is_one_sentence(folder, tmp_path, arguments, words):
    before = contents(folder)
    assert_one_sentence(run_lpie("restore", MODEL, *arguments, cwd=tmp_path), 2, words)
    assert contents(folder) == before
