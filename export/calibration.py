"""Real degraded photos, as the network will meet them, and tiles of them, to calibrate on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lpie.config.config import Config, config_from
from lpie.data import sources
from lpie.data.pools import samples_of
from lpie.data.shards import open_shards
from lpie.errors import InputError
from lpie.image.image import list_photos, pad_reflect, read_image, to_float, to_uint8
from lpie.training.run import settings_of
from lpie.weights import is_name

MOST_PHOTOS = 12  # a few photos cover brightness and texture, and each is held in memory
TILES = 32
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue (ITU-R BT.601)
LEAST_PX = 64 * 64  # fewer pixels say too little about the range of values in photos


def photos_for(model: Path | None = None, folder: Path | None = None) -> list[NDArray[np.uint8]]:
    """[H, W, 3] uint8 photos: those of `folder`, else of the run `model`, else the built-in ones.

    Photos of `folder` are taken as they are; the others are degraded as the run trains on them or
    the pretrained network `model` was, or with Gaussian noise of sigma 25.
    """
    if folder is not None:
        return [read_image(path) for path in _spread(list_photos(folder))]
    return [to_uint8(sample.degraded) for sample in _samples(model)]


def pairs_for(
    model: Path | None = None, folder: Path | None = None
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """(photos as of `photos_for`, their ground truth); folder: with degraded/ and target/."""
    if folder is None:
        pairs = list(_samples(model))
    else:
        pairs = list(sources.samples(_spread(sources.pairs(folder)), Config().data.degrade, seed=0))
    return [to_uint8(s.degraded) for s in pairs], [to_uint8(s.target) for s in pairs]


def _samples(model: Path | None) -> Iterator[sources.Sample]:
    config = _config(model)
    if config.data.source == "shards":
        yield from samples_of(open_shards(Path(config.data.folder)), config, MOST_PHOTOS)
        return
    items, _ = sources.training_and_validation(config.data)
    yield from sources.samples(_spread(items), config.data.degrade, seed=config.train.seed)


def _config(model: Path | None) -> Config:
    if model is None or not (model.is_dir() or is_name(model)):
        return Config()
    return config_from(settings_of(model))


def _spread(items: list) -> list:
    step = max(len(items) / MOST_PHOTOS, 1)
    return [items[int(i * step)] for i in range(min(MOST_PHOTOS, len(items)))]


def calibration_tiles(
    photos: Sequence[NDArray[np.uint8]],
    height: int,
    width: int,
    *,
    tiles: int = TILES,
    channels: int = 3,
) -> list[NDArray[np.float32]]:
    """`tiles` tiles [height, width, channels] float32 of `photos`, the same ones each time.

    Spread evenly over all positions, ordered by brightness. The first one also holds a black and
    a white pixel, so that the input's scale is 1/255 and 8-bit photos enter unchanged.
    """
    if not photos:
        raise InputError("At least one real photo is needed to calibrate on.")
    pixels = sum(photo.shape[0] * photo.shape[1] for photo in photos)
    if pixels < LEAST_PX:
        raise InputError(
            f"The photos to calibrate on have {pixels} pixels together, fewer than the {LEAST_PX} "
            "that are needed. Take more of them, as the camera made them."
        )
    windows = [window for photo in photos for window in _windows(photo, height, width)]
    windows.sort(key=lambda window: (float(window.mean()), float(window.std())))
    step = max(len(windows) / tiles, 1)
    chosen = [to_float(windows[int(i * step)]) for i in range(min(tiles, len(windows)))]
    chosen[0] = chosen[0].copy()
    chosen[0][0, 0], chosen[0][0, 1] = 0, 1
    return [in_channels(tile, channels) for tile in chosen]


def in_channels(image: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """An image [..., 3] as it is, or, for a network of one channel, in grey [..., 1]."""
    return image if channels == 3 else image @ GREY[:, None]


def paired_tiles(
    photos: Sequence[NDArray[np.uint8]],
    targets: Sequence[NDArray[np.uint8]],
    height: int,
    width: int,
    *,
    tiles: int = 16,
    channels: int = 3,
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """`tiles` tiles [height, width, channels] float32, spread over `photos`, and of `targets`."""
    pairs = [
        pair
        for photo, target in zip(photos, targets, strict=True)
        for pair in zip(*(_windows(x, height, width) for x in (photo, target)), strict=True)
    ]
    step = max(len(pairs) / tiles, 1)
    chosen = [pairs[int(i * step)] for i in range(min(tiles, len(pairs)))]
    degraded, target = zip(*chosen, strict=True)
    return (
        [in_channels(to_float(x), channels) for x in degraded],
        [in_channels(to_float(x), channels) for x in target],
    )


def _windows(photo: NDArray[np.uint8], height: int, width: int) -> list[NDArray[np.uint8]]:
    photo = pad_reflect(photo, max(height, photo.shape[0]), max(width, photo.shape[1]))
    h, w, _ = photo.shape
    return [
        photo[y : y + height, x : x + width] for y in _starts(h, height) for x in _starts(w, width)
    ]


def _starts(length: int, window: int) -> list[int]:
    count = max(-(-length // window), 1)
    return sorted({round(i * (length - window) / max(count - 1, 1)) for i in range(count)})
