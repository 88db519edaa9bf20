"""A network as one graph: nested and sequential models are taken apart into their layers."""

from typing import Any

from lpie.backend import Tensor, keras
from lpie.models.graph.rebuild import copy_of
from lpie.models.graph.walk import has_graph, nodes


def flat(model: keras.Model, *, precision: str | None = None) -> keras.Model:
    """`model` as one graph of layers without models among them; itself where it is that already.

    A model within it that runs code of its own stays one layer. precision: the type that all
    layers compute in, where it should be another.
    """
    if not _states_ends(model):
        return model
    other = precision is not None and any(
        getattr(node.operation, "compute_dtype", precision) != precision
        for node in nodes(_graph(model))
    )
    nested = any(isinstance(node.operation, keras.Model) for node in nodes(_graph(model)))
    if has_graph(model) and _is_of_tensors(model) and not nested and not other:
        return model
    return _Flattening({"dtype": precision} if other else {}).of(model)


def _states_ends(model: Any) -> bool:
    """Whether `model` is made of layers between tensors, instead of code that calls them."""
    return bool(
        getattr(model, "inputs", None)
        and getattr(model, "outputs", None)
        and type(model).call.__module__.startswith("keras.")
    )


def _is_of_tensors(model: keras.Model) -> bool:
    """Whether a functional `model` takes a tensor and returns one, instead of lists of them."""
    return all(isinstance(end, keras.KerasTensor) for end in (model.input, model.output))


def _graph(model: keras.Model) -> keras.Model:
    """A sequential `model` as a functional one."""
    return model if has_graph(model) else keras.Model(model.inputs, model.outputs, name=model.name)


class _Flattening:
    """Copies of layers, one for each, all of different names."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._copies: dict[int, tuple[Any, Any]] = {}
        self._names: set[str] = set()

    def of(self, model: keras.Model) -> keras.Model:
        """`model` taken apart, with its weights."""
        inputs = [
            keras.Input(batch_shape=one.shape, dtype=self._dtype(one), name=one.name)
            for one in model.inputs
        ]
        outputs = self._run(model, inputs, "")
        twin = keras.Model(
            inputs[0] if len(inputs) == 1 else inputs,
            outputs[0] if len(outputs) == 1 else outputs,
            name=model.name,
        )
        for layer, same in self._copies.values():
            if isinstance(layer, keras.layers.Layer) and layer is not same:
                same.set_weights(layer.get_weights())
        return twin

    def _dtype(self, image: Tensor) -> str:
        """The type of what the network takes; integers stay what they are."""
        dtype = str(keras.backend.standardize_dtype(image.dtype))
        return str(self._options.get("dtype", dtype)) if "float" in dtype else dtype

    def _run(self, model: keras.Model, inputs: list[Tensor], prefix: str) -> list[Tensor]:
        """What the copies of the layers of `model` return for `inputs`."""
        graph = _graph(model)
        values = dict(zip(map(id, graph.inputs), inputs, strict=True))
        for node in nodes(graph):
            if node.is_input:
                continue
            arguments, options = node.arguments.fill_in(values)
            layer = node.operation
            if isinstance(layer, keras.Model) and _states_ends(layer):
                results = self._run(layer, keras.tree.flatten(arguments), f"{layer.name}_")
            else:
                results = self._copy(layer, prefix)(*arguments, **options)
            for tensor, value in zip(node.outputs, keras.tree.flatten(results), strict=True):
                values[id(tensor)] = value
        return [values[id(tensor)] for tensor in graph.outputs]

    def _copy(self, layer: Any, prefix: str) -> Any:
        """The copy of `layer`, whose name no other one has."""
        if id(layer) in self._copies:
            return self._copies[id(layer)][1]
        name, number = layer.name, 1
        while name in self._names:
            name, number = f"{prefix}{layer.name}" + f"_{number}" * (number > 1), number + 1
        self._names.add(name)
        options = self._options if isinstance(layer, keras.layers.Layer) else {}
        same = copy_of(layer, name, **options)
        self._copies[id(layer)] = layer, same
        return same
