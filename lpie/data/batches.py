"""Training batches; a batch is a pure function of the photos, the settings and the step."""

from collections import abc, deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lpie.config.config import Config, DataConfig
from lpie.data.augment import draw_scale, reduced, vary_colours
from lpie.data.degrade.degradation import DEGRADATIONS, degrade
from lpie.data.pools import Pool
from lpie.image.image import to_float

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]

# Around crops for degradations that carry light over many pixels: without it the border of each
# crop would be blurred with its own reflection.
MARGIN_PX = 32


def batches(
    pools: list[Pool],
    config: Config,
    *,
    first: int,
    stop: int,
    process: int = 0,
    processes: int = 1,
) -> abc.Generator[Batch, None, None]:
    """The batches of steps `first` to `stop`: two [N, patch, patch, 3] float32 arrays each.

    process, processes: only this process's part of each batch, in a job of several. They are made
    ahead by `data.workers` threads; neither their number nor that of processes changes a value.
    """
    workers = config.data.workers

    def make(step: int) -> Batch:
        return make_batch(pools, config, step, process=process, processes=processes)

    with ThreadPoolExecutor(workers) as threads:
        waiting: deque[Future[Batch]] = deque()
        try:
            for step in range(first, stop):
                waiting.append(threads.submit(make, step))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def make_batch(
    pools: list[Pool], config: Config, step: int, *, process: int = 0, processes: int = 1
) -> Batch:
    """(degraded, target) of `step`: random crops, both sides turned and mirrored alike."""
    patch_px, batch_size = config.stage(step)
    share = batch_size // processes
    rngs = [_rng(config, step, i) for i in range(process * share, (process + 1) * share)]
    crops = [_mixed_crop(pools, config.data, patch_px, rng) for rng in rngs]
    degraded, target = (np.stack(side) for side in zip(*crops, strict=True))
    return degraded, target


def names_of(pools: list[Pool], config: Config, step: int) -> list[str]:
    """The photos that the batch of `step` was cut from."""
    _, batch_size = config.stage(step)
    drawn = [_draw(pools, _rng(config, step, i)) for i in range(batch_size)]
    return sorted({pool.names[index] for pool, index in drawn})


def _rng(config: Config, step: int, crop: int) -> Generator:
    return np.random.default_rng([config.train.seed, step, crop])


def _mixed_crop(pools: list[Pool], config: DataConfig, patch_px: int, rng: Generator) -> Batch:
    degraded, target = _crop(pools, config, patch_px, rng)
    if not config.mixup:
        return degraded, target
    other_degraded, other_target = _crop(pools, config, patch_px, rng)
    weight = np.float32(rng.beta(config.mixup, config.mixup))
    return (
        weight * degraded + (1 - weight) * other_degraded,
        weight * target + (1 - weight) * other_target,
    )


def _draw(pools: list[Pool], rng: Generator) -> tuple[Pool, int]:
    """A pool by its share, and a photo of it: the first that a crop's generator decides."""
    pool = pools[int(rng.random() >= pools[0].share)] if len(pools) > 1 else pools[0]
    return pool, int(rng.integers(len(pool.photos)))


def _crop(pools: list[Pool], config: DataConfig, patch_px: int, rng: Generator) -> Batch:
    pool, index = _draw(pools, rng)
    target, degraded = pool.photos[index]
    h, w, _ = target.shape
    margin = min(MARGIN_PX, (min(h, w) - patch_px) // 2) if _is_wide(config, degraded) else 0
    size = patch_px + 2 * margin
    window = size
    if degraded is None and config.downscale != (1.0, 1.0):
        window = round(size * draw_scale(rng, config.downscale, min(h, w) / size))
    y, x = rng.integers(h - window + 1), rng.integers(w - window + 1)
    turn, mirror = (int(rng.integers(4)), bool(rng.integers(2))) if config.augment else (0, False)

    def cut(image: NDArray[np.uint8], y: int = y, x: int = x) -> NDArray[np.float32]:
        patch = np.rot90(image[y : y + window, x : x + window], turn)
        return to_float(patch[:, ::-1] if mirror else patch)

    sharp = cut(target)
    if degraded is not None:
        beside = _shifted((y, x), (h - window, w - window), config.real_shift_px, rng)
        if beside == (y, x):
            return cut(degraded), sharp
        return np.clip(sharp + (cut(degraded, *beside) - cut(target, *beside)), 0, 1), sharp
    sharp = reduced(sharp, size)
    if config.vary_colours and rng.random() < config.vary_colours:
        sharp = vary_colours(sharp, rng)
    noisy = degrade(np.ascontiguousarray(sharp), rng, config.degrade)
    inner = slice(margin, margin + patch_px)
    return noisy[inner, inner], sharp[inner, inner]


def _shifted(
    corner: tuple[int, int], last: tuple[int, int], shift_px: int, rng: Generator
) -> tuple[int, int]:
    """A corner at most `shift_px` from `corner` in y and x, inside (0, 0) to `last`."""
    if not shift_px:
        return corner
    y, x = np.clip(corner + rng.integers(-shift_px, shift_px + 1, 2), 0, last)
    return int(y), int(x)


def _is_wide(config: DataConfig, degraded: object) -> bool:
    return degraded is None and any(DEGRADATIONS[kind].wide for kind in config.degrade.kinds)
