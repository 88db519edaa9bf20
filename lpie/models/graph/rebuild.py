"""The same network with other layers in the place of some."""

from collections.abc import Callable
from typing import Any

from lpie.backend import keras


def exchanged(
    model: keras.Model,
    make: Callable[[Any], Any],
    weights: Callable[[Any, Any], list[Any]] = lambda source, layer: source.get_weights(),
) -> keras.Model:
    """A copy of `model` with `make(layer)` for each layer for which it is not None.

    A new layer must keep the name. weights(source, layer): those of `layer`, which stands for
    `source`; the same ones unless given. `model` itself if there is nothing to exchange.
    """
    made = {layer.name: make(layer) for layer in model.layers}
    if all(layer is None for layer in made.values()):
        return model

    def copied(layer: Any) -> Any:
        new = made[layer.name]
        return type(layer).from_config(layer.get_config()) if new is None else new

    twin = keras.models.clone_model(model, clone_function=copied)
    for layer in twin.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue  # named anew in a clone, where it had no name of its own
        layer.set_weights(weights(model.get_layer(layer.name), layer))
    return twin
