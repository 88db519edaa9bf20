"""Who reads whom in a network, and the network with other layers in the place of several."""

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lpie.backend import keras
from lpie.models.graph.analysis import calls

# {layer: the maps that it reads}, of every layer up to the one that is made anew.
Given = Mapping[str, list[Any]]


@dataclass(frozen=True)
class Wiring:
    """Which layers read from which, by name.

    A layer that is called more than once reads different maps each time: it has no `sources`. In
    `readers` None stands for whoever calls the network.
    """

    sources: Mapping[str, list[Any]]
    readers: Mapping[str, list[Any]]

    def source(self, layer: Any) -> Any:
        """The layer that `layer` reads, None where it reads several or one with several calls."""
        found = self.sources.get(layer.name, [])
        return found[0] if len(found) == 1 and found[0].name in self.sources else None

    def only_reader(self, layer: Any) -> Any:
        """The layer that alone reads `layer`; None where the caller or several do."""
        found = self.readers[layer.name]
        return found[0] if len(found) == 1 else None


def wiring(model: keras.Model) -> Wiring:
    """What reads what in the functional `model`."""
    makers: dict[int, Any] = {}
    sources: dict[str, list[Any]] = {}
    readers, times = defaultdict[str, list[Any]](list), Counter[str]()
    for layer, inputs, outputs in calls(model):
        sources[layer.name] = [makers[id(tensor)] for tensor in inputs]
        for source in sources[layer.name]:
            readers[source.name].append(layer)
        makers.update({id(tensor): layer for tensor in outputs})
        times[layer.name] += 1
    for tensor in model.outputs:
        readers[makers[id(tensor)].name].append(None)
    return Wiring({name: each for name, each in sources.items() if times[name] == 1}, readers)


def rebuilt(model: keras.Model, made: Mapping[str, Callable[[Given], Any]]) -> keras.Model:
    """A copy of `model` in which `made[name](given)` is what the layer of that name returns.

    What nobody reads any more is left out. `model` itself if there is nothing to make.
    """
    if not made:
        return model
    given: dict[str, list[Any]] = {}

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        given[layer.name] = keras.tree.flatten(arguments)
        return made[layer.name](given) if layer.name in made else layer(*arguments, **options)

    # Cached, as a layer that is called twice stays one layer.
    copied = functools.cache(lambda layer: type(layer).from_config(layer.get_config()))
    twin = keras.models.clone_model(model, clone_function=copied, call_function=call)
    kept = {layer.name: layer for layer in model.layers if layer.name not in made}
    for layer in twin.layers:
        if layer.name in kept:
            layer.set_weights(kept[layer.name].get_weights())
    return twin
