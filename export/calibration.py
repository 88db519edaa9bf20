"""Real tiles for choosing quantization ranges."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.image.image import pad_reflect, to_float

TILES = 32
LEAST_PX = 64 * 64  # of fewer, no range says what photos hold


def calibration_tiles(
    photos: Sequence[NDArray[np.uint8]], height: int, width: int, *, tiles: int = TILES
) -> list[NDArray[np.float32]]:
    """`tiles` tiles [height, width, 3] float32 of `photos`, the same ones each time.

    Spread evenly over all positions, ordered by brightness. The first one also holds a black and
    a white pixel, so that the input's scale is 1/255 and 8-bit photos enter unchanged.
    """
    if not photos:
        raise InputError("At least one real photo is needed to calibrate on.")
    given = sum(photo.shape[0] * photo.shape[1] for photo in photos)
    if given < LEAST_PX:
        raise InputError(
            f"The photos to calibrate on have {given} pixels together, fewer than the {LEAST_PX} "
            "that are needed. Take more of them, as the camera made them."
        )
    windows = [window for photo in photos for window in _windows(photo, height, width)]
    windows.sort(key=lambda window: (float(window.mean()), float(window.std())))
    step = max(len(windows) / tiles, 1)
    chosen = [to_float(windows[int(i * step)]) for i in range(min(tiles, len(windows)))]
    chosen[0] = chosen[0].copy()
    chosen[0][0, 0], chosen[0][0, 1] = 0, 1
    return chosen


def paired_tiles(
    photos: Sequence[NDArray[np.uint8]],
    targets: Sequence[NDArray[np.uint8]],
    height: int,
    width: int,
    *,
    tiles: int = 16,
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """`tiles` tiles [height, width, 3] float32 of `photos`, spread over them, and of `targets`."""
    pairs = [
        pair
        for photo, target in zip(photos, targets, strict=True)
        for pair in zip(*(_windows(x, height, width) for x in (photo, target)), strict=True)
    ]
    step = max(len(pairs) / tiles, 1)
    chosen = [pairs[int(i * step)] for i in range(min(tiles, len(pairs)))]
    return [to_float(a) for a, _ in chosen], [to_float(b) for _, b in chosen]


def _windows(photo: NDArray[np.uint8], height: int, width: int) -> list[NDArray[np.uint8]]:
    photo = pad_reflect(photo, max(height, photo.shape[0]), max(width, photo.shape[1]))
    h, w, _ = photo.shape
    return [
        photo[y : y + height, x : x + width] for y in _starts(h, height) for x in _starts(w, width)
    ]


def _starts(length: int, window: int) -> list[int]:
    count = max(-(-length // window), 1)
    return sorted({round(i * (length - window) / max(count - 1, 1)) for i in range(count)})
