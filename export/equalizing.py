"""Channels that span alike, so that none is lost between the coarse levels of another.

An int8 map has one step for all its channels. Where the layers around it can take a factor for each
channel, narrow channels are widened beforehand and narrowed again afterwards: cross-layer
equalization (Nagel et al., ICCV 2019, arXiv:1906.04721), here by what the channels hold on real
photos and across sums, joined maps and shuffles. The function stays the same.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.export.rewrites import of_scaled_channels
from lpie.export.rounding import is_compressed
from lpie.models.analysis import calls
from lpie.models.exchange import exchanged
from lpie.models.layers import ChannelMax, ChannelMean

TILES, CROP_PX = 8, 128
TAIL = 1e-4  # of the values on either side that may lie outside of a channel's span
FEW = 512  # values: so small a kernel says nothing of how the network was compressed
MOST = 16.0  # the largest factor; a channel that is always zero wants an infinite one

# What treats channels apart and lets a positive factor through.
TRANSPARENT = (
    "Activation", "Add", "CropLike", "LeakyReLU", "MaxPooling2D", "PadToMultiple", "ReLU",
    "UpSampling2D", "GlobalAveragePooling2D",
)  # fmt: skip
HOMOGENEOUS = ("linear", "relu", "leaky_relu")

Factors = dict[int, NDArray[np.float64]]  # of the channels of each tensor, by its id


def equalize(model: keras.Model, tiles: Sequence[NDArray[np.float32]]) -> keras.Model:
    """A copy of `model` that computes the same on maps whose channels span alike.

    tiles: [H, W, 3] real photos. Maps that a layer reads which is not known here, and what passes
    an activation that is not homogeneous, stay as they are. So does a pruned or clustered network,
    `model` itself then: factors would make many values of few.
    """
    kernels = [layer.get_weights()[0] for layer in model.layers if type(layer).__name__ == "Conv2D"]
    if any(kernel.size > FEW and is_compressed(kernel) for kernel in kernels):
        return model
    spans = _spans(model, tiles)
    factors = _factors(model, spans)
    through = {layer.name: (inputs, output) for layer, inputs, (output, *_) in calls(model)}

    def exchange(layer: Any) -> Any:
        if not isinstance(layer, ChannelMax | ChannelMean):
            return None
        undone = 1 / factors[id(through[layer.name][0][0])]
        return None if (undone == 1).all() else of_scaled_channels(layer, undone.tolist())

    twin = exchanged(model, exchange)
    if twin is model:
        twin = keras.models.clone_model(model)
        twin.set_weights(model.get_weights())
    for layer in twin.layers:
        if layer.get_weights() and layer.name in through:
            (source, *_), output = through[layer.name]
            _absorb(layer, factors[id(source)], factors[id(output)])
    return twin


def _absorb(layer: Any, before: NDArray, after: NDArray) -> None:
    """Let `layer` undo the factors of what it reads and put those on what it returns."""
    if (before == 1).all() and (after == 1).all():
        return
    kernel, *bias = layer.get_weights()
    if type(layer).__name__ == "LayerNormalization":
        kernel = kernel * after
    elif type(layer).__name__ == "DepthwiseConv2D":
        kernel = kernel * (after / before)[:, None]
    else:
        kernel = kernel * (after / before[:, None])
    layer.set_weights([kernel, *(each * after for each in bias)])


def _spans(model: keras.Model, tiles: Sequence[NDArray[np.float32]]) -> Factors:
    """From the least to the largest value of each channel, 0 among them, but for the tails."""
    tensors = [output for _, _, (output, *_) in calls(model)]
    every = keras.Model(model.input, tensors)
    found = {id(tensor): np.zeros(tensor.shape[-1]) for tensor in tensors}
    for tile in tiles[:: max(len(tiles) // TILES, 1)]:
        seen = every(tile[None, :CROP_PX, :CROP_PX], training=False)
        for tensor, values in zip(tensors, seen, strict=True):
            flat = keras.ops.convert_to_numpy(values).reshape(-1, tensor.shape[-1])
            low, high = np.quantile(flat, [TAIL, 1 - TAIL], axis=0)
            span = np.maximum(high, 0) - np.minimum(low, 0)
            found[id(tensor)] = np.maximum(found[id(tensor)], span)
    return found


def _factors(model: keras.Model, spans: Factors) -> Factors:
    """What the channels of each tensor are multiplied by, 1 to `MOST`."""
    ties = _Ties(spans)
    times = Counter(layer.name for layer, _, _ in calls(model))
    for layer, inputs, (output, *_) in calls(model):
        if times[layer.name] == 1:
            _tie(ties, layer, inputs, output)
        else:
            ties.pin(*inputs, output)
    ties.pin(*model.outputs)
    return ties.factors()


def _tie(ties: "_Ties", layer: Any, inputs: Sequence[Any], output: Any) -> None:
    """What `layer` asks of the factors of what it reads and returns."""
    kind, result = type(layer).__name__, ties.channels(output)
    given = [ties.channels(tensor) for tensor in inputs]
    alike = all(len(each) == len(result) for each in given)
    if (kind == "Conv2D" and layer.groups == 1) or (kind == "DepthwiseConv2D" and alike):
        ties.pin(*([] if _is_homogeneous(layer) else [output]))
    elif kind in ("ChannelMax", "ChannelMean"):
        ties.pin(output)
    elif kind == "LayerNormalization":
        ties.pin(*inputs)
    elif kind in TRANSPARENT and alike and _is_homogeneous(layer):
        for each in given:
            ties.tie(each, result)
    elif kind == "Multiply" and len(given[0]) == len(result):
        ties.tie(given[0], result)
        ties.pin(*inputs[1:])
    elif kind == "CropLike":
        ties.tie(given[0], result)
    elif kind == "Concatenate":
        ties.tie(np.concatenate(given), result)
    elif kind in ("PixelShuffle", "PixelUnshuffle"):
        few, many = sorted((given[0], result), key=len)
        ties.tie(many, np.resize(few, len(many)))
    else:
        ties.pin(*inputs, output)


def _is_homogeneous(layer: Any) -> bool:
    """Whether positive factors pass the activation of `layer`."""
    function = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return function in HOMOGENEOUS and getattr(layer, "max_value", None) is None


class _Ties:
    """Channels that must have one factor, and those that must have none."""

    def __init__(self, spans: Factors) -> None:
        self._spans = spans
        ends = np.cumsum([len(span) for span in spans.values()])
        self._channels = {
            i: np.arange(end - len(span), end)
            for (i, span), end in zip(spans.items(), ends, strict=True)
        }
        self._parent = list(range(ends[-1]))
        self._pinned: set[int] = set()

    def channels(self, tensor: Any) -> NDArray[np.intp]:
        return self._channels[id(tensor)]

    def tie(self, some: NDArray[np.intp], others: NDArray[np.intp]) -> None:
        for one, other in zip(some, others, strict=True):
            self._parent[self._root(one)] = self._root(other)

    def pin(self, *tensors: Any) -> None:
        for tensor in tensors:
            self._pinned.update(self.channels(tensor).tolist())

    def factors(self) -> Factors:
        """Those that bring the channels of each tied group nearest to the widest of their maps."""
        roots = np.array([self._root(i) for i in range(len(self._parent))])
        shares = np.concatenate([span / max(span.max(), 1e-9) for span in self._spans.values()])
        squares, counts = np.bincount(roots, shares**2), np.bincount(roots)
        share = np.sqrt(squares / np.maximum(counts, 1))
        found = 1 / np.clip(share, 1 / MOST, 1)
        found[roots[list(self._pinned)]] = 1
        return {i: found[roots[channels]] for i, channels in self._channels.items()}

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i
