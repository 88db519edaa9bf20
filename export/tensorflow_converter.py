"""TensorFlow's converter from a Keras network to the bytes of a `.tflite`."""

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.errors import InputError, LpieError, require
from lpie.export.recipes import find_recipe
from lpie.export.rewrites.layers import (
    average_by_convolution,
    detach_channel_max,
    enlarge_by_resizing,
    prelu_by_convolution,
    shuffle_by_convolution,
)
from lpie.system.quiet import quiet


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
    model = enlarge_by_resizing(average_by_convolution(model))
    if stored.activations == "int8":
        model = prelu_by_convolution(model)
    if stored.activations in ("int16", "uint16"):
        model = shuffle_by_convolution(model)
    channels = model.inputs[0].shape[3]
    image = keras.Input((*size, channels), batch_size=1, name="image")
    fixed = keras.Model(image, model(image), name=model.name)
    module = with_constants(fixed)
    concrete = module.serve.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    _configure(converter, recipe, tiles)
    return converter


def with_constants(model: keras.Model) -> Any:
    """A `tf.Module` whose function `serve` is `model` of one fixed size, weights as constants.

    `TFLiteConverter.from_keras_model` saves the variables of every layer and reads them again,
    which takes three times as long as all the rest; the converted network is the same.
    """
    import tensorflow as tf

    weights = [(variable, keras.ops.convert_to_numpy(variable)) for variable in model.variables]

    def serve(image: Any) -> Any:
        mapping = [(v, tf.constant(weight, name=_plain(v.path))) for v, weight in weights]
        with keras.StatelessScope(state_mapping=mapping):
            return model(image, training=False)

    image = model.inputs[0]
    module = tf.Module()
    signature = [tf.TensorSpec(image.shape, image.dtype, name=image.name)]
    module.serve = tf.function(serve, input_signature=signature, autograph=False)
    return module


def _plain(path: str) -> str:
    """`path` as the name of an op, which may hold fewer signs and begins with a letter."""
    return "weight/" + re.sub(r"[^A-Za-z0-9_.\-/]", "_", path)


@contextlib.contextmanager
def converting(name: str) -> Iterator[None]:
    """A block in which TensorFlow's converter runs: silent, and its refusal is one sentence."""
    import tensorflow as tf

    with quiet() as printed, warnings.catch_warnings():  # it prints hundreds of lines
        warnings.simplefilter("ignore")
        try:
            yield
        except (RuntimeError, ValueError, TypeError, tf.errors.OpError, _refusal()) as error:
            foreign = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
            if foreign:
                raise LpieError(
                    f"The network needs ops that the runtime of phones lacks: {', '.join(foreign)}."
                    " Replace the layers or functions that make them by others."
                ) from error
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise LpieError(
                f"TensorFlow's converter refused the {name} recipe: {reason}. "
                f"It also printed: {printed()[-300:]}"
            ) from error


def _refusal() -> type[Exception]:
    """What the converter raises for an op that it cannot translate; it has no public name."""
    from tensorflow.lite.python.convert import ConverterError

    return ConverterError


def _configure(converter: Any, name: str, calibration: list[NDArray[np.float32]]) -> None:
    """Set TensorFlow's converter up for the recipe `name`: builtin ops only.

    calibration: [H, W, 3] float32 images at the size of the model, for recipes that need them.
    """
    import tensorflow as tf

    recipe, ops = find_recipe(name), tf.lite.OpsSet
    converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS]
    if recipe.weights != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if recipe.static:
        converter.representative_dataset = _feed(calibration)
    if recipe.activations == "int8":
        converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8]
        # Photos are 8 bits; the model's own first op then shifts them to int8.
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    if recipe.activations in ("int16", "uint16"):
        # What has no int16 form, such as ELU, stays in float.
        converter.target_spec.supported_ops = [
            ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
            ops.TFLITE_BUILTINS,
        ]
        converter.inference_input_type = converter.inference_output_type = tf.int16


def _feed(images: list[NDArray[np.float32]]) -> Callable[[], Iterator[list[NDArray]]]:
    return lambda: ([image[None]] for image in images)
