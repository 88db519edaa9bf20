"""What convolutions, pools, padding and resizing do to a `Map`."""

from collections.abc import Sequence

import numpy as np

from lpie.tflite.model import Op
from lpie.tflite.receptive_field.dependence import (
    SKIP,
    Index,
    Map,
    known_numbers,
    places,
    taps_from,
)

SAME = 0  # of the schema's Padding


def convolve(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    """The kernel is [O, Kh, Kw, I], of a depthwise one [1, Kh, Kw, C]."""
    kernel, depthwise = maps[1].shape, op.name == "DEPTHWISE_CONV_2D"
    window = list(zip(kernel[1:3], _strides(op), _dilations(op), strict=True))
    result = _windows(maps[0].merged([3]), window, op.option("padding"))
    channels = kernel[3] if depthwise else kernel[0]
    return [Map((*result.shape[:3], channels), result.facts)]


def pool(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    size = op.option("filterHeight"), op.option("filterWidth")
    window = list(zip(size, _strides(op), (1, 1), strict=True))
    return [_windows(maps[0], window, op.option("padding"))]


def _strides(op: Op) -> tuple[int, int]:
    return max(op.option("strideH", 1), 1), max(op.option("strideW", 1), 1)


def _dilations(op: Op) -> tuple[int, int]:
    return max(op.option("dilationHFactor", 1), 1), max(op.option("dilationWFactor", 1), 1)


def _windows(source: Map, window: Sequence[tuple[int, int, int]], padding: int) -> Map:
    """window: (size, stride, dilation) for the height and for the width."""
    for axis, (size, stride, dilation) in enumerate(window, 1):
        length, reach = source.shape[axis], (size - 1) * dilation + 1
        if padding == SAME:
            count = -(-length // stride)
            before = max((count - 1) * stride + reach - length, 0) // 2
        else:
            count, before = (length - reach) // stride + 1, 0
        starts = places(count) * stride - before
        source = source.read(axis, taps_from(starts, size, dilation))
    return source


def transposed_conv(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    """Inputs: the output's shape, a kernel [O, Kh, Kw, I], the image."""
    shape, source = known_numbers(maps[0]), maps[2].merged([3])
    for axis, stride in enumerate(_strides(op), 1):
        size, length = maps[1].shape[axis], shape[axis]
        before = 0
        if op.option("padding") == SAME:
            before = max((-(-length // stride) - 1) * stride + size - length, 0) // 2
        at = places(length) + before
        taps = taps_from(at // stride, -(-size // stride), -1)
        source = source.read(axis, np.where(at - taps * stride < size, taps, SKIP))
    return [Map(tuple(shape), source.facts)]


def resize(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    source, bilinear = maps[0], op.name == "RESIZE_BILINEAR"
    for axis, length in enumerate(known_numbers(maps[1]), 1):
        old = source.shape[axis]
        aligned = bool(op.option("alignCorners")) and old != length and min(old, length) > 1
        if aligned and source.carries(axis):  # its step depends on the size
            shape = source.shape[0], *known_numbers(maps[1]), source.shape[3]
            return [source.seeing_all(lines, shape)]
        taps = _bilinear if bilinear else _nearest
        source = source.read(axis, taps(old, length, bool(op.option("halfPixelCenters"))))
    return [source]


def _bilinear(old: int, new: int, half_pixel: bool) -> Index:
    """Of a pixel at (i + 1/2) old / new - 1/2, or i old / new: the one below, the one above."""
    place = places(new) * old * 2
    if half_pixel:
        place = place + old - new
    below, between = place // (2 * new), place % (2 * new)
    return np.stack([below, np.where(between > 0, below + 1, SKIP)])


def _nearest(old: int, new: int, half_pixel: bool) -> Index:
    place = (2 * places(new) + (1 if half_pixel else 0)) * old
    return (place // (2 * new))[None]


def pad(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    source, amounts = maps[0], np.reshape(known_numbers(maps[1]), (-1, 2))
    for axis, (before, behind) in enumerate(amounts):
        length = source.shape[axis]
        index = places(-before, length + behind)
        taps = index[None]
        if op.name == "MIRROR_PAD":
            edge = op.option("mode", 0)  # 0: REFLECT, 1: SYMMETRIC
            mirrored = np.where(index < 0, -index - edge, index)
            mirrored = np.where(index >= length, 2 * (length - 1) - index + edge, mirrored)
            taps = np.stack([index, mirrored])
        source = source.read(axis, taps)
    return [source]
