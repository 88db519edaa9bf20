"""What `lpie restore` takes several words, patterns and streams for, and what it prints then."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from lpie.cli.restore import inputs_and_output
from lpie.errors import InputError
from lpie.image.image import read_image, write_image
from lpie.restore.batch.restore import restore
from tests.conftest import assert_one_sentence, run_lpie

MODEL = "denoise-s"


@pytest.fixture
def folder(tmp_path, monkeypatch, astronaut):
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate(("a.png", "b.png", "in/c.png")):
        write_image(tmp_path / name, astronaut[n * 24 : n * 24 + 24, :40])
        os.utime(tmp_path / name, ns=(1, 10**18 + n * 10**11 + 5))
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "output", "expected"),
    [
        ("a.png", None, (("a.png",), None)),
        ("a.png new.png", None, (("a.png",), "new.png")),
        ("a.png out", None, (("a.png",), "out")),
        ("in new", None, (("in",), "new")),
        ("in out", None, (("in",), "out")),
        ("a.png -", None, (("a.png",), "-")),
        ("- new.png", None, (("-",), "new.png")),
        ("*.png new", None, (("*.png",), "new")),
        ("a.png *.png", None, (("a.png", "*.png"), None)),
        ("a.png b.png", "out", (("a.png", "b.png"), "out")),
        ("a.png in", "out", (("a.png", "in"), "out")),
        ("a.png b.png in", None, (("a.png", "b.png", "in"), None)),
        ("a.png b.png out", None, (("a.png", "b.png", "out"), None)),
    ],
)
@pytest.mark.parametrize("resume", [True, False])
def test_what_is_a_photo_and_what_is_out(folder, words, output, expected, resume):
    assert inputs_and_output(words.split(), output, resume=resume) == expected


def test_a_second_photo_is_never_out(folder):
    for resume in (True, False):
        with pytest.raises(InputError, match=r"b\.png exists already.*-o FOLDER.*-o b\.png"):
            inputs_and_output(["a.png", "b.png"], None, resume=resume)
    restore(MODEL, "a.png", "done.png")
    words = ["a.png", "done.png"]
    assert inputs_and_output(words, None, resume=True) == (("a.png",), "done.png")
    with pytest.raises(InputError, match="exists already"):
        inputs_and_output(words, None, resume=False)


@pytest.mark.parametrize("options", [[], ["--force"], ["--resume"], ["--force", "--resume"]])
def test_two_photos_without_o_write_nothing(folder, options):
    before = (folder / "b.png").read_bytes()
    result = run_lpie("restore", MODEL, "a.png", "b.png", *options, cwd=folder)
    assert_one_sentence(result, 2, "b.png exists already", "-o FOLDER", "-o b.png --force")
    assert (folder / "b.png").read_bytes() == before


def test_several_inputs_and_their_summary(folder):
    (folder / "in/bad.png").write_bytes(b"\x89PNG\x1b[31m")
    (folder / "in/film.mov").write_bytes(b"")
    command = ["restore", MODEL, "a.png", "?.png", "in", "-o", "results", "--format", "jpg"]
    result = run_lpie(*command, cwd=folder)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert [line.split(" (")[0] for line in lines[:-1]] == [
        "results/a.jpg", "results/b.jpg", "results/in/c.jpg"
    ]  # fmt: skip
    assert lines[-1] == "3 restored, 1 failed, 1 left out."
    assert "Left out: 1 .mov (no type of photo that is restored)" in result.stderr
    assert "1 of 4 photos were not restored:\n  in/bad.png is" in result.stderr
    result = run_lpie(*command, "--resume", "--json", cwd=folder)
    shown = json.loads(result.stdout)
    assert (len(shown["restored"]), shown["skipped"]) == (0, 3)
    assert [row["in"] for row in shown["skipped_photos"]] == ["a.png", "b.png", "in/c.png"]
    assert [row["in"] for row in shown["failed"]] == ["in/bad.png"]
    assert [row["in"] for row in shown["left_out"]] == ["in/film.mov"]


def test_the_comparison_of_one_photo_is_another_photo(folder):
    """`--resume` once took it for done, and wrote the comparison over the photo."""
    (folder / "b.png").rename(folder / "z_compare.png")
    before = (folder / "z_compare.png").read_bytes()
    command = ["restore", MODEL, "z_compare.png", "z.png", "--compare"]
    for options in (["--resume"], ["--force"], []):
        result = run_lpie(*command, *options, cwd=folder)
        assert_one_sentence(result, 2, "z_compare.png", "never overwrites its input")
        assert (folder / "z_compare.png").read_bytes() == before


def stream(*words, data=b"", cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "lpie", "restore", MODEL, *words],
        input=data, capture_output=True, cwd=cwd, check=False,
    )  # fmt: skip


def test_streams(folder):
    photo = (folder / "a.png").read_bytes()
    restore(MODEL, "a.png", "whole.png")
    whole = (folder / "whole.png").read_bytes()
    result = stream("-", data=photo, cwd=folder)
    assert (result.returncode, result.stdout) == (0, whole)
    assert result.stderr.startswith(b"- (40x24")
    result = stream("a.png", "-", "--format", "bmp", cwd=folder)
    (folder / "x.bmp").write_bytes(result.stdout)
    np.testing.assert_array_equal(read_image(folder / "x.bmp"), read_image(folder / "whole.png"))
    result = stream("-", "new.png", "--json", data=photo, cwd=folder)
    assert json.loads(result.stdout)["restored"][0]["in"] == "-"
    assert (folder / "new.png").read_bytes() == whole


@pytest.mark.parametrize(
    ("words", "data", "part"),
    [
        (["-"], b"", "standard input is not a readable image: it is empty"),
        (["-"], b"text", "standard input is not a readable image"),
        (["-"], b"\x89PNG\r\n\x1a\n", "standard input.png is not a readable image"),
        (["-", "--json"], b"", "Standard output takes the photo alone: omit --json"),
        (["-", "a.png", "-o", "x"], b"", "- is for one photo. Received: -, a.png"),
        (["in", "-"], b"", "- is for one photo"),
        (["-", "--shard", "1/2"], b"", "omit --shard"),
        (["-", "-o", "out.gif2"], b"\x89PNG\r\n\x1a\n", "-o must end in one of"),
    ],
)
def test_streams_that_are_refused(folder, monkeypatch, words, data, part):
    with (folder / "stdin").open("wb") as file:
        file.write(data)
    with (folder / "stdin").open("rb") as file:
        result = subprocess.run(
            [sys.executable, "-m", "lpie", "restore", MODEL, *words],
            stdin=file, capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
    assert_one_sentence(result, 2, part)
    assert result.stdout == ""


def test_an_endless_stream_is_not_read_to_its_end(folder):
    with open("/dev/zero", "rb") as zeros:
        result = subprocess.run(
            [sys.executable, "-m", "lpie", "restore", MODEL, "-"],
            stdin=zeros, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert_one_sentence(result, 2, "standard input is not a readable image")


def test_nobody_reads_what_is_printed(folder):
    """As of `lpie ... | head -1`: no traceback, and no message of Python at its end."""
    command = [sys.executable, "-m", "lpie", "restore", MODEL, "a.png", "-"]
    for words in (command, [*command[:-1], "x.png"]):
        read, write = os.pipe()
        os.close(read)
        with subprocess.Popen(words, stdout=write, stderr=subprocess.PIPE, text=True) as process:
            os.close(write)
            _, errors = process.communicate()
        assert process.returncode != 0
        assert "Traceback" not in errors
        assert "Exception ignored" not in errors
