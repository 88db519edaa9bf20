"""Factors of channels that make all channels of a map span alike.

The layers around a map can undo them, so that the network computes the same: cross-layer
equalization (Nagel et al., ICCV 2019, arXiv:1906.04721), here by what the channels hold on real
photos and across sums, joined maps and shuffles.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.models.graph.analysis import calls

TILES, CROP_PX = 8, 128
TAIL = 1e-4  # of the values on either side that may lie outside of a channel's span
MOST = 16.0  # the largest factor; a channel that is always zero wants an infinite one

# What treats channels apart and lets a positive factor through.
TRANSPARENT = (
    "Activation", "Add", "CropLike", "LeakyReLU", "MaxPooling2D", "PadToMultiple", "ReLU",
    "UpSampling2D", "GlobalAveragePooling2D",
)  # fmt: skip
HOMOGENEOUS = ("linear", "relu", "leaky_relu")

Factors = dict[int, NDArray[np.float64]]  # of the channels of each tensor, by its id


def channel_factors(model: keras.Model, tiles: Sequence[NDArray[np.float32]]) -> Factors:
    """What the channels of each tensor of `model` are to be multiplied by, 1 to `MOST`.

    tiles: [H, W, 3] real photos. Maps that a layer reads which is not known here, and what passes
    an activation that is not homogeneous, stay as they are.
    """
    ties = _Ties(_spans(model, tiles))
    times = Counter(layer.name for layer, _, _ in calls(model))
    for layer, inputs, (output, *_) in calls(model):
        if times[layer.name] == 1:
            _tie(ties, layer, inputs, output)
        else:
            ties.pin(*inputs, output)
    ties.pin(*model.outputs)
    return ties.factors()


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
