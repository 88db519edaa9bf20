"""How far what a layer returns looks on what it reads, along one axis of an image."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple


class UnknownReach(Exception):
    """A layer, as it is set up, looks where no rule knows."""


class Reach(NamedTuple):
    """A map whose pixel i depends on input pixels [i * stride + low, i * stride + high].

    axis: 0 along the height, 1 along the width.
    """

    stride: Fraction
    low: Fraction
    high: Fraction
    axis: int = 0

    def wider(self, before: float | Fraction, after: float | Fraction) -> "Reach":
        """This reach and so many pixels of its own map more, before and after."""
        return self._replace(
            low=self.low - Fraction(before) * self.stride,
            high=self.high + Fraction(after) * self.stride,
        )

    def coarser(self, factor: int | Fraction) -> "Reach":
        """The same pixels, of which only one in `factor` is kept."""
        return self._replace(stride=self.stride * factor)

    def moved(self, pixels: int | Fraction) -> "Reach":
        """The same map, beginning so many of its pixels later."""
        shift = Fraction(pixels) * self.stride
        return self._replace(low=self.low + shift, high=self.high + shift)


def whole_map(layer: Any, reach: Reach) -> None:
    """The reach of a layer each pixel of which depends on the whole map."""


def pointwise(layer: Any, reach: Reach) -> Reach:
    """The reach of a layer that works on each pixel alone."""
    return reach


def window(
    source: Reach, *, size: int, step: int = 1, dilation: int = 1, padding: str = "valid"
) -> Reach:
    """The reach of a convolution or pooling; maps are a multiple of `step` long."""
    span = (size - 1) * dilation
    before = max(span + 1 - step, 0) // 2 if padding == "same" else 0
    return source.wider(before, span - before).coarser(step)


def spread(
    source: Reach, *, size: int, step: int = 1, dilation: int = 1, padding: str = "valid"
) -> Reach:
    """The reach of a transposed convolution."""
    span = (size - 1) * dilation
    cut = max(span + 1 - step, 0) // 2 if padding == "same" else 0
    finer = source._replace(stride=source.stride / step)
    # A pixel takes in what lies at (pixel + cut - tap) / step, where that is whole.
    return finer.wider(span - cut, cut)


def enlarged(factor: int, source: Reach, *, taps: int = 0) -> Reach:
    """The reach of a map of `factor` times the size; taps: pixels mixed on either side."""
    return source.wider(max(taps, 1), taps)._replace(stride=source.stride / factor)


# How many pixels of the map on either side an interpolation mixes.
TAPS = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}


def resampled(source: Reach, before_px: int, after_px: int, interpolation: str) -> Reach:
    """The reach of a map of `before_px` pixels that is resized to `after_px`."""
    if interpolation not in TAPS:
        raise UnknownReach
    factor = Fraction(before_px, after_px)
    taps, middle = max(TAPS[interpolation], 1), (factor - 1) / 2
    return source.wider(taps - middle, taps + middle).coarser(factor)


def cropped(source: Reach, part: Any) -> Reach:
    """The reach of a map of which the slice `part` is kept."""
    if not isinstance(part, slice):
        raise UnknownReach
    start, step = part.start or 0, part.step or 1
    if start < 0 or step < 1:
        raise UnknownReach
    return source.moved(start).coarser(step)


def pair(value: int | Sequence[int]) -> tuple[int, ...]:
    """A number for both axes, or one for each."""
    return (value, value) if isinstance(value, int) else tuple(value)
