"""Zeros that a graph adds to its image at the bottom and right, and cuts off its result again."""

import copy
import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from lpie.tflite.model import CONVERSIONS, links, new_op, op_name, sizeless_tensors, stored_integers

# Tensors that `add_padding` adds: three constants, the padded image and what becomes the result.
ADDED = 5


class _Padding(NamedTuple):
    """Indices of tensors, and ops: `pad` makes `padded` of `image`, `cut` `result` of `whole`."""

    image: int
    pad: Any
    padded: int
    whole: int
    cut: Any
    result: int


def padding(model: Any) -> tuple[int, int]:
    """How many rows at the bottom and columns at the right `model` adds to its image."""
    found = _find(model)
    if found is None:
        return 0, 0
    (_, h, w, _), (_, larger_h, larger_w, _) = (
        _shape(model, i) for i in (found.image, found.padded)
    )
    return larger_h - h, larger_w - w


def remove_padding(model: Any) -> int:
    """Let `model` take the padded image itself, in place; returns what its sides are multiples of.

    That is the padded image's side over the smallest map's, or 1 for a model that adds nothing.
    """
    found = _find(model)
    if found is None:
        return 1
    graph = model.subgraphs[0]
    _, height, width, _ = _shape(model, found.padded)
    graph.operators = [op for op in graph.operators if op is not found.pad and op is not found.cut]
    _rename(graph.operators, {found.padded: found.image, found.whole: found.result})
    if min(found.padded, found.whole) >= len(graph.tensors) - ADDED:
        del graph.tensors[-ADDED:]  # they came last, and nobody reads them any more
    _set_size(model, height, width)
    kept = sizeless_tensors(model)
    shapes = [_shape(model, i) for i in range(len(graph.tensors)) if i not in kept]
    maps = [shape for shape in shapes if len(shape) == 4]
    sides = [max(height // h, width // w, 1) for _, h, w, _ in maps if h * w]
    return math.lcm(*sides)


def add_padding(model: Any, height: int, width: int) -> None:
    """Let `model`, made for a larger image, take one of (height, width), in place."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    image, result = _ends(model)
    n, larger_h, larger_w, channels = _shape(model, image)
    amounts = [[0, 0], [0, larger_h - height], [0, larger_w - width], [0, 0]]
    constants = [
        _constant(model, values) for values in (amounts, [0] * 4, [n, height, width, channels])
    ]
    padded, whole = _twin(graph, image), _twin(graph, result)
    inner = [
        op
        for op in graph.operators
        if image not in links(op.outputs) and result not in links(op.inputs)
    ]
    _rename(inner, {image: padded, result: whole})
    version = 1 if graph.tensors[image].type == schema.TensorType.FLOAT32 else 2
    pad = new_op(model, "PAD", version, [image, constants[0]], padded)
    pad.builtinOptionsType = schema.BuiltinOptions.PadOptions
    pad.builtinOptions = schema.PadOptionsT()
    cut = new_op(model, "SLICE", version, [whole, *constants[1:]], result)
    cut.builtinOptionsType = schema.BuiltinOptions.SliceOptions
    cut.builtinOptions = schema.SliceOptionsT()
    first = next(k for k, op in enumerate(graph.operators) if padded in links(op.inputs))
    graph.operators.insert(first, pad)
    last = max(k for k, op in enumerate(graph.operators) if whole in links(op.outputs))
    graph.operators.insert(last + 1, cut)
    _set_size(model, height, width)


def _find(model: Any) -> _Padding | None:
    graph = model.subgraphs[0]
    image, result = _ends(model)
    ops = [op for op in graph.operators if image in links(op.inputs) or result in links(op.outputs)]
    if [op_name(model, op) for op in ops] != ["PAD", "SLICE"]:
        return None
    pad, cut = ops
    padded, whole = int(pad.outputs[0]), int(cut.inputs[0])
    small, large = _shape(model, image), _shape(model, padded)
    alike = (_shape(model, result), _shape(model, whole)) == (small, large) and len(small) == 4
    begins = [stored_integers(model, pad.inputs[1])[::2], stored_integers(model, cut.inputs[1])]
    if not alike or any(len(begin) != 4 or begin.any() for begin in begins):
        return None
    return _Padding(image, pad, padded, whole, cut, result)


def _ends(model: Any) -> tuple[int, int]:
    """The image and the result, as the ops between a conversion at either end see them."""
    graph = model.subgraphs[0]
    image, result = int(graph.inputs[0]), int(graph.outputs[0])
    readers = [op for op in graph.operators if image in links(op.inputs)]
    makers = [op for op in graph.operators if result in links(op.outputs)]
    if [op_name(model, op) in CONVERSIONS for op in readers] == [True]:
        image = int(readers[0].outputs[0])
    if [op_name(model, op) in CONVERSIONS for op in makers] == [True]:
        result = int(makers[0].inputs[0])
    return image, result


def _set_size(model: Any, height: int, width: int) -> None:
    """Give the ends of the graph, before and behind conversions, an image's size."""
    graph = model.subgraphs[0]
    for i in {*map(int, graph.inputs), *map(int, graph.outputs), *_ends(model)}:
        n, _, _, channels = _shape(model, i)
        tensor = graph.tensors[i]
        tensor.shape = np.array([n, height, width, channels], np.int32)
        if tensor.shapeSignature is not None:
            tensor.shapeSignature = tensor.shape.copy()


def _rename(ops: Collection[Any], names: Mapping[int, int]) -> None:
    for op in ops:
        for ends in (op.inputs, op.outputs):
            if ends is not None:
                ends[:] = [names.get(int(i), int(i)) for i in ends]


def _twin(graph: Any, i: int) -> int:
    """The index of a new tensor like `i`."""
    tensor = copy.copy(graph.tensors[i])
    tensor.name = b""
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _constant(model: Any, values: Any) -> int:
    """The index of a new tensor of these integers."""
    from ai_edge_litert import schema_py_generated as schema

    tensor, buffer = schema.TensorT(), schema.BufferT()
    data = np.array(values, np.int32)
    buffer.data = np.frombuffer(data.tobytes(), np.uint8)
    tensor.shape, tensor.type, tensor.name = np.array(data.shape, np.int32), 2, b""
    tensor.buffer, tensor.hasRank = len(model.buffers), True
    model.buffers.append(buffer)
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def _shape(model: Any, i: int) -> tuple[int, ...]:
    shape = model.subgraphs[0].tensors[i].shape
    return tuple(int(n) for n in (shape if shape is not None else ()))
