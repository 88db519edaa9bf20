"""Which `.tflite` files lpie wrote itself, on this computer, or brings along.

A file cannot vouch for itself: whoever forges one can forge what stands in it. So a file is known
by the SHA-256 of all its bytes, kept where it cannot come along with the file.
"""

import contextlib
import functools
import json
from pathlib import Path

from lpie.system.environment import cache_folder

INDEX = Path(__file__).parents[2] / "weights" / "index.json"


def remember_export(sha256: str) -> None:
    """Keep in mind that lpie wrote the file of this digest.

    Where the cache cannot be written, the file will run in a process of its own, a little slower.
    """
    mark = _mark(sha256)
    if mark is not None:
        with contextlib.suppress(OSError):
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


def is_known(sha256: str) -> bool:
    """Whether lpie wrote the file of this digest on this computer, or brings it along."""
    if sha256 in _pretrained():
        return True
    mark = _mark(sha256)
    with contextlib.suppress(OSError):
        return mark is not None and mark.is_file()
    return False


def _mark(sha256: str) -> Path | None:
    """The empty file that stands for a digest."""
    cache = cache_folder()
    return None if cache is None else cache / "exports" / sha256


@functools.cache
def _pretrained() -> frozenset[str]:
    entries = json.loads(INDEX.read_bytes()) if INDEX.exists() else {}
    return frozenset(entry["sha256"][".tflite"] for entry in entries.values())
