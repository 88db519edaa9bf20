"""Several sizes in one `.tflite`, a signature each; the weights are stored once."""

import copy
from typing import Any

from lpie.tflite.model import image_size, parse_tflite, schema_of, serialise
from lpie.tflite.resize import resize


def add_size(model: Any, width: int, height: int, multiple: int = 1) -> None:
    """Give `model`, of one size or more, another: the signature WIDTHxHEIGHT, in place.

    The first size, which is what a plain interpreter runs, gets such a signature too, beside the
    converter's own. multiple: as in `lpie.tflite.resize.resize`. Raises an `InputError` for a model
    whose size is part of it.
    """
    model = schema_of(model)
    name = _name(width, height)
    if not _signature(model, _first_name(model)):
        _add_signature(model, 0, _first_name(model))
    other = parse_tflite(serialise(model))
    resize(other, height, width, multiple)
    model.operatorCodes = other.operatorCodes  # the same, and what pads
    graph, shared = other.subgraphs[0], len(model.buffers)
    for tensor in graph.tensors:  # only what holds a size has changed
        its = other.buffers[tensor.buffer]
        if tensor.buffer >= shared or not _same(model.buffers[tensor.buffer], its):
            tensor.buffer = len(model.buffers)
            model.buffers.append(its)
        tensor.name = b""  # half of what a size takes; a signature has names of its own
    graph.name = name.encode()
    model.subgraphs.append(graph)
    _add_signature(model, len(model.subgraphs) - 1, name)


def sizes(model: Any) -> list[str]:
    """The signatures WIDTHxHEIGHT of a model of several sizes; empty for one of one size."""
    model = schema_of(model)
    keys = [each.signatureKey.decode() for each in model.signatureDefs or []]
    return [key for key in keys if key[0].isdigit()]


def of_size(model: Any, name: str) -> Any:
    """A model of the one size that the signature `name` has."""
    model = schema_of(model)
    single = parse_tflite(serialise(model))
    found = _signature(single, name)
    single.subgraphs = [single.subgraphs[found.subgraphIndex]]
    found.subgraphIndex = 0
    single.signatureDefs = [found]
    return single


def _first_name(model: Any) -> str:
    height, width = image_size(model)
    return _name(width, height)


def _name(width: int, height: int) -> str:
    return f"{width}x{height}"


def _signature(model: Any, name: str) -> Any:
    found = [each for each in model.signatureDefs if each.signatureKey == name.encode()]
    return found[0] if found else None


def _add_signature(model: Any, index: int, name: str) -> None:
    """The converter's signature for the subgraph `index`, whose tensors have the same places."""
    added = copy.deepcopy(model.signatureDefs[0])
    added.signatureKey, added.subgraphIndex = name.encode(), index
    model.signatureDefs.append(added)


def _same(a: Any, b: Any) -> bool:
    mine, its = (bytes(x.data if x.data is not None else b"") for x in (a, b))
    return mine == its
