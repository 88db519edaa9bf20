"""A process that opens one damaged file after another, and is watched while it does.

It is forked from one that has imported everything, so that thousands of files take minutes.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.forked import FORKS
from tests.hostile.doors import DOORS, door_of

# Of computing, as other work on this machine must not count; and of waiting for what never comes.
COMPUTING_S, WAITING_S = 20, 120
MEMORY_BYTES = 2_000_000_000  # beside what the process has taken before


@dataclass(frozen=True)
class End:
    """How a file was received. fault: what must never happen, or ""."""

    fault: str
    code: int | None = None
    printed: str = ""


class Worker:
    """Opens files by doors; a process that dies or is ended for its excess is replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._process = folder, None

    def open(self, name: str, path: Path) -> End:
        """What the door `name` does with the file."""
        if self._process is None:
            self._start()
        self._pipe.send((name, path))
        fault = self._watch()
        if not fault:
            with contextlib.suppress(EOFError, OSError):
                return self._pipe.recv()
            self._process.join()
            fault = f"it ended by itself with {self._process.exitcode}"
        printed = self._printed()
        self.close()
        return End(fault, None, printed)

    def valid(self, name: str) -> list[bytes]:
        """Valid files of the door."""
        if self._process is None:
            self._start()
        self._pipe.send((name, None))
        return self._pipe.recv()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _start(self) -> None:
        self._pipe, theirs = FORKS.Pipe()
        self._process = FORKS.Process(target=_serve, args=(theirs, self._folder), daemon=True)
        self._process.start()
        theirs.close()
        assert self._pipe.recv() == "ready"

    def _watch(self) -> str:
        """Until it has answered: "", or the limit that it broke."""
        process = psutil.Process(self._process.pid)
        began, (busy, taken) = time.monotonic(), _usage(process)
        while not self._pipe.poll(0.05):
            if self._process.exitcode is not None:
                return ""
            busy_now, taken_now = _usage(process)
            if taken_now - taken > MEMORY_BYTES:
                return f"it took {(taken_now - taken) / 1e9:.1f} GB"
            if busy_now - busy > COMPUTING_S or time.monotonic() - began > WAITING_S:
                return f"it hung, after {busy_now - busy:.0f} s of computing"
        return ""

    def _printed(self) -> str:
        path = self._folder / "printed"
        return path.read_text(errors="replace") if path.exists() else ""


def _usage(process: psutil.Process) -> tuple[float, int]:
    """(seconds of computing, bytes) of the process and its children."""
    seconds, size = 0.0, 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                seconds += times.user + times.system
                size += one.memory_info().rss
    return seconds, size


def _serve(pipe, folder: Path) -> None:
    os.chdir(folder)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    pipe.send("ready")
    while True:
        try:
            name, path = pipe.recv()
        except EOFError:
            return
        if path is None:
            with tempfile.TemporaryDirectory(dir=folder) as new:
                pipe.send(DOORS[name].valid(Path(new)))
            continue
        pipe.send(_received(name, path, folder))


def _received(name: str, path: Path, folder: Path) -> End:
    """How the file was received, judged by all that was printed and written."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    with (folder / "printed").open("wb") as sink:
        kept = [os.dup(1), os.dup(2)]
        for number in (1, 2):
            os.dup2(sink.fileno(), number)
        try:
            code, fault = _opened(name, path, out, folder)
        finally:
            for number, copy in enumerate(kept, 1):
                os.dup2(copy, number)
                os.close(copy)
    printed = (folder / "printed").read_text(errors="replace")
    return End(fault or _judged(code, printed, out), code, printed)


def _opened(name: str, path: Path, out: Path, folder: Path) -> tuple[int, str]:
    """(exit code, traceback or "")."""
    import sys

    from lpie.cli.main import main
    from lpie.errors import LpieError

    door = door_of(name)
    places = {"IN": path, "OUT": out / "out", "PHOTO": folder / "photo.png"}
    try:
        if door.call is not None:
            door.call(path)
            return 0, ""
        words = [_placed(word, places) for word in door.words.split()]
        main(words)
    except SystemExit as end:
        return (end.code if isinstance(end.code, int) else 1), ""
    except LpieError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code, ""
    except BaseException:  # noqa: BLE001 (whatever comes out of a door is reported)
        return 70, traceback.format_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0, ""


def _placed(word: str, places: dict[str, Path]) -> str:
    for name, path in places.items():
        if word == name or word.startswith(f"{name}."):
            return str(path) + word.removeprefix(name)
    return word


def _judged(code: int, printed: str, out: Path) -> str:
    """What is wrong with an end that is neither a crash nor a hang."""
    if code not in (0, 1, 2):
        return f"its exit code is {code}"
    if re.search(r"^Traceback \(most recent", printed, re.MULTILINE):  # none quoted in a record
        return "it prints a traceback"
    if "\x1b" in printed.replace("\x1b[A", ""):  # a progress bar's own
        return "it prints an escape sequence"
    if code and not printed.strip():
        return "it fails without a word"
    left = [path.name for path in out.rglob("*") if path.name.startswith(".")]
    return f"it leaves {left[0]}" if left else ""
