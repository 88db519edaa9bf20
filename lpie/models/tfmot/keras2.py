"""A network in tf_keras (Keras 2), which tensorflow-model-optimization needs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray
from tf_keras import layers

from lpie.backend import Tensor, keras
from lpie.errors import InputError, LpieError
from lpie.models.graph.facts import facts_of
from lpie.models.graph.keras_layers import is_function
from lpie.models.graph.walk import nodes

ACTIVATIONS = ("elu", "linear", "relu", "sigmoid")
# (target, prediction) to the loss; a step over (degraded, target) to the loss before it.
Loss = Callable[[Tensor, Tensor], Tensor]
Stepper = Callable[[NDArray[np.float32], NDArray[np.float32]], float]
EXACT = 1e-4  # further apart, two networks compute different functions


class Twin(NamedTuple):
    """The same network: `model` of tf_keras, and its variables in the order of the weights."""

    model: tf_keras.Model
    variables: list[tf.Variable]


def translated(
    model: keras.Model,
    wrap: Callable[
        [tf_keras.layers.Layer, int | None], tf_keras.layers.Layer
    ] = lambda layer, tensor: layer,
) -> Twin:
    """`model` in tf_keras, with its weights.

    wrap(layer, tensor): what stands for a tf_keras `layer` whose output is that of `model` with
    the id `tensor`, or none of them: a sigmoid is a layer apart from its convolution. Images must
    be of a multiple of the network's size. Raises an `InputError` that names a layer which has no
    twin in tf_keras.
    """
    variables: dict[str, list[tf.Variable]] = {}
    outputs: dict[int, Tensor] = {}
    for node in nodes(model):
        layer, inputs, output = node.operation, node.input_tensors, node.output_tensors[0]
        if isinstance(layer, keras.layers.InputLayer):
            source = layers.Input(layer.batch_shape[1:])
            outputs[id(output)] = wrap(layers.Activation("linear"), id(output))(source)
            continue
        sources = [outputs[id(tensor)] for tensor in inputs]
        x: Tensor = sources[0] if len(sources) == 1 else sources
        same, after = _function(node) if is_function(layer) else _layer(layer), None
        if _ends_in_sigmoid(layer):
            after = layers.Activation("sigmoid", name=f"{layer.name}_sigmoid")
        if getattr(layer, "weights", None):
            same.build(sources[0].shape)
            same.set_weights(layer.get_weights())
            variables[layer.name] = list(same.weights)
        x = wrap(same, None if after else id(output))(x)
        outputs[id(output)] = wrap(after, id(output))(x) if after else x
    ordered = [v for layer in model.layers for v in variables.get(layer.name, [])]
    return Twin(tf_keras.Model(source, outputs[id(model.outputs[0])]), ordered)


def stepper(
    network: Callable[..., Tensor],
    variables: Sequence[tf.Variable],
    optimizer: keras.optimizers.Optimizer,
    loss: Loss,
) -> Stepper:
    """A step over a batch by Keras' `optimizer`: (degraded, target) to the loss before it.

    network: a twin, or what calls one; `variables` of it are trained.
    """

    @tf.function(reduce_retracing=False)
    def step(degraded: Tensor, target: Tensor) -> Tensor:
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


def _function(node: Any) -> tf_keras.layers.Layer:
    """A function of `keras.ops`, called as in the network, as a layer of tf_keras."""
    operation, inputs = node.operation, node.input_tensors
    if len(node.output_tensors) != 1:
        raise InputError(
            f"The function {type(operation).__name__} ({operation.name}) returns several maps, so "
            "its network cannot be trained with quantization, pruning or clustering."
        )

    def call(x: Tensor) -> Tensor:
        values = x if isinstance(x, list | tuple) else [x]
        known = {id(tensor): value for tensor, value in zip(inputs, values, strict=True)}
        arguments, options = node.arguments.fill_in(known)
        return operation.call(*arguments, **options)

    return layers.Lambda(call, name=operation.name)


def _layer(layer: keras.layers.Layer) -> tf_keras.layers.Layer:
    """The tf_keras layer like `layer`, but for a sigmoid after a convolution."""
    kind, name, facts = type(layer).__name__, layer.name, facts_of(layer)
    if facts is None or facts.twin is None:
        raise InputError(
            f"The layer {kind} ({name}) has no twin in tf_keras, so its network cannot be trained "
            "with quantization, pruning or clustering."
        )
    if callable(facts.twin):
        function = facts.twin
        return layers.Lambda(lambda x: function(layer, x), name=name)
    options = {key: getattr(layer, key) for key in facts.twin}
    if "activation" in options:
        activation = options["activation"].__name__
        if activation not in ACTIVATIONS:
            raise InputError(
                f"The activation {activation} of the layer {name} has no twin in tf_keras: "
                f"only {', '.join(ACTIVATIONS)}."
            )
        options["activation"] = "linear" if _ends_in_sigmoid(layer) else activation
    if "negative_slope" in options:
        options["alpha"] = options.pop("negative_slope")
    return getattr(layers, kind)(**options, name=name)


def _ends_in_sigmoid(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, keras.layers.Activation):
        return False
    return getattr(layer, "activation", None) is keras.activations.sigmoid
