"""What people name files by: pipes and devices are refused, and outputs never meet inputs."""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from lpie.errors import InputError

# Reading them may wait for ever or never end; writing to them replaces them by a file.
_SPECIAL = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def refuse_special(path: Path, *, name: str = "") -> None:
    """Raise an `InputError` when `path` is a pipe, a device or a socket.

    name: the parameter, in backticks or as it is typed; "" where `path` says enough.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever opens it says what is wrong
        return
    kind = next((kind for is_kind, kind in _SPECIAL if is_kind(mode)), None)
    if kind:
        start = f"{name} must be a file or a folder. Received: {path}, which" if name else path
        raise InputError(f"{start} is {kind}. Name an ordinary file.")


def check_outputs(outputs: Sequence[Path], inputs: Iterable[Path]) -> None:
    """Raise an `InputError` when a command would write to one of its inputs, or one file twice.

    Links and names in other letters, where the file system ignores case, are the same file. Of a
    folder among the inputs, every file in it counts: whoever writes his own files into such a
    folder names the files that are read instead.
    """
    real: dict[str, str] = {}
    read: dict[object, Path] = {}
    folders: dict[str, Path] = {}
    for path in inputs:
        if path.is_dir():
            folders[os.path.realpath(path)] = path
        read |= dict.fromkeys(_keys(path, real), path)
    written: dict[object, Path] = {}
    for path in outputs:
        keys = _keys(path, real)
        for key in keys:
            if key in read:
                raise InputError(
                    f"Input and output are the same file ({read[key]}). Choose another output: "
                    "lpie never overwrites its input."
                )
            if key in written:
                raise InputError(
                    f"{written[key]} and {path} are one file, and both would be written. Choose "
                    "other outputs."
                )
        written |= dict.fromkeys(keys, path)
        folder = _holder(path, folders)
        if folder:
            raise InputError(
                f"{path} is a file in the input {folder}. Choose another output: lpie never "
                "overwrites its input."
            )


def _keys(path: Path, real: dict[str, str]) -> list[object]:
    """What all names of one file share: where it really lies, and the number of the file.

    real: where folders really lie, filled on the way, as there may be many files in one.
    """
    parent = str(path.parent)
    if parent not in real:
        real[parent] = os.path.realpath(parent)
    keys: list[object] = [os.path.join(real[parent], path.name)]
    try:
        status = path.stat()
    except (OSError, ValueError):
        return keys
    return [*keys, (status.st_dev, status.st_ino)]


def _holder(path: Path, folders: dict[str, Path]) -> Path | None:
    """The folder of `folders` that holds the file `path` already, at any depth."""
    if not folders or not path.exists():
        return None
    parents = map(str, Path(os.path.realpath(path)).parents)
    return next((folders[parent] for parent in parents if parent in folders), None)
