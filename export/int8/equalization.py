"""Channels that span alike, so that none is lost between the coarse levels of another.

An int8 map has one step for all its channels. Where the layers around it can take a factor for each
channel, narrow channels are widened beforehand and narrowed again afterwards. The function stays
the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.export.int8.gptq import is_compressed
from lpie.export.rewrites.layers import of_scaled_channels
from lpie.models.graph.channel_scales import channel_factors
from lpie.models.graph.facts import facts_of
from lpie.models.graph.rebuild import copied, exchanged
from lpie.models.graph.walk import calls
from lpie.models.layers import ChannelMax, ChannelMean

FEW = 512  # values: so small a kernel says nothing of how the network was compressed


def equalize(model: keras.Model, tiles: Sequence[NDArray[np.float32]]) -> keras.Model:
    """A copy of `model` that computes the same on maps whose channels span alike.

    tiles: [H, W, 3] real photos. A pruned or clustered network stays as it is, `model` itself:
    factors would make many values of few.
    """
    kernels = [layer.get_weights()[0] for layer in model.layers if type(layer).__name__ == "Conv2D"]
    if any(kernel.size > FEW and is_compressed(kernel) for kernel in kernels):
        return model
    factors = channel_factors(model, tiles)
    through = {layer.name: (inputs, output) for layer, inputs, (output, *_) in calls(model)}

    def exchange(layer: Any) -> Any:
        if not isinstance(layer, ChannelMax | ChannelMean):
            return None
        undone = 1 / factors[id(through[layer.name][0][0])]
        return None if (undone == 1).all() else of_scaled_channels(layer, undone.tolist())

    twin = exchanged(model, exchange)
    if twin is model:
        twin = copied(model)
    for layer in twin.layers:
        if layer.get_weights() and layer.name in through:
            (source, *_), output = through[layer.name]
            _absorb(layer, factors[id(source)], factors[id(output)])
    return twin


def _absorb(layer: Any, before: NDArray, after: NDArray) -> None:
    """Let `layer` undo the factors of what it reads and put those on what it returns."""
    facts = facts_of(layer)
    passes = facts is not None and facts.equalization == "through"  # as PReLU, by its slopes
    if passes or ((before == 1).all() and (after == 1).all()):
        return
    kernel, *bias = layer.get_weights()
    if type(layer).__name__ == "LayerNormalization":
        kernel = kernel * after
    elif type(layer).__name__ == "DepthwiseConv2D":
        kernel = kernel * (after / before)[:, None]
    else:
        kernel = kernel * (after / before[:, None])
    layer.set_weights([kernel, *(values * after for values in bias)])
