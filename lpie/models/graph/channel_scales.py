"""Factors of channels that make all channels of a map span alike.

The layers around a map can undo them, so that the network computes the same: cross-layer
equalization (Nagel et al., ICCV 2019, arXiv:1906.04721), here by what the channels hold on real
photos and across sums, joined maps and shuffles.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lpie.backend import Tensor, keras
from lpie.models.graph.analysis import multiple_of
from lpie.models.graph.facts import facts_of
from lpie.models.graph.walk import calls

TILES, CROP_PX = 8, 128
TAIL = 1e-4  # of the values on either side that may lie outside of a channel's span
MOST = 16.0  # the largest factor; a channel that is always zero wants an infinite one

HOMOGENEOUS = ("linear", "relu", "leaky_relu")

Factors = dict[int, NDArray[np.float64]]  # of the channels of each tensor, by its id


def channel_factors(model: keras.Model, tiles: Sequence[NDArray[np.float32]]) -> Factors:
    """The factors of the channels of each tensor of `model`, 1 to `MOST`.

    tiles: [H, W, 3] real photos. Maps around a layer of unknown facts, and those behind an
    activation that is not homogeneous, stay as they are.
    """
    ties = _Ties(_spans(model, tiles))
    times = Counter(layer.name for layer, _, _ in calls(model))
    for layer, inputs, outputs in calls(model):
        if times[layer.name] == 1 and len(outputs) == 1:
            _tie(ties, layer, inputs, outputs[0])
        else:
            ties.pin(*inputs, *outputs)
    ties.pin(*model.outputs)
    return ties.factors()


def _spans(model: keras.Model, tiles: Sequence[NDArray[np.float32]]) -> Factors:
    """From the least to the largest value of each channel, 0 among them, but for the tails."""
    tensors = [output for _, _, outputs in calls(model) for output in outputs]
    every = keras.Model(model.input, tensors)
    spans = {id(tensor): np.zeros(_channels(tensor)) for tensor in tensors}
    for tile in tiles[:: max(len(tiles) // TILES, 1)]:
        maps = every(crop(model, tile)[None], training=False)
        for tensor, values in zip(tensors, maps, strict=True):
            flat = keras.ops.convert_to_numpy(values).reshape(-1, _channels(tensor))
            low, high = np.quantile(flat, [TAIL, 1 - TAIL], axis=0)
            span = np.maximum(high, 0) - np.minimum(low, 0)
            spans[id(tensor)] = np.maximum(spans[id(tensor)], span)
    return spans


def crop(model: keras.Model, tile: NDArray[np.float32]) -> NDArray[np.float32]:
    """A part of the `tile` [H, W, C], of a size that `model` takes: enough to choose ranges on."""
    side = CROP_PX // multiple_of(model) * multiple_of(model)
    return tile if model.inputs[0].shape[1] or not side else tile[:side, :side]


def _channels(tensor: Tensor) -> int:
    """The channels of a map; what has no channels counts as one."""
    return int(tensor.shape[-1] or 1) if len(tensor.shape) > 1 else 1


def _tie(
    ties: "_Ties", layer: keras.layers.Layer, inputs: Sequence[Tensor], output: Tensor
) -> None:
    """Tie or pin the factors of what `layer` reads and returns, as its facts say."""
    facts, result = facts_of(layer), ties.channels(output)
    sources = [ties.channels(tensor) for tensor in inputs]
    alike = all(len(source) == len(result) for source in sources)
    match facts.equalization if facts else "none":
        case "kernel" if _mixes_or_keeps(layer, alike):
            ties.pin(*([] if _is_homogeneous(layer) else [output]))
        case "reads":
            ties.pin(output)
        case "makes":
            ties.pin(*inputs)
        case "through" if alike and _is_homogeneous(layer):
            for source in sources:
                ties.tie(source, result)
        case "gate" if len(sources[0]) == len(result):
            ties.tie(sources[0], result)
            ties.pin(*inputs[1:])
        case "first":
            ties.tie(sources[0], result)
        case "join":
            ties.tie(np.concatenate(sources), result)
        case "shuffle":
            few, many = sorted((sources[0], result), key=len)
            ties.tie(many, np.resize(few, len(many)))
        case _:
            ties.pin(*inputs, output)


def _mixes_or_keeps(layer: keras.layers.Layer, alike: bool) -> bool:
    """Whether the convolution `layer` mixes all channels, or treats each one apart."""
    return alike if isinstance(layer, keras.layers.DepthwiseConv2D) else layer.groups == 1


def _is_homogeneous(layer: keras.layers.Layer) -> bool:
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

    def channels(self, tensor: Tensor) -> NDArray[np.intp]:
        return self._channels[id(tensor)]

    def tie(self, some: NDArray[np.intp], others: NDArray[np.intp]) -> None:
        for one, other in zip(some, others, strict=True):
            self._parent[self._root(one)] = self._root(other)

    def pin(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            self._pinned.update(self.channels(tensor).tolist())

    def factors(self) -> Factors:
        """Those that bring the channels of each tied group nearest to the widest of their maps."""
        roots = np.array([self._root(i) for i in range(len(self._parent))])
        shares = np.concatenate([span / max(span.max(), 1e-9) for span in self._spans.values()])
        squares, counts = np.bincount(roots, shares**2), np.bincount(roots)
        share = np.sqrt(squares / np.maximum(counts, 1))
        factors = 1 / np.clip(share, 1 / MOST, 1)
        factors[roots[list(self._pinned)]] = 1
        return {i: factors[roots[channels]] for i, channels in self._channels.items()}

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i
