"""A `.tflite` for images of another size."""

from fractions import Fraction
from typing import Any

import numpy as np

from lpie.errors import InputError
from lpie.tflite.graph_padding import add_padding, padding, remove_padding
from lpie.tflite.model import (
    image_size,
    links,
    op_name,
    parse_tflite,
    schema_of,
    serialise,
    sizeless_tensors,
)

# Ops that hold a size in ways that are not rewritten here.
SIZED = ("BATCH_MATMUL", "CUMSUM", "GATHER", "RESHAPE", "SLICE", "STRIDED_SLICE")
# Which input of an op is its target size, and where in it (height, width) stand.
TARGETS = {"RESIZE_BILINEAR": (1, 0), "RESIZE_NEAREST_NEIGHBOR": (1, 0), "TRANSPOSE_CONV": (0, 1)}


def resize(model: Any, height: int, width: int, multiple: int = 1) -> None:
    """Rewrite a fully convolutional `model` for another image size, in place.

    Maps scale with the image; weights do not change. The only constants that hold a size are the
    targets of RESIZE ops and of TRANSPOSE_CONV. Means over the whole map, and what is made of them
    alone, have no size. Exact: the result is what the converter makes for that size. Of a model of
    several sizes the first is rewritten, and the others are dropped.

    multiple: an image whose sides are no multiple of it gets zeros at the bottom and right inside,
    which are cut off the result again. A model that does so already goes on doing it.
    """
    model = schema_of(model)
    model.subgraphs = model.subgraphs[:1]
    model.signatureDefs = [s for s in model.signatureDefs or [] if s.subgraphIndex == 0]
    if image_size(model) == (height, width):
        return
    multiple = max(multiple, remove_padding(model))
    padded = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    _scale(model, *padded)
    if padded != (height, width):
        add_padding(model, height, width)


def resized(data: bytes, height: int, width: int) -> bytes:
    """The model in `data` for images of another size (see `resize`)."""
    model = parse_tflite(data)
    if image_size(model) == (height, width):
        return data
    resize(model, height, width)
    return serialise(model)


def tile_sized(data: bytes) -> bytes:
    """The model in `data` for 256x256 px, or as it is where it knows its own size alone.

    What it adds to its image counts, so that the ops are the same.
    """
    model = parse_tflite(data)
    bottom, right = padding(model)
    try:
        resize(model, 256 - bottom, 256 - right)
    except InputError:
        return data
    return serialise(model)


def _scale(model: Any, height: int, width: int) -> None:
    """Let every map of `model` scale with its image."""
    graph = model.subgraphs[0]
    old_h, old_w = image_size(model)
    scale = (Fraction(height, old_h), Fraction(width, old_w))
    kept = sizeless_tensors(model)
    fixed = {
        op_name(model, op)
        for op in graph.operators
        if op_name(model, op) in SIZED and not kept.issuperset(links(op.outputs))
    }
    if fixed and (height, width) != (old_h, old_w):
        names = ", ".join(sorted(fixed))
        raise InputError(f"The model's size is part of it: it has {names} made for that size.")
    for i, tensor in enumerate(graph.tensors):
        if i in kept or tensor.shape is None or len(tensor.shape) != 4:
            continue
        n, h, w, c = (int(x) for x in tensor.shape)
        tensor.shape = np.array([n, *_scaled((h, w), scale), c], np.int32)
        if tensor.shapeSignature is not None and len(tensor.shapeSignature) == 4:
            tensor.shapeSignature = tensor.shape.copy()
    done = set()
    for op in graph.operators:
        if op_name(model, op) not in TARGETS:
            continue
        at, first = TARGETS[op_name(model, op)]
        buffer = model.buffers[graph.tensors[op.inputs[at]].buffer]
        if id(buffer) in done:
            continue
        target = np.frombuffer(bytes(buffer.data), np.int32).copy()
        h, w = (int(n) for n in target[first : first + 2])
        target[first : first + 2] = _scaled((h, w), scale)
        buffer.data = np.frombuffer(target.tobytes(), np.uint8)
        done.add(id(buffer))


def _scaled(size: tuple[int, int], scale: tuple[Fraction, Fraction]) -> tuple[int, int]:
    new = [length * factor for length, factor in zip(size, scale, strict=True)]
    if any(length.denominator != 1 for length in new):
        raise InputError(
            "The model cannot take that size: a map inside would have a fraction of a pixel "
            f"({float(new[1])} x {float(new[0])})."
        )
    return int(new[0]), int(new[1])
