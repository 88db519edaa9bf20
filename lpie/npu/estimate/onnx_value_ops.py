"""The other ops that `onnx_graph` writes: arithmetic, activations, reductions, shapes."""

from collections.abc import Mapping

import numpy as np

from lpie.errors import InputError
from lpie.npu.estimate.onnx_graph import TO_CHANNELS_FIRST, TO_CHANNELS_LAST, OnnxGraph
from lpie.npu.estimate.onnx_image_ops import Results, Writer, activated, taken
from lpie.tflite.model import Op

# Where TFLite's axis of an image lies once its channels come first.
AXES = {0: 0, 1: 2, 2: 3, 3: 1}
ARITHMETIC = {
    "ADD": "Add",
    "SUB": "Sub",
    "MUL": "Mul",
    "DIV": "Div",
    "POW": "Pow",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
}
FUNCTIONS = {
    "RELU": "Relu",
    "ELU": "Elu",
    "LOGISTIC": "Sigmoid",
    "TANH": "Tanh",
    "HARD_SWISH": "HardSwish",
    "EXP": "Exp",
    "LOG": "Log",
    "SQRT": "Sqrt",
    "ABS": "Abs",
    "NEG": "Neg",
    "SIN": "Sin",
    "COS": "Cos",
    "SIGN": "Sign",
    "FLOOR": "Floor",
    "CEIL": "Ceil",
    "ROUND": "Round",
}
REDUCTIONS = {
    "MEAN": "ReduceMean",
    "SUM": "ReduceSum",
    "REDUCE_MAX": "ReduceMax",
    "REDUCE_MIN": "ReduceMin",
    "REDUCE_PROD": "ReduceProd",
}


def axis_of(axis: int, rank: int) -> int:
    """TFLite's axis of a tensor of `rank`, as this graph orders it."""
    axis %= rank
    return AXES[axis] if rank == 4 else axis


def channels_last(graph: OnnxGraph, name: str, rank: int) -> str:
    """A value in TFLite's order of dimensions."""
    return graph.node("Transpose", [name], perm=TO_CHANNELS_LAST) if rank == 4 else name


def channels_first(graph: OnnxGraph, name: str, rank: int) -> str:
    """A value in this graph's order of dimensions, from TFLite's."""
    return graph.node("Transpose", [name], perm=TO_CHANNELS_FIRST) if rank == 4 else name


def arithmetic(graph: OnnxGraph, op: Op) -> Results:
    """An op of two operands, the smaller one broadcast."""
    rank = len(op.outputs[0].shape)
    operands = [graph.beside(taken(op, k), rank) for k in range(2)]
    return (activated(graph, graph.node(ARITHMETIC[op.name], operands), op),)


def squared_difference(graph: OnnxGraph, op: Op) -> Results:
    """SQUARED_DIFFERENCE: (a - b)^2."""
    rank = len(op.outputs[0].shape)
    difference = graph.node("Sub", [graph.beside(taken(op, k), rank) for k in range(2)])
    return (graph.node("Mul", [difference, difference]),)


def add_n(graph: OnnxGraph, op: Op) -> Results:
    """ADD_N: the sum of all inputs."""
    return (graph.node("Sum", [graph.value(taken(op, k)) for k in range(len(op.inputs))]),)


def function(graph: OnnxGraph, op: Op) -> Results:
    """A function of one value that ONNX has too."""
    return (graph.node(FUNCTIONS[op.name], [graph.value(taken(op, 0))]),)


def square(graph: OnnxGraph, op: Op) -> Results:
    """SQUARE: x * x."""
    name = graph.value(taken(op, 0))
    return (graph.node("Mul", [name, name]),)


def rsqrt(graph: OnnxGraph, op: Op) -> Results:
    """RSQRT: 1 / sqrt(x)."""
    root = graph.node("Sqrt", [graph.value(taken(op, 0))])
    return (graph.node("Reciprocal", [root]),)


def clipped(low: float, high: float) -> Writer:
    """How an op that clips to [low, high] is written."""

    def write(graph: OnnxGraph, op: Op) -> Results:
        limits = [graph.constant(np.float32(limit)) for limit in (low, high)]
        return (graph.node("Clip", [graph.value(taken(op, 0)), *limits]),)

    return write


def leaky_relu(graph: OnnxGraph, op: Op) -> Results:
    """LEAKY_RELU with its slope."""
    slope = float(op.option("alpha", 0.0))
    return (graph.node("LeakyRelu", [graph.value(taken(op, 0))], alpha=slope),)


def gelu(graph: OnnxGraph, op: Op) -> Results:
    """GELU, exact or by tanh."""
    kind = "tanh" if op.option("approximate", False) else "none"
    return (graph.node("Gelu", [graph.value(taken(op, 0))], approximate=kind),)


def prelu(graph: OnnxGraph, op: Op) -> Results:
    """PRELU, whose slopes are [1, 1, channels] or shorter."""
    image, slopes = taken(op, 0), taken(op, 1)
    name = graph.beside(slopes, len(image.shape))
    if len(image.shape) == 4:  # compilers want it as [channels, 1, 1]
        name = graph.node("Reshape", [name, graph.integers([-1, *_channels_alone(op)])])
    return (graph.node("PRelu", [graph.value(image), name]),)


def _channels_alone(op: Op) -> tuple[int, int]:
    slopes = taken(op, 1).shape
    if any(n != 1 for n in slopes[:-1]):
        raise InputError(f"Op {op.index}, PRELU, must have one slope for each channel.")
    return (1, 1)


def softmax(kind: str) -> Writer:
    """How SOFTMAX and LOG_SOFTMAX over channels are written."""

    def write(graph: OnnxGraph, op: Op) -> Results:
        rank = len(op.outputs[0].shape)
        name = graph.node(kind, [graph.value(taken(op, 0))], axis=axis_of(-1, rank))
        return (name,)

    return write


def concatenation(graph: OnnxGraph, op: Op) -> Results:
    """CONCATENATION along any axis."""
    axis = axis_of(op.options.axis, len(op.outputs[0].shape))
    parts = [graph.value(taken(op, k)) for k in range(len(op.inputs))]
    return (activated(graph, graph.node("Concat", parts, axis=axis), op),)


def split(graph: OnnxGraph, op: Op) -> Results:
    """SPLIT into equal parts; its axis is its first input."""
    (axis,) = taken(op, 0).values
    source, count = taken(op, 1), len(op.outputs)
    axis = axis_of(axis, len(source.shape))
    return graph.nodes("Split", [graph.value(source)], count, axis=axis, num_outputs=count)


def reduction(graph: OnnxGraph, op: Op) -> Results:
    """A mean, sum or extreme over axes."""
    source = taken(op, 0)
    rank, keep = len(source.shape), bool(op.option("keepDims", False))
    axes = [axis % rank for axis in taken(op, 1).values]
    places = graph.integers([axis_of(axis, rank) for axis in axes])
    name = graph.node(REDUCTIONS[op.name], [graph.value(source), places], keepdims=int(keep))
    kept = [axis for axis in (0, 3, 1, 2) if axis not in axes]
    if rank != 4 or keep or kept == sorted(kept):
        return (name,)
    order = [kept.index(axis) for axis in sorted(kept)]
    return (graph.node("Transpose", [name], perm=order),)


def reshaping(graph: OnnxGraph, op: Op) -> Results:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the same values in TFLite's order."""
    source, shape = taken(op, 0), op.outputs[0].shape
    name = graph.value(source)
    if not (len(source.shape) == 4 and source.shape[1:3] == (1, 1)):
        name = channels_last(graph, name, len(source.shape))
    if len(shape) == 4 and shape[1:3] == (1, 1):
        n, _, _, c = shape
        return (graph.node("Reshape", [name, graph.integers([n, c, 1, 1])]),)
    name = graph.node("Reshape", [name, graph.integers(shape)])
    return (channels_first(graph, name, len(shape)),)


def transposition(graph: OnnxGraph, op: Op) -> Results:
    """TRANSPOSE, whose order is a constant."""
    source, order = taken(op, 0), taken(op, 1).values
    name = channels_last(graph, graph.value(source), len(source.shape))
    name = graph.node("Transpose", [name], perm=order)
    return (channels_first(graph, name, len(source.shape)),)


def matrix_product(graph: OnnxGraph, op: Op) -> Results:
    """BATCH_MATMUL, with either operand turned."""
    names = []
    for k, turned in enumerate((op.option("adjX", False), op.option("adjY", False))):
        rank = len(taken(op, k).shape)
        name = channels_last(graph, graph.value(taken(op, k)), rank)
        if turned:
            order = [*range(rank - 2), rank - 1, rank - 2]
            name = graph.node("Transpose", [name], perm=order)
        names.append(name)
    product = graph.node("MatMul", names)
    return (channels_first(graph, product, len(op.outputs[0].shape)),)


def slicing(graph: OnnxGraph, op: Op) -> Results:
    """SLICE: a box that begins at its second input and has the size of its third."""
    source, starts = taken(op, 0), taken(op, 1).values
    ends = [start + n for start, n in zip(starts, op.outputs[0].shape, strict=True)]
    return _sliced(graph, op, list(starts), ends, [1] * len(source.shape))


def strided_slicing(graph: OnnxGraph, op: Op) -> Results:
    """STRIDED_SLICE without new or dropped dimensions."""
    if op.option("newAxisMask", 0) or op.option("shrinkAxisMask", 0) or op.option("ellipsisMask"):
        raise InputError(
            f"{graph.model.name}: op {op.index}, STRIDED_SLICE, adds or drops dimensions, which "
            "lpie cannot write as ONNX."
        )
    shape = taken(op, 0).shape
    starts, ends, steps = (list(taken(op, k).values) for k in (1, 2, 3))
    for k, length in enumerate(shape):
        if op.option("beginMask", 0) >> k & 1:
            starts[k] = 0 if steps[k] > 0 else length - 1
        if op.option("endMask", 0) >> k & 1:
            ends[k] = length if steps[k] > 0 else -length - 1
    return _sliced(graph, op, starts, ends, steps)


def _sliced(
    graph: OnnxGraph, op: Op, starts: list[int], ends: list[int], steps: list[int]
) -> Results:
    source = taken(op, 0)
    axes = [axis_of(k, len(source.shape)) for k in range(len(source.shape))]
    numbers = [graph.integers(values) for values in (starts, ends, axes, steps)]
    return (graph.node("Slice", [graph.value(source), *numbers]),)


def same(graph: OnnxGraph, op: Op) -> Results:
    """QUANTIZE and DEQUANTIZE: the value stays, its rounding follows from the output's scale."""
    return (graph.value(taken(op, 0)),)


VALUE_OPS: Mapping[str, Writer] = {
    **dict.fromkeys(ARITHMETIC, arithmetic),
    **dict.fromkeys(FUNCTIONS, function),
    **dict.fromkeys(REDUCTIONS, reduction),
    "SQUARED_DIFFERENCE": squared_difference,
    "ADD_N": add_n,
    "SQUARE": square,
    "RSQRT": rsqrt,
    "RELU6": clipped(0.0, 6.0),
    "RELU_N1_TO_1": clipped(-1.0, 1.0),
    "LEAKY_RELU": leaky_relu,
    "GELU": gelu,
    "PRELU": prelu,
    "SOFTMAX": softmax("Softmax"),
    "LOG_SOFTMAX": softmax("LogSoftmax"),
    "CONCATENATION": concatenation,
    "SPLIT": split,
    "RESHAPE": reshaping,
    "SQUEEZE": reshaping,
    "EXPAND_DIMS": reshaping,
    "TRANSPOSE": transposition,
    "BATCH_MATMUL": matrix_product,
    "SLICE": slicing,
    "STRIDED_SLICE": strided_slicing,
    "QUANTIZE": same,
    "DEQUANTIZE": same,
}
