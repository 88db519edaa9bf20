"""Walks the graph of a network, says which layers read which, and replaces groups of layers."""

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lpie.backend import Tensor, keras
from lpie.models.graph.rebuild import copy_of

# {layer: the maps that it reads}, of every layer up to the one that is replaced.
Inputs = Mapping[str, list[Tensor]]


def nodes(model: keras.Model) -> Iterator[Any]:
    """Every call in the graph of `model`, each after those whose results it reads.

    A call has an `operation`, `arguments`, `input_tensors` and `output_tensors`.
    """
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def calls(model: keras.Model) -> Iterator[tuple[keras.layers.Layer, list[Tensor], list[Tensor]]]:
    """(layer, inputs, outputs) of every call of a layer, each after those it reads from."""
    for node in nodes(model):
        yield node.operation, node.input_tensors, node.output_tensors


def has_graph(model: keras.Model) -> bool:
    """Whether `model` is a graph of layers, instead of code that calls them."""
    return hasattr(model, "_nodes_by_depth")


@dataclass(frozen=True)
class Wiring:
    """Which layers read from which, by name.

    A layer that is called more than once reads different maps each time: it has no `sources`. In
    `readers` None stands for whoever calls the network.
    """

    sources: Mapping[str, list[keras.layers.Layer]]
    readers: Mapping[str, list[keras.layers.Layer | None]]

    def source(self, layer: keras.layers.Layer) -> keras.layers.Layer | None:
        """The layer that `layer` reads, None where it reads several or one with several calls."""
        sources = self.sources.get(layer.name, [])
        return sources[0] if len(sources) == 1 and sources[0].name in self.sources else None

    def only_reader(self, layer: keras.layers.Layer) -> keras.layers.Layer | None:
        """The layer that alone reads `layer`; None where the caller or several do."""
        readers = self.readers[layer.name]
        return readers[0] if len(readers) == 1 else None


def wiring(model: keras.Model) -> Wiring:
    """The `Wiring` of the functional `model`."""
    makers: dict[int, keras.layers.Layer] = {}
    sources: dict[str, list[keras.layers.Layer]] = {}
    readers, times = defaultdict[str, list[keras.layers.Layer | None]](list), Counter[str]()
    for layer, inputs, outputs in calls(model):
        sources[layer.name] = [makers[id(tensor)] for tensor in inputs]
        for source in sources[layer.name]:
            readers[source.name].append(layer)
        makers.update({id(tensor): layer for tensor in outputs})
        times[layer.name] += 1
    for tensor in model.outputs:
        readers[makers[id(tensor)].name].append(None)
    once = {name: layers for name, layers in sources.items() if times[name] == 1}
    return Wiring(once, readers)


def rebuilt(
    model: keras.Model, replacements: Mapping[str, Callable[[Inputs], Tensor]]
) -> keras.Model:
    """A copy of `model` in which `replacements[name](inputs)` is what the layer `name` returns.

    Layers that nobody reads any more are left out. `model` itself if there are no replacements.
    """
    if not replacements:
        return model
    inputs: dict[str, list[Tensor]] = {}

    def call(layer: keras.layers.Layer, *arguments: Any, **options: Any) -> Tensor:
        inputs[layer.name] = keras.tree.flatten(arguments)
        replace = replacements.get(layer.name)
        return replace(inputs) if replace else layer(*arguments, **options)

    copied = functools.cache(copy_of)  # a layer that is called twice stays one layer
    twin = keras.models.clone_model(model, clone_function=copied, call_function=call)
    kept = {layer.name: layer for layer in model.layers if layer.name not in replacements}
    for layer in twin.layers:
        if layer.name in kept:
            layer.set_weights(kept[layer.name].get_weights())
    return twin
