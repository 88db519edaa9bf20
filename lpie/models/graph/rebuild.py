"""Copies networks, and replaces single layers of them."""

import copy
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from lpie.backend import keras


def copy_of(layer: Any, name: str | None = None, **options: Any) -> Any:
    """A layer like `layer`, with weights of its own, or the same function of `keras.ops`.

    name, options: whatever of its config should differ. A layer that cannot be made anew from its
    config, as one with Python code in it, is `layer` itself.
    """
    if not isinstance(layer, keras.layers.Layer):
        same = copy.copy(layer)
        same.name = name or layer.name
        same._inbound_nodes, same._outbound_nodes = [], []
        return same
    try:
        config = {**layer.get_config(), **options}
        return type(layer).from_config({**config, "name": name or layer.name})
    except (NotImplementedError, ValueError, TypeError):
        return layer


def copied(model: keras.Model) -> keras.Model:
    """A copy of `model`, with weights of its own."""
    return _cloned(model, copy_of, lambda source, layer: source.get_weights())


def exchanged(
    model: keras.Model,
    make: Callable[[keras.layers.Layer], keras.layers.Layer | None],
    weights: Callable[
        [keras.layers.Layer, keras.layers.Layer], list[NDArray]
    ] = lambda source, layer: source.get_weights(),
) -> keras.Model:
    """A copy of `model` in which `make(layer)`, where it is not None, replaces a layer.

    A new layer must keep the name. weights(source, layer): the weights of `layer`, which replaces
    `source`; by default those of `source`. `model` itself if there is nothing to replace.
    """
    replacements = {layer.name: make(layer) for layer in model.layers}
    if all(layer is None for layer in replacements.values()):
        return model

    def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
        new = replacements.get(layer.name)
        return copy_of(layer) if new is None else new

    return _cloned(model, replaced, weights)


def _cloned(
    model: keras.Model,
    make: Callable[[Any], Any],
    weights: Callable[[keras.layers.Layer, keras.layers.Layer], list[NDArray]],
) -> keras.Model:
    """A model of the layers that `make` returns for those of `model`, with these `weights`."""
    twin = keras.models.clone_model(model, clone_function=make)
    for layer in twin.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue  # a clone gives it a new name, where it had none of its own
        source = model.get_layer(layer.name)
        if layer is not source:
            layer.set_weights(weights(source, layer))
    return twin
