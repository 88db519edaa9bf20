"""Files that are written whole or not at all, and errors of the operating system."""

import contextlib
import errno
import functools
import hashlib
import itertools
import json
import math
import os
import platform
import re
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lpie.errors import InputError, LpieError
from lpie.system.documents import parse_json, read_file
from lpie.system.signals import undone_by_signals

# What a kill may leave behind of `atomic_path`, also of earlier versions, in a folder of our own.
TEMPORARY = ".*.part*"
# Ours in any folder: the computer (`_computer`), the process and a number within it.
_OURS = re.compile(r"\.lpie-(?P<computer>[0-9a-f]{12})-(?P<process>\d+)-\d+\.part(\..*)?")
# A file of another computer, whose processes cannot be asked for, is left behind once nobody has
# written to it for so long (seconds).
_ABANDONED_S = 24 * 3600
_LONGEST_SUFFIX = 16  # bytes; a file system allows a name 255 of them
_NUMBERS = itertools.count()
_TIDIED: set[str] = set()
# Errors of a disk that do not name the file.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def write_atomic(path: Path, data: bytes | str | memoryview) -> None:
    """Write `path` under a temporary name beside it, then rename: whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it becomes `path` when the block ends well.

    The bytes are on the disk before the name is, so that a loss of power leaves the old file or
    the new one. What killed processes have left in the folder is removed.
    """
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise InputError(f"{path} is {kind}. Choose the name of a new file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    with undone_by_signals(lambda: temporary.unlink(missing_ok=True)):
        try:
            yield temporary
            _flush(temporary)
            _tidy(path.parent, now=temporary.stat().st_mtime)
            os.replace(temporary, path)
            _flush(path.parent)
        except OSError as error:
            _name_file(error, temporary, path)
            raise
        finally:
            temporary.unlink(missing_ok=True)


def to_json(value: Any) -> str:
    """`value` as a JSON document; infinities and NaN, which JSON lacks, become null."""
    return json.dumps(_finite(value), indent=2) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; an `InputError` when it holds none."""
    try:
        record = parse_json(read_file(path))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not valid JSON: {error}. Write it anew.") from None
    if not isinstance(record, dict):
        raise InputError(f"{path} must hold a JSON object. Received: {type(record).__name__}.")
    return record


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise an `InputError` when `path` exists, unless `force`."""
    if path.exists() and not force:
        raise InputError(f"{path} exists already. Choose another name or add `force`.")


def sha256(path: Path) -> str:
    """The SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def compressed_bytes(path: Path) -> int:
    """The bytes of the file in a package: its size after deflate, as in zip and gzip, level 9."""
    return len(zlib.compress(path.read_bytes(), 9))


def sentence(error: OSError) -> LpieError:
    """The operating system's refusal as one sentence that names the file."""
    where = f" ({error.filename})" if error.filename else ""
    return LpieError(f"{error.strerror or error}{where}.")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def use_temporary_folder() -> None:
    """Let temporary files go to memory where no usual folder can be written to.

    As in a container with a read-only root. Also for what is started from here.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        candidates = [os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm", "/run"]
        for folder in filter(None, candidates):
            if os.access(folder, os.W_OK | os.X_OK):
                os.environ["TMPDIR"] = tempfile.tempdir = folder
                return


def _temporary(path: Path) -> Path:
    """A name that nobody else writes to, of the suffix of `path`.

    Keras and OpenCV choose their format by it.
    """
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
    return path.with_name(f".lpie-{_computer()}-{os.getpid()}-{next(_NUMBERS)}.part{suffix}")


@functools.cache
def _computer() -> str:
    """What tells apart those who number their processes: computers, their starts, containers."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        start, space = platform.node(), ""
    return hashlib.sha256(f"{start} {space}".encode()).hexdigest()[:12]


def _tidy(folder: Path, now: float) -> None:
    """Remove what ended processes have left in `folder`, once in the life of this one.

    now: by the clock that `folder` stamps its files with, which may be another computer's.
    """
    if (absolute := os.path.abspath(folder)) in _TIDIED:
        return
    _TIDIED.add(absolute)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _OURS.fullmatch(entry.name)
            if match and _is_left(entry, match["computer"], int(match["process"]), now):
                Path(entry.path).unlink(missing_ok=True)


def _is_left(entry: "os.DirEntry[str]", computer: str, process: int, now: float) -> bool:
    if computer == _computer():
        return not _lives(process)
    return entry.stat(follow_symlinks=False).st_mtime < now - _ABANDONED_S


def _lives(process: int) -> bool:
    """Whether there is such a process; a later one of the same number passes for it."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # another user's
    return True


def _flush(path: Path) -> None:
    """Wait until the file, or the names in the folder, are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that one may write to but not list
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        # Some network and user-space file systems do not know this call.
    finally:
        os.close(descriptor)


def _name_file(error: OSError, temporary: Path, path: Path) -> None:
    """Let an error of writing name the file that was asked for."""
    anonymous = error.filename is None and error.errno in _OF_THE_DISK
    if anonymous or str(error.filename) == str(temporary):
        error.filename, error.filename2 = str(path), None
