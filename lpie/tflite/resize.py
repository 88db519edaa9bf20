"""A `.tflite` for images of another size, and the zeros that it may add to its image for that."""

import math
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from lpie.errors import InputError
from lpie.size import Size
from lpie.tflite.edit import TfliteEditor
from lpie.tflite.model import CONVERSIONS, TfliteModel

# Ops that hold a size in ways that are not rewritten here.
SIZED = ("BATCH_MATMUL", "CUMSUM", "GATHER", "RESHAPE", "SLICE", "STRIDED_SLICE")
# Which input of an op is its target size, and where in it (height, width) stand.
TARGETS = {"RESIZE_BILINEAR": (1, 0), "RESIZE_NEAREST_NEIGHBOR": (1, 0), "TRANSPOSE_CONV": (0, 1)}
# Tensors that `_add_padding` adds: three constants, the padded image and the uncut result.
ADDED = 5
TILE = Size(256, 256)


class FixedSizeError(InputError):
    """A model whose size is part of it."""


def resize(model: TfliteEditor, size: Size, *, multiple: int = 1) -> None:
    """Rewrite a fully convolutional `model` for images of another size, in place.

    Maps scale with the image; weights do not change. The only constants that hold a size are the
    targets of RESIZE ops and of TRANSPOSE_CONV. Means over the whole map, and what is computed from
    them alone, have no size. Exact: the result is what the converter makes for that size. Of a
    model of several sizes the first is rewritten, and the others are dropped.

    multiple: an image whose sides are no multiple of it gets zeros at the bottom and right inside,
    which are cut off the result again. A model that does so already goes on doing it.
    """
    schema = model.schema
    schema.subgraphs = schema.subgraphs[:1]
    schema.signatureDefs = [s for s in schema.signatureDefs or [] if s.subgraphIndex == 0]
    if model.view().inputs[0].dynamic:
        _close(model, size)
        return
    if _image(model) == size:
        return
    multiple = max(multiple, _remove_padding(model))
    padded = size.rounded_up(multiple)
    _scale(model, padded)
    if padded != size:
        _add_padding(model, size)


def _close(model: TfliteEditor, size: Size) -> None:
    """Let `model`, a file of any size, take images of `size` alone."""
    from lpie.tflite.receptive_field.walk import shapes_of

    for i, shape in shapes_of(model.view(), size).items():
        model.set_shape(i, shape)


def _image(model: TfliteEditor) -> Size:
    """The size of the image that `model` takes."""
    shapes = [model.shape(int(i)) for i in (*model.graph.inputs, *model.graph.outputs)]
    if len(shapes) != 2 or any(len(shape) != 4 for shape in shapes) or min(shapes[0]) < 1:
        raise InputError(
            f"{model.name} cannot be resized: it must take one [1, H, W, C] image and return one. "
            f"Its inputs and outputs have the shapes {[list(shape) for shape in shapes]}."
        )
    return Size(*shapes[0][1:3])


def tile_sized(model: TfliteModel) -> TfliteModel:
    """`model` for 256x256 px, or as it is where it knows its own size alone.

    What it adds to its image counts, so that the ops are the same.
    """
    bottom, right = padding(model.edit())
    try:
        return model.resized(Size(TILE.height - bottom, TILE.width - right))
    except InputError:
        return model


def padding(model: TfliteEditor) -> tuple[int, int]:
    """How many rows at the bottom and columns at the right `model` adds to its image."""
    ends = _find_padding(model)
    if ends is None:
        return 0, 0
    (_, h, w, _), (_, larger_h, larger_w, _) = (model.shape(i) for i in (ends.image, ends.padded))
    return larger_h - h, larger_w - w


def has_own_size(model: TfliteModel) -> bool:
    """Whether ops of `model` hold its size in ways that are not rewritten here."""
    if not _sized(model):
        return False
    editor = model.edit()
    _remove_padding(editor)  # whose cut of the result is one of them
    return _sized(editor.view())


def _sized(model: TfliteModel) -> bool:
    sized = [op for op in model.ops if op.name in SIZED]
    return any(tensor.index not in model.sizeless for op in sized for tensor in op.outputs)


def _scale(model: TfliteEditor, size: Size) -> None:
    """Let every map of `model` scale with its image."""
    graph, old = model.graph, _image(model)
    scale = (Fraction(size.height, old.height), Fraction(size.width, old.width))
    sizeless = model.view().sizeless
    fixed = {
        model.op_name(op)
        for op in graph.operators
        if model.op_name(op) in SIZED and not sizeless.issuperset(model.outputs(op))
    }
    if fixed and size != old:
        names = ", ".join(sorted(fixed))
        raise FixedSizeError(f"The model's size is part of it: it has {names} made for that size.")
    for i in range(len(graph.tensors)):
        if i not in sizeless and len(shape := model.shape(i)) == 4:
            n, h, w, c = shape
            model.set_shape(i, (n, *_scaled((h, w), scale), c))
    _scale_targets(model, scale)


def _scale_targets(model: TfliteEditor, scale: tuple[Fraction, Fraction]) -> None:
    """Scale the constants that hold the size of an op's output; several ops may share one."""
    done = set()
    for op in model.graph.operators:
        if model.op_name(op) not in TARGETS:
            continue
        at, first = TARGETS[model.op_name(op)]
        buffer = model.schema.buffers[model.graph.tensors[op.inputs[at]].buffer]
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


class _Padding(NamedTuple):
    """Tensors and ops: `pad` turns `image` into `padded`, `cut` turns `whole` into `result`."""

    image: int
    pad: Any
    padded: int
    whole: int
    cut: Any
    result: int


def _remove_padding(model: TfliteEditor) -> int:
    """Let `model` take the padded image itself; returns what that image's sides are multiples of.

    That is the padded image's side over the smallest map's, or 1 for a model that adds nothing.
    """
    ends = _find_padding(model)
    if ends is None:
        return 1
    graph, scale = model.graph, _scale_of(model, ends.image, ends.result) or 1
    _, height, width, _ = model.shape(ends.padded)
    graph.operators = [op for op in graph.operators if op is not ends.pad and op is not ends.cut]
    _rename(graph.operators, {ends.padded: ends.image, ends.whole: ends.result})
    if min(ends.padded, ends.whole) >= len(graph.tensors) - ADDED:
        del graph.tensors[-ADDED:]  # they came last, and nobody reads them any more
    _set_size(model, Size(height, width), scale)
    view = model.view()
    maps = [t.shape for t in view.tensors if len(t.shape) == 4 and t.index not in view.sizeless]
    sides = [max(height // h, width // w, 1) for _, h, w, _ in maps if h * w]
    return math.lcm(*sides)


def _add_padding(model: TfliteEditor, size: Size) -> None:
    """Let `model`, made for a larger image, take one of `size`."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.graph
    image, result = _ends(model)
    n, larger_h, larger_w, _ = model.shape(image)
    scale, channels = model.shape(result)[1] // larger_h, model.shape(result)[3]
    amounts = [[0, 0], [0, larger_h - size.height], [0, larger_w - size.width], [0, 0]]
    kept = [n, scale * size.height, scale * size.width, channels]
    constants = [model.new_constant(v) for v in (amounts, [0] * 4, kept)]
    padded, whole = model.new_twin(image), model.new_twin(result)
    inner = [
        op
        for op in graph.operators
        if image not in model.outputs(op) and result not in model.inputs(op)
    ]
    _rename(inner, {image: padded, result: whole})
    version = 1 if model.dtype(image) == "float32" else 2
    pad = model.new_op("PAD", version, [image, constants[0]], padded)
    pad.builtinOptionsType = schema.BuiltinOptions.PadOptions
    pad.builtinOptions = schema.PadOptionsT()
    cut = model.new_op("SLICE", version, [whole, *constants[1:]], result)
    cut.builtinOptionsType = schema.BuiltinOptions.SliceOptions
    cut.builtinOptions = schema.SliceOptionsT()
    first = next(k for k, op in enumerate(graph.operators) if padded in model.inputs(op))
    graph.operators.insert(first, pad)
    last = max(k for k, op in enumerate(graph.operators) if whole in model.outputs(op))
    graph.operators.insert(last + 1, cut)
    _set_size(model, size, scale)


def _find_padding(model: TfliteEditor) -> _Padding | None:
    image, result = _ends(model)
    ops = [
        op
        for op in model.graph.operators
        if image in model.inputs(op) or result in model.outputs(op)
    ]
    if [model.op_name(op) for op in ops] != ["PAD", "SLICE"]:
        return None
    pad, cut = ops
    padded, whole = int(pad.outputs[0]), int(cut.inputs[0])
    scale = _scale_of(model, image, result)
    alike = scale is not None and scale == _scale_of(model, padded, whole)
    begins = [model.int32_values(pad.inputs[1])[::2], model.int32_values(cut.inputs[1])]
    if not alike or any(len(begin) != 4 or begin.any() for begin in begins):
        return None
    return _Padding(image, pad, padded, whole, cut, result)


def _scale_of(model: TfliteEditor, image: int, result: int) -> int | None:
    """How many times as large as `image` the tensor `result` is, None for no whole number."""
    small, large = model.shape(image), model.shape(result)
    if len(small) != 4 or len(large) != 4 or min(small) < 1:
        return None
    scale = large[1] // small[1]
    return scale if large[1:3] == (scale * small[1], scale * small[2]) and scale else None


def _ends(model: TfliteEditor) -> tuple[int, int]:
    """The image and the result, as the ops between a conversion at either end see them."""
    graph = model.graph
    image, result = int(graph.inputs[0]), int(graph.outputs[0])
    readers = [op for op in graph.operators if image in model.inputs(op)]
    writers = [op for op in graph.operators if result in model.outputs(op)]
    if [model.op_name(op) in CONVERSIONS for op in readers] == [True]:
        image = int(readers[0].outputs[0])
    if [model.op_name(op) in CONVERSIONS for op in writers] == [True]:
        result = int(writers[0].inputs[0])
    return image, result


def _set_size(model: TfliteEditor, size: Size, scale: int) -> None:
    """Give the ends of the graph, before and behind conversions, the size of an image of `size`
    and of a result that is `scale` times as large."""
    image, result = _ends(model)
    for ends, factor in (
        ({int(model.graph.inputs[0]), image}, 1),
        ({int(model.graph.outputs[0]), result}, scale),
    ):
        for i in ends:
            n, _, _, channels = model.shape(i)
            model.set_shape(i, (n, size.height * factor, size.width * factor, channels))


def _rename(ops: Collection[Any], names: Mapping[int, int]) -> None:
    for op in ops:
        for ends in (op.inputs, op.outputs):
            if ends is not None:
                ends[:] = [names.get(int(i), int(i)) for i in ends]
