"""What a photo shows of its faults: noise, darkness, blur and JPEG, from samples of its pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lpie.image.image import to_float, to_uint8
from lpie.restore.auto.edges import Edges, measure
from lpie.restore.auto.noise import Noise, blockiness, estimate

# Samples are spread evenly: a photo of 12 megapixels takes a fraction of a second.
_NOISE_PX, _MOST_NOISE = 96, 40
_EDGES_PX, _MOST_EDGES = 192, 16
_GRID = 8  # of JPEG's blocks
_LEAST_PX = 128  # a side of fewer holds too few blocks
_EXPOSURE_PIXELS = 250_000
_NO_NOISE, _NO_EDGES = Noise(0, 0, 0, 0, 0, 0), Edges(0, 0, 0, 0)


@dataclass(frozen=True)
class Look:
    """What was estimated of a photo.

    Attributes:
        noise: Its noise, in levels of 255.
        blockiness: The steps between the blocks of JPEG, in levels of 255.
        mean: The mean luma, from 0 to 1, as stored (sRGB).
        edges: The widths of its edges, in px.
        too_small: Whether it has too few pixels to tell anything: all else is then 0.
    """

    noise: Noise
    blockiness: float
    mean: float
    edges: Edges
    too_small: bool = False


def look_at(image: NDArray) -> Look:
    """Look at a photo.

    Args:
        image: [H, W, 3] sRGB: uint8, uint16, or floats in [0, 1].
    """
    h, w = image.shape[:2]
    if min(h, w) < _LEAST_PX:
        return Look(_NO_NOISE, 0.0, 0.0, _NO_EDGES, too_small=True)
    small = [_as_uint8(x) for x in _windows(image, _NOISE_PX, _MOST_NOISE)]
    large = [_as_uint8(x) for x in _windows(image, _EDGES_PX, _MOST_EDGES)]
    return Look(
        noise=estimate(small),
        blockiness=blockiness(small),
        mean=float(_luma(image).mean()),
        edges=measure(large),
    )


def _windows(image: NDArray, px: int, most: int) -> list[NDArray]:
    """At most `most` windows of `px` x `px`, spread evenly, each beginning at a multiple of 8."""
    h, w = image.shape[:2]
    rows, columns = max(h // px, 1), max(w // px, 1)
    while rows * columns > most:
        rows, columns = (rows - 1, columns) if rows >= columns else (rows, columns - 1)
    tops, lefts = _starts(h, px, rows), _starts(w, px, columns)
    return [image[y : y + px, x : x + px] for y in tops for x in lefts]


def _starts(length: int, px: int, count: int) -> list[int]:
    last = max(length - px, 0)
    starts = np.linspace(0, last, count) if count > 1 else [last / 2]
    return [int(start) // _GRID * _GRID for start in starts]


def _luma(image: NDArray) -> NDArray[np.float32]:
    """Luma in [0, 1] of every nth pixel."""
    h, w = image.shape[:2]
    step = max(int(np.sqrt(h * w / _EXPOSURE_PIXELS)), 1)
    every = np.ascontiguousarray(_as_uint8(image[::step, ::step]))
    return to_float(cv2.cvtColor(every, cv2.COLOR_RGB2GRAY))


def _as_uint8(image: NDArray) -> NDArray[np.uint8]:
    """8 bits, which is all that the estimates need; what is no number is black."""
    if image.dtype == np.uint8:
        return image
    return to_uint8(np.nan_to_num(image if image.dtype.kind == "f" else to_float(image)))
