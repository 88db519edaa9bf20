"""Files are whole or not there, whatever stops the process that writes them."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from lpie.errors import InputError
from lpie.system import files
from lpie.system.documents import parse_json, read_file, read_text, read_toml
from lpie.system.files import atomic_path, read_json, write_atomic

WRITES = """
import os, sys, time
from pathlib import Path
from lpie.system.files import atomic_path
with atomic_path(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    print(part.name, flush=True)
    time.sleep(100)
"""


@pytest.fixture(autouse=True)
def untidied(monkeypatch):
    """As in a process that has written nothing yet."""
    monkeypatch.setattr(files, "_TIDIED", set())


def writer(path):
    """A process that is writing `path`, and the name it writes to."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(path)], stdout=subprocess.PIPE, text=True
    )
    return process, path.with_name(process.stdout.readline().strip())


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    killed, left = writer(tmp_path / "a.png")
    killed.kill()
    killed.wait()
    alive, kept = writer(tmp_path / "a.png")
    assert left.exists()
    assert kept.exists()
    write_atomic(tmp_path / "b.png", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"b.png", kept.name}
    alive.kill()
    alive.communicate()
    killed.communicate()


def test_a_file_of_another_computer_is_removed_when_nobody_has_written_to_it_for_a_day(tmp_path):
    old, young, strange = (
        tmp_path / name
        for name in (
            ".lpie-0123456789ab-1-0.part.png",
            ".lpie-0123456789ab-1-1.part.png",
            ".photo.123.part.png",
        )
    )
    for path in (old, young, strange):
        path.write_bytes(b"x")
    for path in (old, strange):
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    write_atomic(tmp_path / "b.png", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"b.png", young.name, strange.name}


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "ä" * 125 + ".tiff", "a." + "b" * 250])
def test_names_up_to_the_limit_of_the_file_system(tmp_path, name):
    write_atomic(tmp_path / name, b"whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    process = os.fork()
    if not process:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_atomic(path, b"x" * 5000)
        except OSError as error:
            sentence = str(files.sentence(error))
            os._exit(0 if sentence == f"File too large ({path})." else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_work_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail():
        with atomic_path(path) as part:
            part.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def special(folder):
    """A folder and a pipe, which nobody writes to."""
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    return [(folder / "folder", "is a folder"), (folder / "pipe", "is a pipe")]


def test_what_is_no_ordinary_file_is_neither_replaced_nor_waited_for(tmp_path):
    for path, words in special(tmp_path):
        with pytest.raises(InputError, match=words):
            write_atomic(path, b"x")
        for read in (read_file, read_text, read_toml, read_json):
            with pytest.raises(InputError, match=words):
                read(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("a = 1".encode("utf-16"), "is in UTF-16. Save it as UTF-8"),
        (b"\x7fELF\x02\x01\xff\xfe", r"is no text in UTF-8 \(byte 6\)"),
        (b"a = " + b"[" * 3000 + b"]" * 3000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "not valid TOML: .*digits"),
        (b"a = 1\na = 2", "Cannot overwrite a value"),
        (b"#" * 1_100_000, "has 1.1 MB, where at most 1 MB can be right"),
    ],
)
def test_a_toml_file_that_is_wrong_is_one_sentence(tmp_path, data, words):
    path = tmp_path / "a.toml"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words) as error:
        read_toml(path)
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_and_an_empty_file_are_toml(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbf[train]\r\nsteps = 2\r\n")
    assert read_toml(path) == {"train": {"steps": 2}}
    path.write_bytes(b"")
    assert read_toml(path) == {}


@pytest.mark.parametrize("data", [b"[" * 100_000, b"9" * 5000, b"{", b"\xff", b"[1]"])
def test_a_json_file_that_is_wrong_is_one_sentence(tmp_path, data):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.json (is not valid JSON|must hold a JSON object)"):
        read_json(path)


def test_deep_json_is_a_value_error():
    with pytest.raises(ValueError, match="too deeply"):
        parse_json("[" * 100_000)


@pytest.mark.parametrize("runtime", [True, False])
def test_temporary_files_go_to_memory_where_no_usual_folder_can_be_written_to(
    tmp_path, monkeypatch, runtime
):
    """As in a container with a read-only root."""
    usual = [str(tmp_path / "gone")]
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: usual)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", usual[0])
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path) if runtime else usual[0])
    files.use_temporary_folder()
    assert tempfile.gettempdir() == (str(tmp_path) if runtime else "/dev/shm")
    assert os.environ["TMPDIR"] == tempfile.gettempdir()


def test_a_usual_temporary_folder_is_left_alone(monkeypatch):
    usual = tempfile.gettempdir()
    monkeypatch.delenv("TMPDIR", raising=False)
    files.use_temporary_folder()
    assert tempfile.gettempdir() == usual
    assert "TMPDIR" not in os.environ
