"""Many photos one after another: one that fails stops no other, and a stopped run goes on."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

import lpie
from lpie.errors import InputError, LpieError
from lpie.image.image import read_image, write_image
from lpie.restore.batch.finished import is_ours


@pytest.fixture(scope="module")
def restorer():
    return lpie.Restorer("denoise-s")


@pytest.fixture
def folder(tmp_path, monkeypatch, astronaut):
    """Three photos of 24x40, the last in a folder inside, with times of their own."""
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate(("in/a.jpg", "in/b.png", "in/sub/c.png")):
        write_image(tmp_path / name, astronaut[n * 24 : n * 24 + 24, :40])
        os.utime(tmp_path / name, (1e9 + n, 1e9 + n))
    return tmp_path


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def outcome(summary):
    return {
        "restored": [row.out.as_posix() for row in summary.restored],
        "skipped": [path.as_posix() for path, _ in summary.skipped],
        "failed": [path.as_posix() for path, _ in summary.failed],
    }


def test_one_photo_by_its_path(folder):
    [row] = lpie.restore("denoise-s", "in/a.jpg", "b.jpg").restored
    assert (row.width, row.height, row.exact) == (40, 24, True)
    assert read_image(folder / "b.jpg").shape == (24, 40, 3)
    assert (folder / "b.jpg").stat().st_mtime == 1e9
    with pytest.raises(InputError, match="exists already"):
        lpie.restore("denoise-s", folder / "in" / "a.jpg", folder / "b.jpg")
    assert "restore" in dir(lpie)


def test_a_failure_stops_no_other(restorer, folder):
    (folder / "in/aa.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (folder / "in/film.mov").write_bytes(b"")
    summary = lpie.restore(restorer, "in", "out")
    assert outcome(summary) == {
        "restored": ["out/a.jpg", "out/b.png", "out/sub/c.png"],
        "skipped": [],
        "failed": ["in/aa.jpg"],
    }
    assert summary.failed[0].reason.startswith("in/aa.jpg is")
    assert [path.name for path, _ in summary.left_out] == ["film.mov"]
    with pytest.raises(LpieError):
        lpie.restore(restorer, "in/aa.jpg")


def test_a_stopped_run_goes_on(restorer, folder):
    before = contents(folder / "in")
    lpie.restore(restorer, "in", "out")
    whole = contents(folder / "out")
    (folder / "out/a.jpg").unlink()
    (folder / "out/b.png").write_bytes(whole["b.png"][:-30])  # as a copy that was cut off
    os.utime(folder / "out/sub/c.png")  # a copy that has lost its time
    summary = lpie.restore(restorer, "in", "out", resume=True)
    assert outcome(summary) == {
        "restored": ["out/a.jpg", "out/b.png"], "skipped": ["in/sub/c.png"], "failed": []
    }  # fmt: skip
    assert contents(folder / "out") == whole
    assert contents(folder / "in") == before


@pytest.mark.parametrize("half", [b"", b"\x89PNG", b"\x89PNG\r\n\x1a\n\0\0\0"])
def test_half_a_file_is_not_finished(restorer, folder, half):
    (folder / "b.png").write_bytes(half)
    assert len(lpie.restore(restorer, "in/b.png", "b.png", resume=True).restored) == 1


def test_a_foreign_file_is_neither_skipped_nor_overwritten(restorer, folder, astronaut):
    write_image(folder / "out/a.jpg", astronaut[:30, :30])
    (folder / "out/b.png").write_text("the notes of somebody")
    before = contents(folder / "out")
    summary = lpie.restore(restorer, "in", "out", resume=True)
    assert outcome(summary) == {
        "restored": ["out/sub/c.png"], "skipped": [], "failed": ["in/a.jpg", "in/b.png"]
    }  # fmt: skip
    assert "is no result of this photo" in summary.failed[0].reason
    assert before.items() <= contents(folder / "out").items()
    assert len(lpie.restore(restorer, "in", "out", resume=True, force=True).restored) == 2


def test_a_comparison_that_is_foreign_or_missing(restorer, folder, astronaut):
    write_image(folder / "b_compare.png", astronaut[:30, :30])
    options = {"compare": True, "resume": True}
    with pytest.raises(InputError, match=r"b_compare\.png exists already and is no result"):
        lpie.restore(restorer, "in/b.png", "b.png", **options)
    (folder / "b_compare.png").unlink()
    for count in (1, 0):
        assert len(lpie.restore(restorer, "in/b.png", "b.png", **options).restored) == count
    (folder / "b_compare.png").unlink()
    assert len(lpie.restore(restorer, "in/b.png", "b.png", **options).restored) == 1


def test_in_place_keeps_every_photo(restorer, folder):
    before = contents(folder / "in")
    (folder / "in/b.png").chmod(0o640)
    lpie.restore(restorer, "in", in_place=True, backup=".orig")
    after = contents(folder / "in")
    assert {k: after[f"{k}.orig"] for k in before} == before
    assert all(after[name] != data for name, data in before.items())
    assert (folder / "in/b.png").stat().st_mode & 0o777 == 0o640
    assert (folder / "in/b.png").stat().st_mtime == (folder / "in/b.png.orig").stat().st_mtime
    summary = lpie.restore(restorer, "in", in_place=True, backup=".orig", resume=True)
    assert len(summary.skipped) == 3
    assert contents(folder / "in") == after
    with pytest.raises(InputError, match="never overwrites a backup"):
        lpie.restore(restorer, "in", in_place=True, backup=".orig", force=True)


def test_in_place_goes_on_after_a_backup_alone(restorer, folder):
    """A run that was killed between the backup and the result."""
    before = contents(folder / "in")
    (folder / "in/b.png.orig").write_bytes(before["b.png"])
    summary = lpie.restore(restorer, "in", in_place=True, backup=".orig", resume=True)
    assert len(summary.restored) == 3
    assert contents(folder / "in")["b.png.orig"] == before["b.png"]


def test_in_place_replaces_no_link(restorer, folder):
    os.symlink("b.png", "in/link.png")
    summary = lpie.restore(restorer, "in", in_place=True, backup="old")
    assert outcome(summary)["failed"] == ["in/link.png"]
    assert (folder / "in/link.png").is_symlink()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"in_place": True}, "`in_place` needs `backup`"),
        ({"backup": ".orig"}, "`backup` is for `in_place` alone"),
        ({"in_place": True, "backup": ".o", "output": "x.png"}, "omit `output`"),
        ({"in_place": True, "backup": ".o", "format": "png"}, "omit `format`"),
        ({"in_place": True, "backup": "_old.png"}, "`backup` must not end like a photo"),
        ({"format": "gif2"}, "Unknown format 'gif2'"),
        ({"shard": "4/3"}, "`shard` must be"),
        ({"crop": "1"}, "`crop` must be"),
    ],
)
def test_options_that_do_not_fit(restorer, folder, options, words):
    with pytest.raises(InputError, match=words):
        lpie.restore(restorer, "in/b.png", **options)
    with pytest.raises(InputError, match="`crop` is for one photo"):
        lpie.restore(restorer, "in", crop="0,0,8x8")


def test_names_that_are_no_text(restorer, folder, astronaut):
    for name in (b"new\nline\x1b[31m.png", b"caf\xe9.png", b"n" * 251 + b".png"):
        write_image(folder / "odd" / os.fsdecode(name), astronaut[:24, :40])
    for arguments in (["out"], []):
        assert len(lpie.restore(restorer, "odd", *arguments).restored) == 3
    names, results = ({p.name for p in (folder / f).iterdir()} for f in ("odd", "out"))
    assert names == results
    for path in (folder / "odd").iterdir():
        assert len(lpie.restore(restorer, path, compare=True).restored) == 1


def test_shards_together_restore_each_photo_once(restorer, folder):
    done = [
        row.out
        for part in (1, 2, 3)
        for row in lpie.restore(restorer, "in", "out", shard=f"{part}/3").restored
    ]
    assert len(done) == len(set(done)) == 3


def test_a_huge_folder_is_planned_without_looking_into_its_files(tmp_path):
    from lpie.restore.batch.restore import batch_of

    (tmp_path / "in").mkdir()
    for n in range(200):
        (tmp_path / "in" / f"{n}.jpg").touch()
    options = dict.fromkeys(("format", "crop", "shard", "backup"))
    options |= dict.fromkeys(("compare", "in_place", "resume", "force"), False)
    batch = batch_of([str(tmp_path / "in")], None, strength=1, max_megapixels=1, **options)
    assert len(batch.jobs()[0]) == 200


def test_whose_result_it_is(restorer, folder):
    photo, out = folder / "in/a.jpg", folder / "out.jpg"
    lpie.restore(restorer, photo, out)
    assert not is_ours(photo, out)  # it has whole seconds, as of a camera
    os.utime(photo, ns=(1, 10**18 + 1))
    assert not is_ours(photo, out)
    lpie.restore(restorer, photo, out, force=True)
    assert is_ours(photo, out)
    shutil.copy2(photo, folder / "copy.jpg")
    for other in ("copy.jpg", "in/b.png", "in/sub", "gone.jpg"):
        assert not is_ours(photo, folder / other)


def test_a_photo_that_only_its_owner_may_read_stays_so(restorer, folder):
    (folder / "in/b.png").chmod(0o600)
    lpie.restore(restorer, "in/b.png", "b.png")
    assert (folder / "b.png").stat().st_mode & 0o777 == 0o600


def test_strength_zero_gives_the_photo(restorer, folder):
    lpie.restore(restorer, "in/b.png", "b.png", strength=0)
    np.testing.assert_array_equal(read_image(folder / "b.png"), read_image(folder / "in/b.png"))


def test_a_restorer_takes_a_path_or_a_picture(restorer, folder):
    array = read_image(folder / "in/b.png")
    expected = restorer.restore(array)
    turned = Image.fromarray(array).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees, clockwise
    turned.save("turned.png", exif=exif)
    for image in ("in/b.png", folder / "in/b.png", Image.fromarray(array), "turned.png",
                  Image.open("turned.png")):  # fmt: skip
        result = restorer.restore(image)
        np.testing.assert_array_equal(result, expected)
    with pytest.raises(InputError, match=r"gone\.png does not exist"):
        restorer.restore("gone.png")
