"""Several sizes in one `.tflite`, a signature each; the weights are stored once."""

import copy
from typing import Any

from lpie.size import Size
from lpie.tflite import schema as schema_objects
from lpie.tflite.edit import TfliteEditor
from lpie.tflite.model import TfliteModel
from lpie.tflite.resize import resize


def add_size(model: TfliteEditor, size: Size, *, multiple: int = 1) -> None:
    """Give `model`, of one size or more, another: the signature WIDTHxHEIGHT, in place.

    The first size, which is what a plain interpreter runs, gets such a signature too, beside the
    converter's own. multiple: as in `lpie.tflite.resize.resize`. Raises an `InputError` for a model
    whose size is part of it.
    """
    schema, first = model.schema, str(model.image)
    if not _signature(schema, first):
        _add_signature(schema, 0, first)
    other = TfliteEditor(schema_objects.copied(schema), name=model.name)
    resize(other, size, multiple=multiple)
    schema.operatorCodes = other.schema.operatorCodes  # the same, and what pads
    graph, shared = other.graph, len(schema.buffers)
    for tensor in graph.tensors:  # only what holds a size has changed
        buffer = other.schema.buffers[tensor.buffer]
        if tensor.buffer >= shared or not _same(schema.buffers[tensor.buffer], buffer):
            tensor.buffer = len(schema.buffers)
            schema.buffers.append(buffer)
        tensor.name = b""  # half of what a size takes; a signature has names of its own
    graph.name = str(size).encode()
    schema.subgraphs.append(graph)
    _add_signature(schema, len(schema.subgraphs) - 1, str(size))


def of_size(model: TfliteModel, name: str) -> TfliteModel:
    """A model of the one size that the signature `name` has."""
    editor = model.edit()
    schema = editor.schema
    signature = _signature(schema, name)
    schema.subgraphs = [schema.subgraphs[signature.subgraphIndex]]
    signature.subgraphIndex = 0
    schema.signatureDefs = [signature]
    return editor.finish()


def _signature(schema: Any, name: str) -> Any:
    return next((s for s in schema.signatureDefs if s.signatureKey == name.encode()), None)


def _add_signature(schema: Any, index: int, name: str) -> None:
    """The converter's signature for the subgraph `index`, whose tensors have the same places."""
    added = copy.deepcopy(schema.signatureDefs[0])
    added.signatureKey, added.subgraphIndex = name.encode(), index
    schema.signatureDefs.append(added)


def _same(one: Any, other: Any) -> bool:
    if one.data is other.data:
        return True
    first, second = (b"" if x.data is None else bytes(x.data) for x in (one, other))
    return first == second
