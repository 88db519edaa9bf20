"""Files that are written whole or not at all, JSON, and errors of the operating system."""

import contextlib
import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lpie.errors import InputError, LpieError
from lpie.system.signals import undone_by_signals

TEMPORARY = ".*.part*"  # the files that a kill may leave behind of `atomic_path`


def write_atomic(path: Path, data: bytes | str | memoryview) -> None:
    """Write `path` under a temporary name beside it, then rename: whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)
        f.flush()
        os.fsync(f.fileno())


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it becomes `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Same suffix as the target: Keras and OpenCV choose their format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    with undone_by_signals(lambda: temporary.unlink(missing_ok=True)):
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def to_json(value: Any) -> str:
    """`value` as a JSON document; infinities and NaN, which JSON lacks, become null."""
    return json.dumps(_finite(value), indent=2) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; an `InputError` when it holds none."""
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
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
