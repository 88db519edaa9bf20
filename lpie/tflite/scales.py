"""Levels of integers: values as such and back, and which 256 suit values best."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = np.arange(-128, 128)  # of int8
FRACTIONS = np.linspace(0.1, 1.0, 46)  # of the range seen, on either side

Scale = tuple[float, int]  # the step, and the level that means 0


def identity(values: NDArray) -> NDArray:
    """`values` themselves."""
    return values


def best_scale(
    counts: NDArray[np.int64],
    seen: Scale,
    function: Callable[[NDArray], NDArray] = identity,
) -> Scale:
    """The scale of least error for values that lie `counts` [tiles, 256] times on level -128..127.

    Values beyond its range are clipped, those within err by up to half a step. The error of a tile
    is the mean square; of all tiles, the root of their mean square, so that a few noisy tiles are
    not given up for many quiet ones. seen: the scale of the levels counted. function: what the
    values are for: the error is that of its results, as what ELU brings to -1 may be clipped.
    """
    step, zero = seen
    values = (LEVELS - zero) * step
    slopes = (function(values + step / 2) - function(values - step / 2)) / step
    lows, highs = FRACTIONS * min(values[0], 0.0), FRACTIONS * max(values[-1], 0.0)
    above = function(np.maximum(values, lows[:, None])) - function(values)
    below = function(values) - function(np.minimum(values, highs[:, None]))
    clipped_low, clipped_high = above**2 @ counts.T, below**2 @ counts.T  # [low or high, tile]
    steps = (highs - lows[:, None]) / 255
    rounded = steps[..., None] ** 2 / 12 * (counts @ slopes**2)
    errors = np.mean((clipped_low[:, None] + clipped_high + rounded) ** 2, axis=-1)
    low, high = np.unravel_index(np.argmin(errors), errors.shape)
    return to_scale(float(lows[low]), float(highs[high]))


def to_scale(low: float, high: float) -> Scale:
    """The scale of 256 levels from `low` <= 0 to `high` >= 0, one of them at 0."""
    step = max(high - low, 1e-9) / 255
    return step, int(np.clip(round(-128 - low / step), -128, 127))


def to_levels(values: NDArray[np.float32], dtype: Any, scale: float, zero: int) -> NDArray[Any]:
    """`values` as a model of `dtype` takes them: themselves in float32, else the nearest levels.

    scale: 0 for integers without one, which mean themselves.
    """
    if dtype == np.float32:
        return np.ascontiguousarray(values, np.float32)
    limits = np.iinfo(dtype)
    levels = np.rint(values / np.float32(scale or 1)) + zero
    return np.clip(levels, limits.min, limits.max).astype(dtype)


def from_levels(levels: NDArray[Any], scale: float, zero: int) -> NDArray[np.float32]:
    """What `levels` of a model mean, float32; floats are themselves."""
    if levels.dtype == np.float32:
        return levels
    return (levels.astype(np.float32) - zero) * np.float32(scale or 1)
