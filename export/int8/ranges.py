"""Narrower ranges for the activations of an int8 file.

TensorFlow's converter spans each tensor from the least to the largest value it saw, so a few strong
edges make every step coarse. Here each range is the one that errs least in the mean square (Nagel
et al., 2021, arXiv:2106.08295, section 3.1).
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lpie.image.image import to_uint8
from lpie.tflite.edit import TfliteEditor
from lpie.tflite.interpreter import observable
from lpie.tflite.scales import Scale, best_scale, identity, to_scale

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# Ops whose inputs and outputs each have a range of their own.
FREE = (*WEIGHTED, "ADD", "SUB", "MUL", "ELU", "QUANTIZE", "DEQUANTIZE")
# Those whose results matter, not what goes in: what lies far out changes nothing.
FUNCTIONS: dict[str, Callable[[NDArray], NDArray]] = {
    "ELU": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "LOGISTIC": lambda x: 1 / (1 + np.exp(-x)),
}

# Of a convolution's steps, input times kernel to output; XNNPACK refuses 256.
MOST_RATIO = 128


def narrow(model: TfliteEditor, tiles: Sequence[NDArray[np.float32]]) -> None:
    """Choose new ranges for an int8 `model` that takes and returns uint8, in place; weights stay.

    tiles: [H, W, 3] at the model's size. Tensors that an op only moves about keep one range, and
    other ops that want certain ranges keep theirs. The output, an image, spans [0, 1].
    """
    apply_scales(model, find_scales(model, tiles))


def find_scales(model: TfliteEditor, tiles: Sequence[NDArray[np.float32]]) -> dict[int, Scale]:
    """The scales that `narrow` chooses, by tensor."""
    graph = model.graph
    old = activations(model)
    counts = _histograms(model, old, tiles)
    before_end = {int(op.inputs[0]) for op in graph.operators if op.outputs[0] in graph.outputs}
    new: dict[int, Scale] = {}
    groups = _groups(model, old)
    for group in groups:
        together = np.sum([counts[i] for i in group], axis=0)
        is_output = not before_end.isdisjoint(group)
        function = _readers_function(model, group)
        best = best_scale(together, old[group[0]], function)
        new.update(dict.fromkeys(group, to_scale(0.0, 1.0) if is_output else best))
    least = _least_steps(model, {**old, **new})
    for group in groups:
        step, zero = new[group[0]]
        widest = max(step, *(least.get(i, 0.0) for i in group))
        new.update(dict.fromkeys(group, (widest, zero)))
    return new


def apply_scales(model: TfliteEditor, scales: dict[int, Scale]) -> None:
    """Give the int8 tensors of `model` these scales, in place, and biases what follows."""
    graph, old = model.graph, activations(model)
    for op in graph.operators:
        if model.op_name(op) in WEIGHTED and op.inputs[0] in scales:
            ratio = scales[op.inputs[0]][0] / old[op.inputs[0]][0]
            for bias in model.inputs(op)[2:]:
                _rescale(model, bias, ratio)
        if op.outputs[0] in graph.outputs:  # the same levels as uint8
            step, zero = scales.get(int(op.inputs[0]), to_scale(0.0, 1.0))
            model.set_scale(op.outputs[0], (step, zero + 128))
    for i, scale in scales.items():
        model.set_scale(i, scale)


def _least_steps(model: TfliteEditor, scales: dict[int, Scale]) -> dict[int, float]:
    """The least step of each convolution's output that XNNPACK takes.

    Only units that never fire have a smaller one: their range is nothing but zero.
    """
    graph, steps = model.graph, {}
    for op in graph.operators:
        if model.op_name(op) in WEIGHTED and op.inputs[0] in scales:
            kernel = graph.tensors[op.inputs[1]].quantization.scale
            steps[int(op.outputs[0])] = scales[op.inputs[0]][0] * float(max(kernel)) / MOST_RATIO
    return steps


def activations(model: TfliteEditor) -> dict[int, Scale]:
    """The scale of every int8 tensor that is computed while the model runs."""
    tensors = range(len(model.graph.tensors))
    wanted = [i for i in tensors if model.dtype(i) == "int8" and not model.is_constant(i)]
    return {i: scale for i in wanted if (scale := model.scale(i)) is not None}


def _groups(model: TfliteEditor, scales: dict[int, Scale]) -> list[list[int]]:
    """Tensors that must keep one scale, together; none of those whose scale cannot change."""
    graph = model.graph
    group = {i: {i} for i in scales}
    fixed = set()
    for op in graph.operators:
        tensors = [i for i in (*model.inputs(op), *model.outputs(op)) if i in scales]
        if model.op_name(op) in FREE:
            fixed.update(tensors if op.inputs[0] in graph.inputs else [])
        elif len({scales[i] for i in tensors}) > 1:
            fixed.update(tensors)
        else:
            together = set().union(*(group[i] for i in tensors))
            group.update(dict.fromkeys(together, together))
    distinct = {id(members): sorted(members) for members in group.values()}
    return [members for members in distinct.values() if fixed.isdisjoint(members)]


def _readers_function(model: TfliteEditor, tensors: Sequence[int]) -> Callable[[NDArray], NDArray]:
    """What the one kind of op that reads `tensors` computes; else the values themselves."""
    readers = [op for op in model.graph.operators if not {*op.inputs}.isdisjoint(tensors)]
    kinds = {model.op_name(op) for op in readers}
    return FUNCTIONS[kinds.pop()] if len(kinds) == 1 and kinds <= {*FUNCTIONS} else identity


def _histograms(
    model: TfliteEditor, tensors: Iterable[int], tiles: Sequence[NDArray[np.float32]]
) -> dict[int, NDArray[np.int64]]:
    """How often each level from -128 to 127 occurs in the int8 `tensors`: [tiles, 256] each."""
    interpreter = observable(model.view())
    counts = {i: np.zeros((len(tiles), 256), np.int64) for i in tensors}
    for t, tile in enumerate(tiles):
        interpreter.set_tensor(model.graph.inputs[0], to_uint8(tile)[None])
        interpreter.invoke()
        for i, count in counts.items():
            levels = interpreter.get_tensor(i).view(np.uint8).ravel()
            count[t] = np.roll(np.bincount(levels, minlength=256), 128)
    return counts


def _rescale(model: TfliteEditor, bias: int, ratio: float) -> None:
    """The same int32 `bias` in steps that are `ratio` times as large."""
    levels = model.int32_values(bias)
    model.replace_values(bias, np.rint(levels / ratio).astype(np.int32))
    quantization = model.graph.tensors[bias].quantization
    quantization.scale = np.asarray(quantization.scale, np.float32) * np.float32(ratio)
