"""Cuts photos into overlapping patches, in a fixed order, and writes the shards of a split."""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpie.data.datasets.decode import Reader
from lpie.data.datasets.pairing import Pair
from lpie.data.shards import Patch, count_patches, write_index, write_shard
from lpie.data.sources import Photo
from lpie.errors import InputError

Progress = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class PrepareConfig:
    """How patches are cut; `workers` and `skip_bad` change no patch that is cut either way."""

    # Width and height of a patch, in pixels.
    patch_px: int = 256
    # Distance from one patch to the next, in pixels. By default a quarter of overlap, as NAFNet's
    # published training cuts SIDD (512 px every 384).
    stride_px: int = 192
    # Size of a shard (one file of patches), in millions of bytes.
    shard_mb: int = 256
    # Skip photos that cannot be used, instead of stopping at the first one.
    skip_bad: bool = False
    # Number of threads that decode photos.
    workers: int = 2


def corners(length_px: int, patch_px: int, stride_px: int) -> list[int]:
    """Where patches start along a side: every stride, the last flush with the border."""
    last = length_px - patch_px
    starts = list(range(0, last + 1, stride_px))
    return starts if not starts or starts[-1] == last else [*starts, last]


def survey(reader: Reader, splits: dict[str, list[Pair]], config: PrepareConfig) -> int:
    """The number of bytes that the patches will take, from the sizes in the files' headers.

    Sizes that cannot be used are refused here, before any slow work.
    """
    total = 0
    for pair in (pair for pairs in splits.values() for pair in pairs):
        try:
            sizes = [reader.size(name, pair.block) for name in pair[:2] if name]
            turned = sizes[-1] == sizes[0][::-1]  # by EXIF, perhaps: known when it is decoded
            _check_sizes(reader, pair, sizes[: 1 if turned else 2], config.patch_px)
        except InputError:
            if not config.skip_bad:
                raise
            continue
        rows, columns = (corners(px, config.patch_px, config.stride_px) for px in sizes[0])
        total += len(sizes) * len(rows) * len(columns) * 3 * config.patch_px**2
    return total


def cut_split(
    reader: Reader,
    split: str,
    pairs: list[Pair],
    out: Path,
    index: dict[str, Any],
    config: PrepareConfig,
    progress: Progress,
) -> None:
    """Write the shards that the record of `split` in `index` lacks, and the index after each."""
    record = index["splits"][split]
    written = _resume(record)
    with contextlib.closing(_patches(reader, pairs, record, written, config, progress)) as patches:
        while shard := write_shard(
            out / split,
            len(record["shards"]),
            patches,
            sides=index["sides"],
            patch_px=config.patch_px,
            most=index["patches_per_shard"],
        ):
            record["shards"].append(shard)
            write_index(out, index)
    if not record["shards"]:
        reason = record["photos"][0]["left_out"]
        raise InputError(f"No usable photo is left in {split}. {reason}")


def _resume(record: dict[str, Any]) -> int:
    """How many patches of the next photo are in complete shards already.

    The record then ends with the last photo that is wholly in them.
    """
    done = count_patches(record)
    record["photos"] = [photo for photo in record["photos"] if photo["first"] < done]
    if not record["photos"] or _stop(record["photos"][-1]) <= done:
        return 0
    return done - record["photos"].pop()["first"]


def _stop(photo: dict[str, Any]) -> int:
    return photo["first"] + photo.get("patches", 0)


def _patches(
    reader: Reader,
    pairs: list[Pair],
    record: dict[str, Any],
    written: int,
    config: PrepareConfig,
    progress: Progress,
) -> Generator[Patch, None, None]:
    """The patches of the photos that `record` lacks, but the first `written`; adds the photos."""
    size = config.patch_px
    photos = record["photos"]
    for pair, photo in _decoded(reader, pairs[len(photos) :], config, progress):
        row: dict[str, Any] = {k: v for k, v in pair._asdict().items() if v is not None}
        row["first"] = _stop(photos[-1]) if photos else 0
        if isinstance(photo, InputError):
            photos.append({**row, "left_out": str(photo)})
            continue
        h, w, _ = photo[0].shape
        grid = [
            (y, x)
            for y in corners(h, size, config.stride_px)
            for x in corners(w, size, config.stride_px)
        ]
        photos.append({**row, "patches": len(grid), "height": h, "width": w})
        for y, x in grid[written:]:
            yield tuple(side[y : y + size, x : x + size] for side in photo if side is not None)
        written = 0


def _decoded(
    reader: Reader, pairs: list[Pair], config: PrepareConfig, progress: Progress
) -> Iterator[tuple[Pair, Photo | InputError]]:
    """Each pair in order with its photo, or why it is left out; decoded a few ahead by threads."""

    def decode(pair: Pair) -> Photo | InputError:
        try:
            photo = reader.photo(pair)
            sizes = [(side.shape[0], side.shape[1]) for side in photo if side is not None]
            _check_sizes(reader, pair, sizes, config.patch_px)
        except InputError as error:
            if config.skip_bad:
                return error
            raise
        return photo

    with ThreadPoolExecutor(config.workers) as pool:
        waiting: deque[tuple[Pair, Future[Photo | InputError]]] = deque()
        try:
            for pair in progress(pairs):
                waiting.append((pair, pool.submit(decode, pair)))
                if len(waiting) > config.workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _check_sizes(reader: Reader, pair: Pair, sizes: list[tuple[int, int]], patch_px: int) -> None:
    (h, w), *others = sizes
    target = f"{reader.source.where(pair.target)} ({w}x{h})"
    for height, width in others:
        if (height, width) != (h, w):
            degraded = f"{reader.source.where(str(pair.degraded))} ({width}x{height})"
            raise InputError(f"{degraded} and {target} must be of one size.")
    if min(h, w) < patch_px:
        raise InputError(
            f"{target} is smaller than a patch of {patch_px} px. Lower `patch_px`, or skip such "
            "photos with `skip_bad`."
        )
