"""A network in tf_keras (Keras 2), which tensorflow-model-optimization needs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray
from tf_keras import layers

from lpie.backend import keras
from lpie.errors import InputError, LpieError
from lpie.models.graph.analysis import calls

EXACT = 1e-4  # further apart, two networks compute different functions


class Twin(NamedTuple):
    """The same network: `model` of tf_keras, and its variables in the order of the weights."""

    model: Any
    variables: list[Any]


def translated(
    model: keras.Model, wrap: Callable[[Any, int | None], Any] = lambda layer, tensor: layer
) -> Twin:
    """`model` in tf_keras, with its weights.

    wrap(layer, tensor): what stands for a tf_keras `layer` whose output is that of `model` with
    the id `tensor`, or none of them: a sigmoid is a layer apart from its convolution. Images must
    be of a multiple of the network's size. Raises an `InputError` that names a layer which is not
    known here.
    """
    variables: dict[str, list[Any]] = {}
    made: dict[int, Any] = {}
    for layer, inputs, (output, *_) in calls(model):
        if isinstance(layer, keras.layers.InputLayer):
            source = layers.Input(layer.batch_shape[1:])
            made[id(output)] = wrap(layers.Activation("linear"), id(output))(source)
            continue
        given = [made[id(tensor)] for tensor in inputs]
        x: Any = given[0] if len(given) == 1 else given
        same, after = _layer(layer), None
        if _ends_in_sigmoid(layer):
            after = layers.Activation("sigmoid", name=f"{layer.name}_sigmoid")
        if layer.weights:
            same.build(given[0].shape)
            same.set_weights(layer.get_weights())
            variables[layer.name] = list(same.weights)
        x = wrap(same, None if after else id(output))(x)
        made[id(output)] = wrap(after, id(output))(x) if after else x
    ordered = [v for layer in model.layers for v in variables.get(layer.name, [])]
    return Twin(tf_keras.Model(source, made[id(model.outputs[0])]), ordered)


def stepper(network: Any, variables: Sequence[Any], optimizer: Any, loss: Any) -> Any:
    """A step over a batch by Keras' `optimizer`: (degraded, target) to the loss before it.

    network: a twin, or what calls one; `variables` of it are trained.
    """

    @tf.function(reduce_retracing=False)
    def step(degraded: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(target, network(degraded, training=True))
        optimizer.apply(tape.gradient(value, variables), variables)
        return value

    return lambda degraded, target: float(step(tf.constant(degraded), tf.constant(target)))


def check_same(
    model: keras.Model, outputs: NDArray[np.float32], images: NDArray[np.float32]
) -> None:
    """Raise an `LpieError` unless `outputs`, a twin's, are what `model` makes of `images`."""
    difference = float(np.abs(outputs - model(images, training=False)).max())
    if difference > EXACT:
        raise LpieError(
            f"{model.name} computes another function in tf_keras: outputs differ by up to "
            f"{difference:.2g}."
        )


def _layer(layer: Any) -> Any:
    """The tf_keras layer like `layer`, but for a sigmoid after a convolution."""
    kind, name = type(layer).__name__, layer.name
    if kind in FUNCTIONS:
        function = FUNCTIONS[kind]
        return layers.Lambda(lambda x: function(layer, x), name=name)
    if kind not in OPTIONS:
        raise InputError(f"tf_keras has no form of {kind} ({name}) here: {_KNOWN}.")
    options = {key: getattr(layer, key) for key in OPTIONS[kind]}
    if "activation" in options:
        activation = options["activation"].__name__
        if activation not in ("elu", "linear", "relu", "sigmoid"):
            raise InputError(f"tf_keras has no form of {activation} ({name}) here.")
        options["activation"] = "linear" if _ends_in_sigmoid(layer) else activation
    if "negative_slope" in options:
        options["alpha"] = options.pop("negative_slope")
    return getattr(layers, kind)(**options, name=name)


def _ends_in_sigmoid(layer: Any) -> bool:
    if isinstance(layer, keras.layers.Activation):
        return False
    return getattr(layer, "activation", None) is keras.activations.sigmoid


_CONVOLUTION = (
    "kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias",
)  # fmt: skip
OPTIONS: dict[str, tuple[str, ...]] = {
    "Activation": ("activation",),
    "Add": (),
    "Concatenate": (),
    "Conv2D": ("filters", "groups", *_CONVOLUTION),
    "DepthwiseConv2D": _CONVOLUTION,
    "ELU": ("alpha",),
    "LeakyReLU": ("negative_slope",),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "Multiply": (),
    "ReLU": (),
    "UpSampling2D": ("size", "interpolation"),
}
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "ChannelMax": lambda layer, x: tf.reduce_max(x, -1, keepdims=True),
    "ChannelMean": lambda layer, x: tf.reduce_mean(x, -1, keepdims=True),
    "CropLike": lambda layer, maps: maps[0],
    "PadToMultiple": lambda layer, x: x,
    "PixelShuffle": lambda layer, x: tf.nn.depth_to_space(x, layer.factor),
    "PixelUnshuffle": lambda layer, x: tf.nn.space_to_depth(x, layer.factor),
}
_KNOWN = f"only {', '.join(sorted([*OPTIONS, *FUNCTIONS]))}"
