"""What a folder holds, without what computers leave in it; no link to a folder is followed."""

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["file", "link to a folder", "broken link", "pipe or device", "unreadable folder"]

# Of macOS, of Windows, and what a killed lpie may leave (`lpie.system.files`).
_IGNORED = re.compile(r"\._.*|\.ds_store|thumbs\.db|desktop\.ini|\..*\.part(\..*)?", re.IGNORECASE)


class Entry(NamedTuple):
    """Something in a folder. reason: why a folder is unreadable, in the system's words."""

    path: Path
    kind: Kind
    reason: str = ""


def ignored(name: str) -> bool:
    """Whether a file of this name is nobody's: `._a.jpg`, `.DS_Store`, `Thumbs.db` and the like."""
    return _IGNORED.fullmatch(name) is not None


def is_pattern(text: str) -> bool:
    """Whether `text` is a pattern of names rather than the name of a file."""
    if os.path.lexists(text) or not glob.has_magic(text):
        return False
    return "*" in text or "?" in text or bool(glob.glob(text, recursive=True))


def entries(folder: Path, *, inner: bool) -> Iterator[Entry]:
    """All in `folder` that is no folder itself, in no order.

    inner: whether also what its folders hold, at any depth.
    """
    todo = [folder]
    while todo:
        at = todo.pop()
        try:
            with os.scandir(at) as scanned:
                listed = list(scanned)
        except OSError as error:
            yield Entry(at, "unreadable folder", error.strerror or str(error))
            continue
        for entry in listed:
            if ignored(entry.name):
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield Entry(Path(entry.path), _kind(entry))
            elif inner:
                todo.append(Path(entry.path))


def _kind(entry: "os.DirEntry[str]") -> Kind:
    if entry.is_file():
        return "file"
    if not entry.is_symlink():
        return "pipe or device"
    if entry.is_dir():
        return "link to a folder"
    return "pipe or device" if os.path.exists(entry.path) else "broken link"
