"""Training batches, each a pure function of the photos, the seed and the step."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lpie.config import DataConfig
from lpie.data.degradations import degrade
from lpie.data.sources import Item, Photo, usable
from lpie.errors import InputError
from lpie.image import to_float

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


def load_photos(items: list[Item], config: DataConfig) -> tuple[list[Photo], list[str]]:
    """(photos in memory as uint8, reasons why others were left out).

    Raises `InputError` on the first photo that is unreadable, mismatched or smaller than a patch,
    unless `config.skip_bad`; then it is left out.
    """
    reasons: list[str] = []
    bad = reasons if config.skip_bad else None
    photos = [photo for _, _, photo in usable(items, bad, least_px=config.patch_px)]
    if not photos:
        raise InputError(f"No usable photo is left to train on. {' '.join(reasons[:1])}")
    return photos, reasons


def batches(
    photos: list[Photo], config: DataConfig, *, batch_size: int, seed: int, first: int, stop: int
) -> Iterator[Batch]:
    """The batches of steps `first` to `stop`: two [N, patch, patch, 3] float32 arrays each.

    Made ahead by `config.workers` threads; the number of workers changes no value.
    """

    def make(step: int) -> Batch:
        return make_batch(photos, config, batch_size, np.random.default_rng([seed, step]))

    with ThreadPoolExecutor(config.workers) as pool:
        waiting: deque[Future[Batch]] = deque()
        try:
            for step in range(first, stop):
                waiting.append(pool.submit(make, step))
                if len(waiting) > 2 * config.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def make_batch(photos: list[Photo], config: DataConfig, batch_size: int, rng: Generator) -> Batch:
    """(degraded, target): random crops, turned and mirrored alike on both sides."""
    crops = [_crop(photos, config, rng) for _ in range(batch_size)]
    degraded, target = (np.stack(side) for side in zip(*crops, strict=True))
    return degraded, target


def _crop(
    photos: list[Photo], config: DataConfig, rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    target, degraded = photos[rng.integers(len(photos))]
    h, w, _ = target.shape
    size = config.patch_px
    y, x = rng.integers(h - size + 1), rng.integers(w - size + 1)
    turn, mirror = (int(rng.integers(4)), bool(rng.integers(2))) if config.augment else (0, False)

    def cut(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        patch = np.rot90(image[y : y + size, x : x + size], turn)
        return to_float(patch[:, ::-1] if mirror else patch)

    sharp = cut(target)
    if degraded is not None:
        return cut(degraded), sharp
    return degrade(np.ascontiguousarray(sharp), rng, config.degrade), sharp
