"""Graphs that compute the same and convert better. Each rewrite is exact."""

from typing import Any

import numpy as np

from lpie.backend import keras
from lpie.models.layers import ChannelMax


def detach_channel_max(model: keras.Model) -> keras.Model:
    """`model` with a unit depthwise convolution in front of every channel maximum.

    int8 REDUCE_MAX must have one scale for input and output, and TensorFlow's quantizer takes the
    output's: the map of maxima is seldom negative, so every negative feature that goes in is cut
    to zero, for all its other readers too. Behind a convolution the maximum cuts only a copy.
    Measured on LPIENet after 200 steps: int8 against float32 from 26.5 to 44.3 dB, correlation of
    the residual from 0.61 to 0.994, at about 3 % more time.
    """
    twin = keras.models.clone_model(model, clone_function=_detached)
    twin.set_weights(model.get_weights())
    return twin


class _DetachedChannelMax(keras.layers.Layer):
    """Channel maximum of a copy: [N, H, W, C] to [N, H, W, 1]."""

    def call(self, x: Any) -> Any:
        ones = np.ones((1, 1, x.shape[-1], 1), np.float32)
        return keras.ops.max(keras.ops.depthwise_conv(x, ones), axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], 1)


def _detached(layer: Any) -> Any:
    if isinstance(layer, ChannelMax):
        return _DetachedChannelMax(name=layer.name)
    return type(layer).from_config(layer.get_config())
