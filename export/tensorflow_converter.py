"""TensorFlow's converter from a Keras network to the bytes of a `.tflite`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.errors import InputError, require
from lpie.export.recipes import configure, converting, find_recipe
from lpie.export.rewrites.layers import (
    average_by_convolution,
    detach_channel_max,
    shuffle_by_convolution,
)


def convert(
    model: keras.Model, recipe: str, size: tuple[int, int], tiles: list[NDArray[np.float32]]
) -> bytes:
    """The bytes of `model` as TFLite for (height, width) `size`, quantized by `recipe`."""
    converter = make_converter(model, recipe, size, tiles)
    with converting(recipe):
        return bytes(converter.convert())


def make_converter(
    model: keras.Model, recipe: str, size: tuple[int, int], tiles: list[NDArray[np.float32]]
) -> Any:
    """TensorFlow's converter of `model`, rewritten as `recipe` needs it, at (height, width)."""
    require("tensorflow", extra="train")
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            "Export needs Keras on TensorFlow. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}. Unset it for this command."
        )
    import tensorflow as tf

    stored = find_recipe(recipe)
    if stored.static:
        model = detach_channel_max(model)
    model = average_by_convolution(model)
    if stored.activations == "int16":
        model = shuffle_by_convolution(model)
    image = keras.Input((*size, 3), batch_size=1, name="image")
    fixed = keras.Model(image, model(image), name=model.name)
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    configure(converter, recipe, tiles)
    return converter
