"""Patches in files that training reads without decoding.

A prepared data set is a folder with `index.json` and a folder for each split, which holds
`target-00000.npy`, `degraded-00000.npy` and so on: [N, P, P, 3] uint8, N being `patches_per_shard`
for all but the last. The index holds the settings, which patches come from which photo (they
follow each other row by row) and the SHA-256 of each file.
"""

import contextlib
import errno
import functools
import io
import itertools
import operator
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from lpie.data.sources import Photo
from lpie.errors import InputError, LpieError
from lpie.system.files import atomic_path, read_json, sha256, to_json, write_atomic

FORMAT = 1
# Each open map holds a file descriptor, of which a process may have about a thousand.
MOST_MAPS = 256

Patch = tuple[NDArray[np.uint8], ...]


def open_shards(folder: Path) -> "Shards":
    """The patches of one split, for example of `prepared/train`, read from disk as they are used.

    Raises `InputError` when the data set is not finished or a file is missing or of a wrong size;
    of the pixels nothing is read.
    """
    folder = folder.absolute()
    if (folder / "index.json").is_file():
        splits = list(read_index(folder)["splits"])
        raise InputError(
            f"{folder} holds the splits {', '.join(splits)}. Name one: {folder / splits[0]}."
        )
    out = folder.parent
    index = read_index(out)
    if folder.name not in index["splits"]:
        raise InputError(f"{out} has no split {folder.name}, only {', '.join(index['splits'])}.")
    if not index["complete"]:
        raise InputError(f"{out} is not finished. Run the same `lpie data prepare` again.")
    record = index["splits"][folder.name]
    for number, shard in enumerate(record["shards"]):
        for side in index["sides"]:
            check_shard(shard_path(folder, side, number), shard["patches"], index["patch_px"])
    return Shards(folder, index["sides"], index["patches_per_shard"], count_patches(record))


class Shards(Sequence[Photo]):
    """A sequence of (target, degraded or None), each [P, P, 3] uint8, mapped from files."""

    def __init__(self, folder: Path, sides: list[str], patches_per_shard: int, count: int) -> None:
        self._sides = sides
        self._per_shard = patches_per_shard
        self._count = count
        self._map = functools.lru_cache(MOST_MAPS)(
            lambda side, number: np.load(shard_path(folder, side, number), mmap_mode="r")
        )

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Photo: ...
    @overload
    def __getitem__(self, index: slice) -> list[Photo]: ...
    def __getitem__(self, index: int | slice) -> Photo | list[Photo]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        i = operator.index(index)  # also NumPy's integers
        if not -self._count <= i < self._count:
            raise IndexError(f"patch {i} of {self._count}")
        number, row = divmod(i % self._count, self._per_shard)
        target, *degraded = (np.asarray(self._map(side, number)[row]) for side in self._sides)
        return target, degraded[0] if degraded else None


def read_index(out: Path) -> dict[str, Any]:
    """The index of the prepared data set `out`."""
    path = out / "index.json"
    if not path.is_file():
        raise InputError(
            f"{out} is not a prepared data set: it holds no index.json. "
            "`lpie data prepare` makes one."
        )
    index = read_json(path)
    if index.get("format") != FORMAT:
        raise InputError(
            f"{path} is of format {index.get('format')}; this lpie reads format {FORMAT}. "
            "Prepare it again in another folder."
        )
    return index


def write_index(out: Path, index: dict[str, Any]) -> None:
    """Replace the index of `out`."""
    with writing(out / "index.json"):
        write_atomic(out / "index.json", to_json(index))


def shard_path(folder: Path, side: str, number: int) -> Path:
    """The file of a shard; side: `target` or `degraded`."""
    return folder / f"{side}-{number:05d}.npy"


def count_patches(record: dict[str, Any]) -> int:
    """The patches in all shards of a split's record."""
    return sum(shard["patches"] for shard in record["shards"])


def check_shard(path: Path, count: int, patch_px: int) -> None:
    """Raise an `InputError` unless `path` is as long as, and says to be, [count, P, P, 3] uint8."""
    shape = (count, patch_px, patch_px, 3)
    try:
        with path.open("rb") as f:
            version = np.lib.format.read_magic(f)
            stored, _, dtype = np.lib.format.read_array_header_1_0(f)
            start = f.tell()
    except FileNotFoundError:
        raise InputError(f"{path} is missing. {AGAIN}") from None
    except (ValueError, RecursionError, MemoryError):
        raise InputError(f"{path} is damaged: it has no .npy header. {AGAIN}") from None
    if version != (1, 0) or stored != shape or dtype != np.uint8:
        raise InputError(f"{path} must be uint8 {shape}. Received: {dtype} {stored}. {AGAIN}")
    if path.stat().st_size != start + np.prod(shape):
        raise InputError(f"{path} is truncated or damaged. {AGAIN}")


AGAIN = "Delete the file and run `lpie data prepare` again to write it anew."


def write_shard(
    folder: Path,
    number: int,
    patches: Iterator[Patch],
    *,
    sides: Sequence[str],
    patch_px: int,
    most: int,
) -> dict[str, Any] | None:
    """The record of a shard written from up to `most` patches; None when there is no more.

    Nothing is left of a shard that could not be written to its end.
    """
    first = next(patches, None)
    if first is None:
        return None
    paths = [shard_path(folder, side, number) for side in sides]
    count = 0
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(_shard_file(path, patch_px)) for path in paths]
        for patch in itertools.islice(itertools.chain([first], patches), most):
            count += 1
            for path, f, pixels in zip(paths, files, patch, strict=True):
                with writing(path):
                    f.write(np.ascontiguousarray(pixels).data)
        for path, f in zip(paths, files, strict=True):
            with writing(path):
                _finish(f, count, patch_px)
    hashes = {side: sha256(path) for side, path in zip(sides, paths, strict=True)}
    return {"patches": count, "sha256": hashes}


@contextlib.contextmanager
def _shard_file(path: Path, patch_px: int) -> Iterator[BinaryIO]:
    with writing(path), atomic_path(path) as temporary, temporary.open("wb") as f:
        f.write(_header(0, patch_px))
        yield f


def _finish(f: BinaryIO, count: int, patch_px: int) -> None:
    """Write how many patches there are, which is only known at the end."""
    f.seek(0)
    f.write(_header(count, patch_px))
    f.flush()
    os.fsync(f.fileno())


def _header(count: int, patch_px: int) -> bytes:
    """The start of a .npy file, whose length depends on no count of patches."""
    file = io.BytesIO()
    shape = (count, patch_px, patch_px, 3)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    assert file.tell() == 128, "NumPy pads the header of an array of this size to 128 bytes"
    return file.getvalue()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an error of the operating system into a sentence."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "The disk is full" if full else f"{error.strerror or error}"
        raise LpieError(
            f"Cannot write {path}: {reason}. Complete shards are kept; run the same command "
            "again to resume, once this is fixed."
        ) from None
