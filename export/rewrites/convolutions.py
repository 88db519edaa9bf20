"""Exact rewrites that merge or split convolutions: a network in, an equal network out.

Each returns the very network where it finds nothing. `lpie.export.rewrites.targets` says what for.
"""

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import Tensor, keras
from lpie.models.graph.walk import Inputs, Wiring, rebuilt, wiring
from lpie.models.layers import ChannelMean, ChannelScale


def fold_linear(model: keras.Model) -> keras.Model:
    """`model` with a linear convolution and the linear layer that alone reads it as one.

    The second is a convolution, one of both 1x1, or a learned factor for each channel. Left apart
    are those that would take more multiply-adds as one, and a bias before zero padding, which
    is not there where the second convolution reads beyond the border.
    """
    while (twin := _folded_once(model)) is not model:
        model = twin
    return model


def merge_rank_one(model: keras.Model) -> keras.Model:
    """`model` with a channel mean and the 1x1 convolutions that read it as convolutions of rank 1.

    A mean that another layer reads too stays, and so do its convolutions: C x C products instead
    of C would then save no map.
    """
    wires, replaced = wiring(model), {}
    for mean in model.layers:
        convs = _pointwise(wires.readers[mean.name], wires)
        if isinstance(mean, ChannelMean):
            replaced.update({conv.name: partial(_merged, mean, conv) for conv in convs})
    return rebuilt(model, replaced)


def split_concatenation(model: keras.Model) -> keras.Model:
    """`model` with a sum of 1x1 convolutions where such read nothing but joined maps.

    Joined maps of full size are the largest that LPIENet has.
    """
    wires, replaced = wiring(model), {}
    for join in model.layers:
        convs = _pointwise(wires.readers[join.name], wires)
        if _joins_channels(join):
            replaced.update({conv.name: partial(_split, join, conv) for conv in convs})
    return rebuilt(model, replaced)


def _folded_once(model: keras.Model) -> keras.Model:
    """`model` with pairs as one that have no layer in common; itself where there are none."""
    wires, replaced = wiring(model), {}
    for second in model.layers:
        first = wires.source(second)
        if first is None or first.name in replaced:
            continue
        reader = wires.only_reader(first)
        if reader is not None and reader.name == second.name and _foldable(first, second):
            replaced[second.name] = partial(_folded, first, second)
    return rebuilt(model, replaced)


def _foldable(first: keras.layers.Layer, second: keras.layers.Layer) -> bool:
    if not _is_plain(first) or not _is_linear(first):
        return False
    if isinstance(second, ChannelScale):
        return True
    if not _is_plain(second) or not (_is_1x1(first) or _is_1x1(second)):
        return False
    apart = math.prod(first.kernel.shape) + math.prod(second.kernel.shape)
    area = math.prod((*first.kernel_size, *second.kernel_size))
    together = area * first.kernel.shape[2] * second.filters
    bordered = first.use_bias and second.padding != "valid" and not _is_1x1(second)
    return together <= apart and not bordered


def _folded(first: keras.layers.Layer, second: keras.layers.Layer, inputs: Inputs) -> Tensor:
    """What both make of what the first reads."""
    kernel, bias = _weights(first)
    if isinstance(second, ChannelScale):
        scale = np.asarray(second.get_weights()[0], np.float64)
        return _convolved(inputs[first.name][0], second.name, first, kernel * scale, bias * scale)
    outer, more = _weights(second)
    joined = np.einsum("hwim,yxmo->hwyxio", kernel, outer)  # one of both is 1x1
    *_, channels, filters = joined.shape
    size = [a * b for a, b in zip(first.kernel_size, second.kernel_size, strict=True)]
    joined, bias = joined.reshape(*size, channels, filters), bias @ outer.sum((0, 1)) + more
    wide = first if _is_1x1(second) else second
    return _convolved(inputs[first.name][0], second.name, wide, joined, bias, second.activation)


def _merged(mean: keras.layers.Layer, conv: keras.layers.Layer, inputs: Inputs) -> Tensor:
    """The convolution of a mean over channels, computed from the channels."""
    (x,) = inputs[mean.name]
    kernel, bias = _weights(conv)
    spread = np.repeat(kernel / x.shape[-1], x.shape[-1], axis=2)  # [1, 1, C, filters]
    return _convolved(x, conv.name, conv, spread, bias, conv.activation)


def _split(join: keras.layers.Layer, conv: keras.layers.Layer, inputs: Inputs) -> Tensor:
    """The sum of the convolution's parts, each computed from one of the maps that were joined."""
    kernel, bias = _weights(conv)
    parts, done = [], 0
    for n, x in enumerate(inputs[join.name]):
        rows = kernel[:, :, done : done + x.shape[-1]]
        parts.append(_convolved(x, f"{conv.name}_part{n}", conv, rows, None if n else bias))
        done += x.shape[-1]
    if _is_linear(conv):
        return keras.layers.Add(name=conv.name)(parts)
    total = keras.layers.Add(name=f"{conv.name}_sum")(parts)
    return keras.layers.Activation(conv.activation, name=conv.name)(total)


def _convolved(
    x: Tensor,
    name: str,
    like: keras.layers.Layer,
    kernel: NDArray,
    bias: NDArray | None,
    activation: Any = None,
) -> Tensor:
    """`x` through a convolution of `kernel` [k, k, C, filters]; strides, dtype as in `like`."""
    layer = keras.layers.Conv2D(
        kernel.shape[-1],
        kernel.shape[:2],
        strides=like.strides,
        padding=like.padding,
        dilation_rate=like.dilation_rate,
        activation=activation,
        use_bias=bias is not None,
        dtype=like.dtype_policy,
        name=name,
    )
    y = layer(x)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return y


def _weights(conv: keras.layers.Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(kernel, bias) in double precision, so that products round once; no bias is one of zeros."""
    kernel, *bias = (np.asarray(w, np.float64) for w in conv.get_weights())
    return kernel, bias[0] if bias else np.zeros(conv.filters)


def _pointwise(readers: list[keras.layers.Layer | None], wires: Wiring) -> list[keras.layers.Layer]:
    """The readers, if all of them are 1x1 convolutions that are called once; else none."""
    convs = [
        reader
        for reader in readers
        if reader is not None and wires.source(reader) is not None and _is_1x1(reader)
    ]
    return convs if len(convs) == len(readers) else []


def _is_plain(layer: keras.layers.Layer) -> bool:
    """Whether it is a convolution of all channels, without more to it than Keras' own."""
    # A subclass may compute something else.
    return type(layer) is keras.layers.Conv2D and (layer.groups, layer.data_format) == (
        1,
        "channels_last",
    )


def _is_1x1(layer: keras.layers.Layer) -> bool:
    return _is_plain(layer) and (*layer.kernel_size, *layer.strides) == (1, 1, 1, 1)


def _is_linear(conv: keras.layers.Layer) -> bool:
    return conv.activation in (None, keras.activations.linear)


def _joins_channels(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Concatenate) and layer.axis in (-1, 3)
