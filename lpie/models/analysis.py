"""What a network needs and costs, read off its graph: reach, grid, multiply-adds."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lpie.backend import keras

_ELEMENTWISE = (
    "Activation",
    "Add",
    "ChannelMax",
    "ChannelMean",
    "Concatenate",
    "Dropout",
    "ELU",
    "InputLayer",
    "LayerNormalization",
    "LeakyReLU",
    "Multiply",
    "ReLU",
    "Subtract",
)


@dataclass(frozen=True)
class Analysis:
    """What a network asks of its input and its computer.

    multiple: height and width must be multiples of it. halo_px: how far beyond an output pixel
    the network looks, rounded up to `multiple`; None for a network that is not local (it pools
    over the whole image, or has a layer not known here), which cannot be tiled exactly.
    """

    multiple: int
    halo_px: int | None
    macs_per_pixel: float
    parameters: int


@dataclass(frozen=True)
class _Reach:
    """A map whose pixel i depends on input pixels [i * stride + low, i * stride + high]."""

    stride: Fraction
    low: Fraction
    high: Fraction


_START = _Reach(Fraction(1), Fraction(0), Fraction(0))


def analyse(model: keras.Model) -> Analysis:
    """The reach, grid and cost of a functional `model` from image to image.

    `macs_per_pixel` counts the multiply-adds of convolutions per input pixel.
    """
    reaches: dict[int, _Reach] = {}
    macs, multiple, local = Fraction(0), 1, True
    for layer in model.layers:  # each after those it reads from
        sources = [reaches.get(id(t), _START) for t in _inputs(layer)]
        merged = _merge(sources)
        known = _through(layer, merged)
        local = local and known is not None
        reach = known or merged
        for tensor in _outputs(layer):
            reaches[id(tensor)] = reach
        multiple = math.lcm(multiple, math.ceil(reach.stride))
        macs += _macs(layer, reach.stride)
    end = reaches[id(model.outputs[0])]
    furthest = max(-end.low, end.high, Fraction(0))
    halo = math.ceil(furthest / multiple) * multiple
    return Analysis(multiple, halo if local else None, float(macs), model.count_params())


def _inputs(layer: Any) -> list[Any]:
    return keras.tree.flatten(layer.input) if not isinstance(layer, keras.layers.InputLayer) else []


def _outputs(layer: Any) -> list[Any]:
    return keras.tree.flatten(layer.output)


def _merge(sources: list[_Reach]) -> _Reach:
    if not sources:
        return _START
    # A map pooled to one pixel merges with any other; the finest grid is that of the result.
    return _Reach(
        min(s.stride for s in sources), min(s.low for s in sources), max(s.high for s in sources)
    )


def _through(layer: Any, r: _Reach) -> _Reach | None:
    """The reach behind `layer`, or None when it is unbounded or not known."""
    kind = type(layer).__name__
    if kind in ("Conv2D", "DepthwiseConv2D"):
        size, step = layer.kernel_size[0], layer.strides[0]
        span = (size - 1) * layer.dilation_rate[0]
        before = span // 2 if layer.padding == "same" and step == 1 else 0
        return _Reach(
            r.stride * step, r.low - before * r.stride, r.high + (span - before) * r.stride
        )
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        size, step = layer.pool_size[0], layer.strides[0]
        return _Reach(r.stride * step, r.low, r.high + (size - 1) * r.stride)
    if kind == "UpSampling2D":
        factor = layer.size[0]
        if layer.interpolation == "bilinear":
            # Half-pixel centres: an output pixel mixes the map's pixel below and the one above.
            return _Reach(r.stride / factor, r.low - r.stride, r.high + r.stride)
        return _Reach(r.stride / factor, r.low - r.stride, r.high)
    return r if kind in _ELEMENTWISE else None


def _macs(layer: Any, stride: Fraction) -> Fraction:
    if type(layer).__name__ not in ("Conv2D", "DepthwiseConv2D"):
        return Fraction(0)
    pooled = layer.output.shape[1] == 1
    return Fraction(0) if pooled else math.prod(layer.kernel.shape) / stride**2
