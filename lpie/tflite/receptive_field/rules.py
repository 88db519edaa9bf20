"""What each op of TFLite does to a `Map`: one line an op, functions below by kind."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.tflite.model import Op
from lpie.tflite.receptive_field import filters, moves
from lpie.tflite.receptive_field.dependence import Map, known_numbers, places, together

# (op, the maps that it reads, lines of the image) to the maps that it writes. A rule may raise
# ValueError, TypeError, IndexError or KeyError for an op that it cannot follow.
Rule = Callable[[Op, Sequence[Map], int], list[Map]]
NUMPY: dict[str, Callable[..., NDArray[Any]]] = {
    "ADD": np.add,
    "DIV": np.floor_divide,
    "FLOOR_DIV": np.floor_divide,
    "FLOOR_MOD": np.mod,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "MUL": np.multiply,
    "NEG": np.negative,
    "SUB": np.subtract,
}


def follow(op: Op, maps: Sequence[Map], lines: int) -> list[Map] | None:
    """What `op` makes of `maps`; None for an op without a rule."""
    rule = RULES.get(op.name)
    return None if rule is None else rule(op, maps, lines)


def _elementwise(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    result = together(maps)
    known = [m.numbers for m in maps if m.numbers is not None]
    if op.name in NUMPY and len(known) == len(maps):
        return [Map(result.shape, numbers=NUMPY[op.name](*known))]
    return [result]


def _cast(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    return [maps[0]]


def _over_channels(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    return [maps[0].alike_along(len(maps[0].shape) - 1)]


def _reduce(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    source, axes = maps[0], known_numbers(maps[1])
    result = source.merged(axes, keep=bool(op.option("keepDims")))
    if source.numbers is not None and op.name == "REDUCE_PROD":
        product = np.prod(source.numbers, axis=tuple(axes), keepdims=bool(op.option("keepDims")))
        return [Map(result.shape, numbers=np.asarray(product))]
    return [result]


def _largest(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    return [maps[0].merged(known_numbers(maps[1]), keep=False)]


def _running_sum(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    (axis,) = known_numbers(maps[1])
    return [maps[0].alike_along(axis % len(maps[0].shape))]


def _matrix_product(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    rows, columns = maps
    if op.option("adjX"):
        last = len(rows.shape) - 1
        rows = rows.transposed([*range(last - 1), last, last - 1])
    if op.option("adjY"):
        last = len(columns.shape) - 1
        columns = columns.transposed([*range(last - 1), last, last - 1])
    return [together([rows.merged([-1]), columns.merged([-2])])]


def _fully_connected(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    source, (units, width) = maps[0], maps[1].shape
    if not op.option("keepNumDims"):
        source = source.reshaped([-1, width])
    result = source.merged([-1])
    return [Map((*result.shape[:-1], units), result.facts)]


def _shape(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    numbers = np.array(maps[0].shape, np.int64)
    return [Map(numbers.shape, numbers=numbers)]


def _fill(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    return [Map(tuple(known_numbers(maps[0])))]


def _range(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    (start,), (end,), (step,) = (known_numbers(m) for m in maps)
    numbers = places(start, end, step)
    return [Map(numbers.shape, numbers=numbers)]


# Ops that work on each place alone, with broadcasting.
ELEMENTWISE = frozenset(
    [
        "ABS",
        "ADD",
        "ADD_N",
        "ATAN2",
        "BITWISE_XOR",
        "CEIL",
        "COS",
        "DEQUANTIZE",
        "DIV",
        "ELU",
        "EQUAL",
        "EXP",
        "FLOOR",
        "FLOOR_DIV",
        "FLOOR_MOD",
        "GELU",
        "GREATER",
        "GREATER_EQUAL",
        "HARD_SWISH",
        "LEAKY_RELU",
        "LESS",
        "LESS_EQUAL",
        "LOG",
        "LOGICAL_AND",
        "LOGICAL_NOT",
        "LOGICAL_OR",
        "LOGISTIC",
        "MAXIMUM",
        "MINIMUM",
        "MUL",
        "NEG",
        "NOT_EQUAL",
        "POW",
        "PRELU",
        "QUANTIZE",
        "RELU",
        "RELU6",
        "RELU_0_TO_1",
        "RELU_N1_TO_1",
        "RIGHT_SHIFT",
        "ROUND",
        "RSQRT",
        "SELECT",
        "SELECT_V2",
        "SIGN",
        "SIN",
        "SQRT",
        "SQUARE",
        "SQUARED_DIFFERENCE",
        "SUB",
        "TANH",
        "ZEROS_LIKE",
    ]
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    "ARG_MAX": _largest,
    "ARG_MIN": _largest,
    "AVERAGE_POOL_2D": filters.pool,
    "BATCH_MATMUL": _matrix_product,
    "BATCH_TO_SPACE_ND": moves.batch_to_space,
    "BROADCAST_TO": moves.broadcast,
    "CAST": _cast,
    "CONCATENATION": moves.concatenate,
    "CONV_2D": filters.convolve,
    "CUMSUM": _running_sum,
    "DEPTHWISE_CONV_2D": filters.convolve,
    "DEPTH_TO_SPACE": moves.depth_to_space,
    "EXPAND_DIMS": moves.expand,
    "FILL": _fill,
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": moves.gather,
    "L2_NORMALIZATION": _over_channels,
    "L2_POOL_2D": filters.pool,
    "LOCAL_RESPONSE_NORMALIZATION": _over_channels,
    "LOG_SOFTMAX": _over_channels,
    "MAX_POOL_2D": filters.pool,
    "MEAN": _reduce,
    "MIRROR_PAD": filters.pad,
    "PACK": moves.pack,
    "PAD": filters.pad,
    "PADV2": filters.pad,
    "RANGE": _range,
    "REDUCE_ALL": _reduce,
    "REDUCE_ANY": _reduce,
    "REDUCE_MAX": _reduce,
    "REDUCE_MIN": _reduce,
    "REDUCE_PROD": _reduce,
    "RESHAPE": moves.reshape,
    "RESIZE_BILINEAR": filters.resize,
    "RESIZE_NEAREST_NEIGHBOR": filters.resize,
    "REVERSE_V2": moves.reverse,
    "SHAPE": _shape,
    "SLICE": moves.sliced,
    "SOFTMAX": _over_channels,
    "SPACE_TO_BATCH_ND": moves.space_to_batch,
    "SPACE_TO_DEPTH": moves.space_to_depth,
    "SPLIT": moves.split,
    "SPLIT_V": moves.split_unevenly,
    "SQUEEZE": moves.squeeze,
    "STRIDED_SLICE": moves.strided_slice,
    "SUM": _reduce,
    "TILE": moves.tile,
    "TRANSPOSE": moves.transpose,
    "TRANSPOSE_CONV": filters.transposed_conv,
    "UNPACK": moves.unpack,
}
