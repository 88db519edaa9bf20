"""A network in tf_keras (Keras 2), which tensorflow-model-optimization needs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras
from tf_keras import layers

from lpie.backend import keras
from lpie.errors import InputError
from lpie.models.analysis import calls


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
