"""A start from which networks without normalisation train fast."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras

SMALL = 0.05  # of the residual's size: a network that starts near the identity
OPEN = 2.0  # a gate's bias: sigmoid(2) = 0.88


def balance(
    model: keras.Model,
    degraded: NDArray[np.float32],
    *,
    residual: Sequence[str] = (),
    gates: Sequence[str] = (),
) -> None:
    """Rescale fresh weights so that every convolution gives out mean 0 and deviation 1.

    As layer-sequential unit-variance initialisation (Mishkin and Matas, ICLR 2016), but for each
    channel and with the mean taken out too. degraded: [N, H, W, 3] float32 in [0, 1], a real
    batch. residual: the convolutions that make up the network's residual, which starts small;
    gates: those that gate it, which start open (of both, the ones that the network has).
    """
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            feed = keras.Model(model.input, layer.input)
            activation, layer.activation = layer.activation, keras.activations.linear
            out = keras.ops.convert_to_numpy(layer(feed(degraded, training=False)))  # [N, H, W, C]
            layer.activation = activation
            _rescale(layer, out.mean((0, 1, 2)), out.std((0, 1, 2)) + 1e-6)
    for layer in model.layers:
        if layer.name in residual:
            layer.set_weights([SMALL * array for array in layer.get_weights()])
        if layer.name in gates:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias + OPEN])


def _rescale(layer: Any, mean: NDArray, deviation: NDArray) -> None:
    kernel, bias = layer.get_weights()
    # A depthwise kernel is [h, w, C, 1], any other [h, w, C in, C out].
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    kernel = kernel / (deviation[:, None] if depthwise else deviation)
    layer.set_weights([kernel, (bias - mean) / deviation])
