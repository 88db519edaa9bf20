"""The small layers that Keras lacks."""

from typing import Any

from lpie.backend import keras


@keras.saving.register_keras_serializable(package="lpie")
class ChannelMean(keras.layers.Layer):
    """Mean over channels: [N, H, W, C] to [N, H, W, 1]."""

    def call(self, x: Any) -> Any:
        return keras.ops.mean(x, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable(package="lpie")
class ChannelMax(keras.layers.Layer):
    """Maximum over channels: [N, H, W, C] to [N, H, W, 1]."""

    def call(self, x: Any) -> Any:
        return keras.ops.max(x, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], 1)
