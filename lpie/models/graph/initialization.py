"""Initial weights from which networks without normalization train fast."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.models.do_conv import DOConv2D

SMALL = 0.05  # of the residual's size: a network that starts near the identity
BRANCH = 0.1  # of what is added to a shortcut
OPEN = 2.0  # a gate's bias: sigmoid(2) = 0.88


def balance(
    model: keras.Model,
    degraded: NDArray[np.float32],
    *,
    residual: Sequence[str] = (),
    branches: Sequence[str] = (),
    gates: Sequence[str] = (),
) -> None:
    """Rescale fresh weights so that every convolution gives out mean 0 and deviation 1.

    As layer-sequential unit-variance initialisation (Mishkin and Matas, ICLR 2016), but for each
    channel and with the mean taken out too. degraded: [N, H, W, 3] float32 in [0, 1], a real
    batch. residual: the convolutions that make up the network's residual, which starts small;
    branches: those whose output is added to a shortcut, the end of a block or of a deeper level,
    which start small too, as in SkipInit (De and Smith, NeurIPS 2020); gates: those that gate the
    residual, which start open. All three are names or patterns like `*_project`, of which the
    network may have none. A layer that runs several times is scaled for its first run.
    """
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, DOConv2D)):
            feed = keras.Model(model.input, layer.input)
            activation, layer.activation = layer.activation, keras.activations.linear
            out = keras.ops.convert_to_numpy(layer(feed(degraded, training=False)))  # [N, H, W, C]
            layer.activation = activation
            size = SMALL if _is_one(layer, residual) else BRANCH if _is_one(layer, branches) else 1
            mean, deviation = out.mean((0, 1, 2)), out.std((0, 1, 2)) + 1e-6
            start = OPEN if _is_one(layer, gates) else 0.0
            _rescale(layer, size / deviation, start - size * mean / deviation)


def _is_one(layer: keras.layers.Layer, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(layer.name, pattern) for pattern in patterns)


def _rescale(layer: keras.layers.Layer, factor: NDArray, shift: NDArray) -> None:
    """Let `layer` give out, per channel, factor times what it gave, and shift."""
    if layer.use_bias:
        layer.bias.assign(keras.ops.convert_to_numpy(layer.bias) * factor + shift)
    if isinstance(layer, DOConv2D):  # [C out, ...]
        kernel, lined = layer.w, factor[..., None, None]
    elif isinstance(layer, keras.layers.DepthwiseConv2D):  # [h, w, C, 1]
        kernel, lined = layer.kernel, factor[..., None]
    else:  # [h, w, C in, C out]
        kernel, lined = layer.kernel, factor
    kernel.assign(keras.ops.convert_to_numpy(kernel) * lined)
