"""What a network needs and costs, read off its graph: reach, grid, multiply-adds."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from lpie.backend import keras
from lpie.models.do_conv import DOConv2D
from lpie.models.fft import InverseRealFFT2D, RealFFT2D

_ELEMENTWISE = (
    "Activation",
    "Add",
    "ChannelMax",
    "ChannelMean",
    "ChannelScale",
    "Concatenate",
    "CropLike",
    "Dropout",
    "ELU",
    "Gate",
    "InputLayer",
    "LayerNormalization",
    "LeakyReLU",
    "Multiply",
    "PadToMultiple",
    "ReLU",
    "Subtract",
)


@dataclass(frozen=True)
class Analysis:
    """What a network asks of its input and its computer.

    multiple: height and width must be multiples of it; 1 for a network that pads by itself, unless
    it is local, where tiles keep to its grid. halo_px: how far beyond an output pixel
    the network looks, rounded up to `multiple`; None for a network that is not local (it pools
    over the whole image, or has a layer not known here), which cannot be tiled exactly.
    receptive_field_px: how many pixels in a row an output pixel may see; None for all of them.
    It is known also for local pooling (TLC), whose windows depend on where the image ends.
    scalable: whether a graph made for one size serves any other, as no weight and no window depends
    on it: a local network, or one that is not only by means over the whole map.
    """

    multiple: int
    halo_px: int | None
    receptive_field_px: int | None
    scalable: bool
    macs_per_pixel: float
    parameters: int


class _Reach(NamedTuple):
    """A map whose pixel i depends on input pixels [i * stride + low, i * stride + high]."""

    stride: Fraction
    low: Fraction
    high: Fraction


_START = _Reach(Fraction(1), Fraction(0), Fraction(0))


def analyse(model: keras.Model) -> Analysis:
    """The reach, grid and cost of a functional `model` from image to image.

    `macs_per_pixel` counts the multiply-adds of convolutions and Fourier transforms per pixel of
    an image of 256x256.
    """
    reaches: dict[int, _Reach] = {}
    multiple, unknown = 1, set[str]()
    for layer, inputs, outputs in calls(model):
        merged = _merge([reaches.get(id(t), _START) for t in inputs])
        known = _through(layer, merged)
        if known is None:
            unknown.add(type(layer).__name__)
        reach = known or merged
        for tensor in outputs:
            reaches[id(tensor)] = reach
        multiple = math.lcm(multiple, math.ceil(reach.stride))
    end = reaches[id(model.outputs[0])]
    furthest = max(-end.low, end.high, Fraction(0))
    halo = math.ceil(furthest / multiple) * multiple
    kinds = {type(layer).__name__ for layer in model.layers}
    windowed = "LocalAveragePooling2D" in kinds
    local = not unknown and not windowed
    if not local and "PadToMultiple" in kinds:
        multiple = 1
    field = math.ceil(end.high - end.low) + 1
    return Analysis(
        multiple=multiple,
        halo_px=halo if local else None,
        receptive_field_px=None if unknown else field,
        scalable=unknown <= {"GlobalAveragePooling2D"} and not windowed,
        macs_per_pixel=macs_per_pixel(model),
        parameters=model.count_params(),
    )


def calls(model: keras.Model) -> Iterator[tuple[Any, list[Any], list[Any]]]:
    """(layer, inputs, outputs) of every call of a layer, each after those it reads from."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            yield node.operation, node.input_tensors, node.output_tensors


def is_plain(model: keras.Model) -> bool:
    """Whether `model` is a graph of layers that take a tensor or a list and return a tensor."""
    return hasattr(model, "_nodes_by_depth") and all(
        isinstance(node.operation, keras.layers.Layer)
        and len(node.output_tensors) == 1
        and len(node.arguments.args) <= 1
        and not node.arguments.kwargs
        for nodes in model._nodes_by_depth.values()
        for node in nodes
    )


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
    if kind == "DOConv2D":
        reach = layer.kernel_size // 2 * r.stride
        return _Reach(r.stride, r.low - reach, r.high + reach)
    if kind in ("Conv2D", "DepthwiseConv2D"):
        size, step = layer.kernel_size[0], layer.strides[0]
        span = (size - 1) * layer.dilation_rate[0]
        before = span // 2 if layer.padding == "same" and step == 1 else 0
        return _Reach(
            r.stride * step, r.low - before * r.stride, r.high + (span - before) * r.stride
        )
    if kind == "Conv2DTranspose":
        step = r.stride / layer.strides[0]
        return _Reach(step, r.low - layer.kernel_size[0] * step, r.high)
    if kind == "LocalAveragePooling2D":
        reach = max(layer.window) * r.stride  # at the border the window lies on one side
        return _Reach(r.stride, r.low - reach, r.high + reach)
    if kind == "BlurDown":
        return _Reach(2 * r.stride, r.low - r.stride, r.high + r.stride)
    if kind == "PixelUnshuffle":
        return _Reach(r.stride * layer.factor, r.low, r.high + (layer.factor - 1) * r.stride)
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        size, step = layer.pool_size[0], layer.strides[0]
        return _Reach(r.stride * step, r.low, r.high + (size - 1) * r.stride)
    if kind in ("UpSampling2D", "PixelShuffle"):
        factor = layer.factor if kind == "PixelShuffle" else layer.size[0]
        if kind == "UpSampling2D" and layer.interpolation == "bilinear":
            # Half-pixel centres: an output pixel mixes the map's pixel below and the one above.
            return _Reach(r.stride / factor, r.low - r.stride, r.high + r.stride)
        return _Reach(r.stride / factor, r.low - r.stride, r.high)
    return r if kind in _ELEMENTWISE else None


def macs_per_pixel(model: keras.Model, size: int = 256) -> float:
    """Multiply-adds of convolutions and Fourier transforms, for an image of size x size."""
    made = _shapes(model, size)
    total = 0
    for layer, inputs, outputs in calls(model):
        total += _macs(layer, [made[id(t)] for t in inputs], made[id(outputs[0])])
    return total / size**2


def held_per_pixel(model: keras.Model, size: int = 256) -> float:
    """The most values held at once, per pixel of an image of size x size.

    Each map is held from the layer that makes it to the last one that reads it, as
    `lpie.restore.keras_network.forward` does; in a model that it calls as a whole, all are to the end.
    """
    made = _shapes(model, size)
    if not is_plain(model):
        return sum(map(math.prod, made.values())) / size**2
    readers = Counter(id(t) for _, inputs, _ in calls(model) for t in inputs)
    held = most = 0
    for _, inputs, outputs in calls(model):
        held += math.prod(made[id(outputs[0])])
        most = max(most, held)
        for tensor in inputs:
            readers[id(tensor)] -= 1
            if not readers[id(tensor)]:
                held -= math.prod(made[id(tensor)])
    return most / size**2


def _shapes(model: keras.Model, size: int) -> dict[int, tuple[int, ...]]:
    """{id of a tensor: its shape} for an image of size x size."""
    shapes: dict[int, tuple[int, ...]] = {}
    for layer, inputs, outputs in calls(model):
        given = [shapes[id(t)] for t in inputs]
        if not given:
            found = (1, size, size, 3)
        else:
            found = layer.compute_output_shape(given[0] if len(given) == 1 else given)
        shapes[id(outputs[0])] = found
    return shapes


def _macs(layer: Any, given: list[tuple], found: tuple) -> int:
    if isinstance(layer, RealFFT2D | InverseRealFFT2D):
        _, h, w, c = given[-1] if isinstance(layer, InverseRealFFT2D) else given[0]
        columns = w // 2 + 1
        return h * c * (2 * w * columns + 4 * h * columns)
    if isinstance(layer, DOConv2D):
        channels = given[0][-1] // layer.groups
        return math.prod(found) * channels * layer.kernel_size**2
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return math.prod(given[0][:3]) * math.prod(layer.kernel.shape)
    if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
        return math.prod(found[:3]) * math.prod(layer.kernel.shape)
    return 0
