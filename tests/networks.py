"""Small `.tflite` networks that are not one RGB image in and out."""

import numpy as np
import pytest


def write_networks(folder):
    """{name: a `.tflite` in `folder`}."""
    tf = pytest.importorskip("tensorflow")
    files = {}
    for name, (function, inputs) in functions(tf).items():
        specs = [tf.TensorSpec(shape, kind) for shape, kind in inputs]
        concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        files[name] = folder / f"{name}.tflite"
        files[name].write_bytes(converter.convert())
    return files


def convolved(tf, x, channels):
    weights = np.random.default_rng(0).normal(0, 0.1, (3, 3, x.shape[-1], channels))
    return tf.nn.conv2d(x, tf.constant(weights, tf.float32), 1, "SAME")


def functions(tf):
    """{name: (function, [(shape, type) of each input])}."""
    floats, wide = tf.float32, (1, 16, 24, 3)
    return {
        "gray": (lambda x: convolved(tf, x, 1), [((1, 16, 24, 1), floats)]),
        "raw_x2": (
            lambda x: tf.nn.depth_to_space(convolved(tf, x, 12), 2),
            [((1, 16, 24, 4), floats)],
        ),
        "two_inputs": (
            lambda x, y: convolved(tf, x, 3) * y,
            [(wide, floats), ((1, 1, 1, 3), floats)],
        ),
        "two_outputs": (
            lambda x: (convolved(tf, x, 3), tf.nn.max_pool2d(x, 2, 2, "SAME")),
            [(wide, floats)],
        ),
        "int16": (
            lambda x: tf.cast(convolved(tf, tf.cast(x, floats), 3), tf.int16),
            [(wide, tf.int16)],
        ),
        "int32": (
            lambda x: tf.gather(tf.constant(np.eye(9), tf.float32), x),
            [((5,), tf.int32)],
        ),
        "open_x2": (
            lambda x: tf.nn.depth_to_space(convolved(tf, x, 12), 2),
            [((1, None, None, 3), floats)],
        ),
    }
