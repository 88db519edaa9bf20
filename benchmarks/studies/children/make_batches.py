"""Batches as `lpie train` makes them, without a network, for the study `data_pipeline`."""

import dataclasses
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lpie.benchmarks.runners.run_tflite import answer_requests, read_job
from lpie.config.config import Config, config_from
from lpie.data import sources
from lpie.data.batches import batches
from lpie.data.datasets.patches import PrepareConfig
from lpie.data.datasets.prepare import prepare
from lpie.data.degrade.degradation import DEGRADATIONS
from lpie.data.pools import Pool
from lpie.data.shards import open_shards
from lpie.data.sources import Photo

# Batches until what the degradations keep is there: each of 16 displays is drawn once by then.
WARM_UP = 8
MARGIN_PX = 64  # that a stored patch is larger than a crop: kinds that blur use up some


def main() -> None:
    """Answers requests for batches of a source, a kind of degradation and a number of workers."""
    config = config_from(read_job()["settings"])
    with tempfile.TemporaryDirectory() as folder:
        photos_of = photos(Path(folder), config.data.patch_px + MARGIN_PX)

        def reply(request: dict[str, Any]) -> dict[str, Any]:
            chosen = _configured(config, request)
            return make(photos_of[request["source"]], chosen, request["seconds"])

        answer_requests({"sources": list(photos_of), "kinds": list(DEGRADATIONS)}, reply)


def photos(folder: Path, patch_px: int) -> dict[str, Sequence[Photo]]:
    """The built-in photos in memory, patches of them by memory map, and pairs of patches."""
    items = sources.builtin(sources.BUILTIN_TRAINING)
    for kind in ("clean", "pairs/target", "pairs/degraded"):
        (folder / kind).mkdir(parents=True)
        for item in items:
            shutil.copy(item.target, folder / kind)
    photos_of: dict[str, Sequence[Photo]] = {"photos": [sources.load(item) for item in items]}
    for kind, name in (("clean", "shards"), ("pairs", "shards of pairs")):
        out = folder / f"prepared-{kind}"
        prepare(kind, folder / kind, out, PrepareConfig(patch_px=patch_px, stride_px=patch_px // 4))
        photos_of[name] = open_shards(out / "train")
    return photos_of


def make(photos: Sequence[Photo], config: Config, seconds: float) -> dict[str, float]:
    """How many batches came in about so many seconds of the clock, and of processors."""
    pool = Pool(1.0, photos, [str(i) for i in range(len(photos))])
    feed = batches([pool], config, first=0, stop=sys.maxsize)
    for _ in range(WARM_UP):
        next(feed)
    start, used, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds or not count:
        next(feed)
        count += 1
    answer = {
        "batches": count,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - used,
    }
    feed.close()
    return answer


def _configured(config: Config, request: dict[str, Any]) -> Config:
    degrade = dataclasses.replace(config.data.degrade, kinds=(request["kind"],))
    data = dataclasses.replace(config.data, degrade=degrade, workers=request["workers"])
    return dataclasses.replace(config, data=data)


if __name__ == "__main__":
    main()
