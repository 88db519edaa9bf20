"""Names of results: no photo, no other result and no backup is ever written over."""

import os
from pathlib import Path

import pytest

from lpie.errors import InputError
from lpie.restore.batch.inputs import collect
from lpie.restore.batch.outputs import (
    Job,
    Naming,
    _apart,
    _refuse_meeting,
    refuse_finished,
    with_ending,
)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.jpg", "in/a.png", "in/sub/c.tif", "other/a.jpg", "z_compare.jpg", "z.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def outs(inputs, *arguments, **options):
    jobs = Naming(*arguments, **options).jobs(collect(inputs)[0], inputs)
    return {job.photo.as_posix(): job.out.as_posix() for job in jobs}


@pytest.mark.parametrize(
    ("inputs", "output", "expected"),
    [
        (["in/a.jpg"], None, ["in/a_restored.jpg"]),
        (["in/a.jpg"], "b.png", ["b.png"]),
        (["in/a.jpg"], "new/", ["new/a.jpg"]),
        (["in/a.jpg"], "other/sub.jpg", ["other/sub.jpg"]),
        (["in/a.jpg", "in/a.png"], None, ["in/a_restored.jpg", "in/a_restored.png"]),
        (["in/a.jpg", "in/a.png"], "new", ["new/a.jpg", "new/a.png"]),
        (["in"], None, ["in_restored/a.jpg", "in_restored/a.png", "in_restored/sub/c.tif"]),
        (["in"], "new", ["new/a.jpg", "new/a.png", "new/sub/c.tif"]),
        (["in/**/*.*"], "new", ["new/a.jpg", "new/a.png", "new/sub/c.tif"]),
        (
            ["in", "other", "z.jpg"],
            "new",
            ["new/in/a.jpg", "new/in/a.png", "new/in/sub/c.tif", "new/other/a.jpg", "new/z.jpg"],
        ),
    ],
)
def test_where_results_go(tree, inputs, output, expected):
    assert list(outs(inputs, output).values()) == expected


def test_formats_never_make_one_file_of_two(tree):
    assert list(outs(["in"], "new", ".png").values()) == [
        "new/a.jpg.png", "new/a.png", "new/sub/c.png"
    ]  # fmt: skip
    assert outs(["in/a.jpg"], None, ".jpeg") == {"in/a.jpg": "in/a_restored.jpg"}
    (tree / "in/a.jpg.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"in/a\.jpg and in/a\.jpg\.png would both be written"):
        outs(["in"], "new", ".png")


def test_results_in_the_folder_itself_are_no_photos(tree):
    (tree / "in/out").mkdir()
    (tree / "in/out/a.jpg").write_bytes(b"")
    assert list(outs(["in"], "in/out")) == ["in/a.jpg", "in/a.png", "in/sub/c.tif"]


def test_names_that_differ_in_case_alone():
    """As on Windows and macOS, which a test cannot rely on to be there."""
    photos, results = [Path("A.jpg"), Path("a.png")], [Path("o/A.png"), Path("o/a.png")]
    assert _apart(results, photos, False) == results
    assert _apart(results, photos, True) == [Path("o/A.jpg.png"), Path("o/a.png")]
    jobs = [Job(Path("x"), Path("o/É.jpg")), Job(Path("y"), Path("o/e\u0301.jpg"))]
    _refuse_meeting(jobs, False)
    with pytest.raises(InputError, match="x and y would both be written"):
        _refuse_meeting(jobs, True)


@pytest.mark.parametrize(
    ("inputs", "options", "words"),
    [
        (["in/a.jpg"], {"output": "in/a.jpg"}, "same file .*never overwrites its input"),
        (["in/a.jpg"], {"output": "in/../in/a.jpg"}, "never overwrites its input"),
        (["in"], {"output": "in"}, "never overwrites its input"),
        (["in", "z.jpg"], {"output": "."}, "never overwrites its input"),
        (["z_compare.jpg", "z.jpg"], {"compare": True, "output": "new"}, "both be written"),
        (["z_compare.jpg"], {"compare": True, "output": "z.jpg"}, "never overwrites its input"),
        (["in/a.jpg", "other/a.jpg"], {"output": "new"}, "would both be written to new/a.jpg"),
        (["in/a.jpg"], {"output": "/dev/null"}, "`output` must be a file.*which is a device"),
        (["in/a.jpg"], {"output": "b.xyz"}, "`output` must end in one of"),
        (["in/a.jpg"], {"output": "b.jpg", "suffix": ".png"}, "disagree.* try b.png"),
        (["in"], {"output": "b.jpg"}, "`output` must be a folder.* Try b/"),
        (["in", "z.jpg"], {"output": "other/a.jpg"}, "`output` must be a folder"),
    ],
)
def test_outputs_that_meet_something(tree, inputs, options, words):
    with pytest.raises(InputError, match=words):
        outs(inputs, **options)


def test_other_names_of_a_photo_are_the_photo(tree):
    os.symlink("in/a.jpg", "link.jpg")
    os.link("in/a.jpg", "hard.jpg")
    os.symlink("in", "folder")
    for output in ("link.jpg", "hard.jpg", "folder/a.jpg"):
        with pytest.raises(InputError, match="never overwrites its input"):
            outs(["in/a.jpg"], output)


def test_in_place(tree):
    for backup, kept in ((".orig", "in/sub/c.tif.orig"), ("old", "old/sub/c.tif")):
        jobs = Naming(backup=backup).jobs(collect(["in"])[0], ["in"])
        assert jobs[-1] == Job(Path("in/sub/c.tif"), Path("in/sub/c.tif"), None, Path(kept))
        refuse_finished(jobs, force=False)
    (tree / "in/sub/c.tif.orig").write_bytes(b"")
    jobs = Naming(backup=".orig").jobs(collect(["in"])[0], ["in"])
    with pytest.raises(InputError, match="never overwrites a backup"):
        refuse_finished(jobs, force=True)


def test_backups_in_the_folder_itself_are_no_photos(tree):
    (tree / "in/old").mkdir()
    (tree / "in/old/a.jpg").write_bytes(b"")
    assert list(outs(["in"], backup="in/old")) == ["in/a.jpg", "in/a.png", "in/sub/c.tif"]


@pytest.mark.parametrize("stem", ["a" * 251, "é" * 125, "写" * 83, os.fsdecode(b"\xe9" * 251)])
def test_names_up_to_the_limit_of_file_systems(stem):
    path = with_ending(Path("in", f"{stem}.jpg"), "_restored")
    assert 250 < len(os.fsencode(path.name)) <= 255
    assert path.name.endswith("_restored.jpg")
    assert os.fsencode(path.name[: -len("_restored.jpg")]) in os.fsencode(stem)


def test_what_exists_is_refused(tree):
    jobs = [Job(Path("in/a.jpg"), Path("new.jpg"), Path("z_compare.jpg"))]
    with pytest.raises(InputError, match=r"z_compare\.jpg exists already"):
        refuse_finished(jobs, force=False)
    refuse_finished(jobs, force=True)
