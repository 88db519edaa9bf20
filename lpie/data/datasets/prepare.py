"""Cuts data sets into patches once, so that training reads them without decoding."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lpie.config.parse import differences
from lpie.data.datasets.archives import Source, open_source
from lpie.data.datasets.decode import Reader
from lpie.data.datasets.layouts import find_layout, find_pairs
from lpie.data.datasets.pairing import Pair
from lpie.data.datasets.patches import PrepareConfig, Progress, cut_split, survey
from lpie.data.shards import (
    AGAIN,
    FORMAT,
    check_shard,
    count_patches,
    read_index,
    shard_path,
    write_index,
    writing,
)
from lpie.errors import InputError, LpieError
from lpie.system.files import TEMPORARY, sha256

Splits = dict[str, list[Pair]]


def free_bytes(folder: Path) -> int:
    """The free bytes on the disk of `folder`."""
    return shutil.disk_usage(folder).free


def prepare(
    name: str,
    source: Path,
    out: Path,
    config: PrepareConfig | None = None,
    *,
    progress: Progress = lambda pairs: pairs,
    free: Callable[[Path], int] = free_bytes,
) -> dict[str, Any]:
    """Cut the data set `name` from `source` (a folder or archive) into `out`; returns `summary`.

    When it is stopped at any moment and run again, it goes on after the last complete shard and
    ends with the same bytes. Raises `InputError` for a source or settings that cannot be used, and
    `LpieError` when the disk does not take the result.
    """
    config = config or PrepareConfig()
    find_layout(name)
    _check(config, source, out)
    with open_source(source, scratch=_nearest(out)) as files:
        top, splits = find_pairs(name, files)
        index = _new_index(name, top, splits, config)
        if not _standing(out, index)["complete"]:
            reader = Reader(top)
            _check_room(out, survey(reader, splits, config), _standing(out, index), free)
            with _alone(out):
                _write(reader, splits, out, _standing(out, index), config, progress)
            return summary(out)
    return {**summary(out), "was_complete": True}


def summary(out: Path) -> dict[str, Any]:
    """What the prepared data set `out` holds."""
    index = read_index(out)
    original = find_layout(index["data_set"]).photos
    splits = {}
    for split, record in index["splits"].items():
        bad = [photo["left_out"] for photo in record["photos"] if "left_out" in photo]
        splits[split] = {
            "photos": len(record["photos"]) - len(bad),
            "photos_of_the_original": original.get(split),
            "patches": count_patches(record),
            "shards": len(record["shards"]),
            "left_out": bad,
        }
    chosen = {key: index[key] for key in ("data_set", "patch_px", "stride_px", "complete")}
    return {"folder": str(out), **chosen, "was_complete": False, "splits": splits}


def verify(name: str, out: Path, *, progress: Progress = lambda paths: paths) -> dict[str, Any]:
    """`summary(out)` and how many files were compared with their checksums.

    Raises `LpieError` naming the files that are missing or damaged.
    """
    index = read_index(out)
    if index["data_set"] != name:
        raise InputError(f"{out} holds {index['data_set']}, not {name}.")
    expected = {
        shard_path(out / split, side, number): shard["sha256"][side]
        for split, record in index["splits"].items()
        for number, shard in enumerate(record["shards"])
        for side in index["sides"]
    }
    bad = [p for p in progress(list(expected)) if not p.is_file() or sha256(p) != expected[p]]
    if bad:
        raise LpieError(f"Missing or damaged: {', '.join(str(path) for path in bad)}. {AGAIN}")
    if not index["complete"]:
        raise LpieError(f"{out} is not finished. Run the same command without --verify.")
    return {**summary(out), "verified_files": len(expected)}


def _check(config: PrepareConfig, source: Path, out: Path) -> None:
    for name, least in (("patch_px", 16), ("stride_px", 1), ("shard_mb", 1), ("workers", 1)):
        if getattr(config, name) < least:
            raise InputError(
                f"`{name}` must be at least {least}. Received: {getattr(config, name)}."
            )
    if not source.exists():
        raise InputError(f"{source} does not exist.")
    if out.resolve() in (source.resolve(), *source.resolve().parents):
        raise InputError(f"{source} lies in {out}. Choose another folder for the result.")


def _nearest(path: Path) -> Path:
    """`path` if it is a folder, else the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _new_index(name: str, top: Source, splits: Splits, config: PrepareConfig) -> dict[str, Any]:
    files = {f for pairs in splits.values() for pair in pairs for f in pair[:2] if f}
    listing = "".join(f"{f} {top.sizes[f]}\n" for f in sorted(files))
    paired = any(pair.degraded for pairs in splits.values() for pair in pairs)
    return {
        "format": FORMAT,
        "data_set": name,
        "complete": False,
        "patch_px": config.patch_px,
        "stride_px": config.stride_px,
        "shard_mb": config.shard_mb,
        # Names and sizes, so that a run is not resumed with other photos.
        "source_sha256": hashlib.sha256(listing.encode()).hexdigest(),
        "sides": ["target", "degraded"] if paired else ["target"],
        "patches_per_shard": max(config.shard_mb * 1_000_000 // (3 * config.patch_px**2), 1),
        "splits": {split: {"photos": [], "shards": []} for split in splits},
    }


def _standing(out: Path, index: dict[str, Any]) -> dict[str, Any]:
    """The index in `out`, up to the first missing shard, or `index` where there is nothing yet."""
    if not (out / "index.json").exists():
        strange = [p for p in out.iterdir() if not p.match(TEMPORARY)] if out.is_dir() else []
        if strange or out.is_file():
            raise InputError(f"{out} exists and is no prepared data set. Choose a new folder.")
        return index
    stored = read_index(out)
    if not any(record["shards"] for record in stored["splits"].values()):
        return index
    settings = ("data_set", "patch_px", "stride_px", "shard_mb", "source_sha256")
    theirs, ours = ({key: x[key] for key in settings} for x in (stored, index))
    different = differences(theirs, ours)
    if different:
        raise InputError(
            f"{out} was prepared with other settings: {'; '.join(different)}. Use the same "
            "settings, or another folder."
        )
    for split, record in stored["splits"].items():
        if _cut_back(record, out / split, stored):
            stored["complete"] = False
    return stored


def _cut_back(record: dict[str, Any], folder: Path, index: dict[str, Any]) -> bool:
    """Whether files of the record are missing; it then ends before the first of them."""
    for number, shard in enumerate(record["shards"]):
        try:
            for side in index["sides"]:
                check_shard(shard_path(folder, side, number), shard["patches"], index["patch_px"])
        except InputError:
            del record["shards"][number:]
            return True
    return False


def _check_room(
    out: Path, needed_bytes: int, index: dict[str, Any], free: Callable[[Path], int]
) -> None:
    there = sum(count_patches(record) for record in index["splits"].values())
    needed_bytes -= there * len(index["sides"]) * 3 * index["patch_px"] ** 2
    room_bytes = free(_nearest(out))
    if needed_bytes > room_bytes:
        raise LpieError(
            f"{out} needs {_size(needed_bytes)} more, and {_size(room_bytes)} are free there. "
            "Choose another disk, or a larger `stride_px`."
        )


def _size(count_bytes: int) -> str:
    return f"{count_bytes / 1e9:.1f} GB" if count_bytes >= 1e9 else f"{count_bytes / 1e6:.1f} MB"


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Makes `out` and holds it for this process; the lock goes with it, however that ends."""
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise LpieError(f"Another process prepares {out}. Wait for it.") from None
    finally:
        os.close(descriptor)


def _write(
    reader: Reader,
    splits: Splits,
    out: Path,
    index: dict[str, Any],
    config: PrepareConfig,
    progress: Progress,
) -> None:
    with writing(out):
        for stale in (
            p for folder in (out, *(out / s for s in splits)) for p in folder.glob(TEMPORARY)
        ):
            stale.unlink()
    index["complete"] = False
    write_index(out, index)
    for split, pairs in splits.items():
        cut_split(reader, split, pairs, out, index, config, progress)
    index["complete"] = True
    write_index(out, index)
