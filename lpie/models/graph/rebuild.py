"""Replaces single layers of a network."""

from collections.abc import Callable

from numpy.typing import NDArray

from lpie.backend import keras


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

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        new = replacements[layer.name]
        return type(layer).from_config(layer.get_config()) if new is None else new

    twin = keras.models.clone_model(model, clone_function=copied)
    for layer in twin.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue  # a clone gives it a new name, where it had none of its own
        layer.set_weights(weights(model.get_layer(layer.name), layer))
    return twin
