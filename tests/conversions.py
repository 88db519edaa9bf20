"""Small `.tflite` models, made by TensorFlow's converter."""

import functools

import numpy as np
import pytest

import lpie
from tests.shared import once

SIDE = 32


@functools.cache
def network(recipe, activation="elu"):
    """The bytes of a small LPIENet as a .tflite of 32x32 px."""
    pytest.importorskip("tensorflow")
    folder = once(
        f"network-{recipe}-{activation}",
        lambda folder: (folder / "it.tflite").write_bytes(_network(recipe, activation)),
    )
    return (folder / "it.tflite").read_bytes()


def _network(recipe, activation):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    net = lpie.build_model(
        "lpienet", encoder_widths=(8, 12, 16), decoder_widths=(12, 8), activation=activation
    )
    image = keras.Input((SIDE, SIDE, 3), batch_size=1)
    return convert_keras(keras.Model(image, net(image)), recipe)


def convert_keras(net, recipe):
    import tensorflow as tf

    from lpie.export.tensorflow_converter import with_constants

    module = with_constants(net)
    concrete = module.serve.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    set_recipe(converter, recipe, (1, SIDE, SIDE, 3))
    return converter.convert()


def graph_of(function, recipe="float32", shape=(1, 8, 8, 8)):
    """The bytes of `function`, [N, H, W, C] float32 to the same, as a .tflite."""
    tf = pytest.importorskip("tensorflow")
    concrete = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(shape))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    set_recipe(converter, recipe, [n or 1 for n in shape])
    return converter.convert()


def set_recipe(converter, recipe, shape):
    import tensorflow as tf

    if recipe == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe == "float16":
        converter.target_spec.supported_types = [tf.float16]
        return
    images = np.random.default_rng(0).random((2, *shape), np.float32)
    converter.representative_dataset = lambda: ([image] for image in images)
    int16 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    int8 = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
    converter.target_spec.supported_ops = [int16 if recipe == "int16" else int8]
    if recipe == "uint8":
        converter.inference_input_type = converter.inference_output_type = tf.uint8
