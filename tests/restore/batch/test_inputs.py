"""Which photos files, folders and patterns mean, and which machine takes which."""

import os
from pathlib import Path

import pytest

from lpie.errors import InputError
from lpie.restore.batch.inputs import LeftOut, Shard, Source, collect, summary


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder as people have them; its photos are empty, as nothing is read here."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "in/a.jpg", "in/b.PNG", "in/._a.jpg", "in/.DS_Store", "in/Thumbs.db", "in/notes.txt",
        "in/sub/c.tif", "in/sub/desktop.ini", "in/sub/film.mp4", "in/sub/more.mp4", "other/a.jpg",
        "odd[1].jpg",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    os.symlink("sub", "in/link")
    os.symlink("gone.jpg", "in/broken.jpg")
    os.symlink("sub/c.tif", "in/same.tif")
    os.mkfifo("in/pipe.jpg")
    return tmp_path


def names(*inputs):
    return [source.photo.as_posix() for source in collect(inputs)[0]]


def test_a_folder_holds_photos_and_says_what_it_holds_beside_them(tree):
    sources, left_out = collect(["in"])
    assert [s.photo.as_posix() for s in sources] == [
        "in/a.jpg", "in/b.PNG", "in/same.tif", "in/sub/c.tif"
    ]  # fmt: skip
    assert sources[-1].name.as_posix() == "sub/c.tif"
    assert {path.as_posix() for path, _ in left_out} == {
        "in/notes.txt", "in/sub/film.mp4", "in/sub/more.mp4", "in/link", "in/broken.jpg",
        "in/pipe.jpg",
    }  # fmt: skip
    phrases = summary(left_out)
    assert phrases[0] == "2 .mp4, 1 .txt (no type of photo that is restored)"
    assert sorted(phrases[1:]) == [
        "in/broken.jpg (a link to nothing)",
        "in/link (a link to a folder, which is not followed)",
        "in/pipe.jpg (a pipe or a device)",
    ]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["in/b.PNG", "in/a.jpg", "./in/a.jpg"], ["in/a.jpg", "in/b.PNG"]),
        (["in/*.jpg"], ["in/a.jpg"]),
        (["in/[ab].*"], ["in/a.jpg", "in/b.PNG"]),
        (["in/**/*.tif"], ["in/same.tif", "in/sub/c.tif"]),
        (["*/a.jpg", "in/a.jpg"], ["in/a.jpg", "other/a.jpg"]),
        (["in/s*"], ["in/same.tif", "in/sub/c.tif"]),
        (["odd[1].jpg"], ["odd[1].jpg"]),
        (["in/a.jpg", "in/notes.txt", "in/Thumbs.db"], ["in/a.jpg"]),
    ],
)
def test_files_and_patterns(tree, inputs, expected):
    assert names(*inputs) == expected


def test_names_of_a_pattern_are_those_below_its_fixed_part(tree):
    sources, left_out = collect(["in/**/*.tif"])
    assert [s.name.as_posix() for s in sources] == ["same.tif", "sub/c.tif"]
    assert [path.as_posix() for path, _ in left_out] == ["in/link"]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (["in", "gone.jpg"], "gone.jpg does not exist"),
        (["*.gif"], r"No file matches the pattern \*.gif"),
        (["in/sub/*.mp4"], "holds no image. Readable: .jpg.* Left out: 2 .mp4"),
        (["in/pipe.jpg"], "a pipe"),
    ],
)
def test_inputs_that_are_none(tree, inputs, words):
    with pytest.raises(InputError, match=words):
        collect(inputs)


def test_a_folder_that_cannot_be_read_is_a_failure(tree):
    if os.geteuid() == 0:
        pytest.skip("root reads every folder")
    (tree / "in" / "sub").chmod(0)
    reason = "an unreadable folder: Permission denied"
    assert LeftOut(Path("in/sub"), reason) in collect(["in"])[1]


def test_shards_hold_each_photo_once_wherever_the_folder_is(tree):
    for parts in (1, 3, 16):
        shards = [Shard.parse(f"{part}/{parts}") for part in range(1, parts + 1)]
        for n in range(200):
            here = Source(tree / f"x/{n}.jpg", tree.relative_to(tree) / f"x/{n}.jpg")
            there = Source(tree.parent / f"{n}.jpg", here.name)
            holders = [shard for shard in shards if shard.holds(here)]
            assert len(holders) == 1
            assert holders[0].holds(there)


def test_a_shard_takes_about_its_share(tree):
    shard = Shard(3, 4)
    share = sum(shard.holds(Source(tree, tree / f"{n}.jpg")) for n in range(4000))
    assert 900 < share < 1100


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", ""])
def test_a_shard_that_is_none(text):
    with pytest.raises(InputError, match="`shard` must be PART/PARTS"):
        Shard.parse(text)
