"""The facts of functions of `keras.ops` between the layers of a network.

They have neither weights nor a part in equalization. Their classes, which are not public, are known
by name; what they were called with stands in their attributes and arguments.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lpie.backend import keras
from lpie.models.graph.facts import LayerFacts
from lpie.models.graph.reach import (
    Reach,
    UnknownReach,
    cropped,
    enlarged,
    pair,
    resampled,
    spread,
    window,
)

# (operation, its arguments, the reach of what it reads) to the reach of what it returns.
Rule = Callable[[keras.Operation, Sequence[Any], Reach], Reach | None]

ELEMENTWISE = [
    "Abs",
    "Absolute",
    "Add",
    "Arccos",
    "Arccosh",
    "Arcsin",
    "Arcsinh",
    "Arctan",
    "Arctan2",
    "Arctanh",
    "BatchNorm",
    "BroadcastTo",
    "Cast",
    "Cbrt",
    "Ceil",
    "Celu",
    "Clip",
    "ConvertToTensor",
    "Copy",
    "Cos",
    "Cosh",
    "Divide",
    "DivideNoNan",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Exp2",
    "Expm1",
    "Floor",
    "FloorDivide",
    "Fmax",
    "Fmin",
    "Fmod",
    "Gelu",
    "Greater",
    "GreaterEqual",
    "HardShrink",
    "HardSigmoid",
    "HardSilu",
    "HardTanh",
    "Hypot",
    "Isfinite",
    "Isinf",
    "Isnan",
    "LeakyRelu",
    "Less",
    "LessEqual",
    "Log",
    "Log10",
    "Log1p",
    "Log2",
    "LogSigmoid",
    "Logaddexp",
    "LogicalAnd",
    "LogicalNot",
    "LogicalOr",
    "LogicalXor",
    "Maximum",
    "Minimum",
    "Mod",
    "Multiply",
    "NanToNum",
    "Negative",
    "NotEqual",
    "OnesLike",
    "Power",
    "Reciprocal",
    "Relu",
    "Relu6",
    "Round",
    "Rsqrt",
    "SaturateCast",
    "Selu",
    "Sigmoid",
    "Sign",
    "Silu",
    "Sin",
    "Sinh",
    "SoftShrink",
    "Softplus",
    "Softsign",
    "SparsePlus",
    "SparseSigmoid",
    "Sqrt",
    "Square",
    "Squareplus",
    "StopGradient",
    "Subtract",
    "Tan",
    "Tanh",
    "TanhShrink",
    "Threshold",
    "TrueDivide",
    "Trunc",
    "Where",
    "ZerosLike",
]
REDUCTIONS = [
    "Amax",
    "Amin",
    "Average",
    "Logsumexp",
    "Max",
    "Mean",
    "Median",
    "Min",
    "Prod",
    "Std",
    "Sum",
    "Var",
]
# Those that compute along an axis and keep it.
ALONG_AXIS = [
    "Glu",
    "LayerNorm",
    "LogSoftmax",
    "Normalize",
    "RMSNorm",
    "Softmax",
    "Split",
    "Unstack",
]


def operation_facts(operation: keras.Operation, arguments: Sequence[Any]) -> LayerFacts | None:
    """What is known of a function that is called with `arguments`."""
    rule = RULES.get(type(operation).__name__)
    if rule is None:
        return None
    placed = any(_differs_by_place(argument) for argument in arguments)
    return LayerFacts(
        reach=lambda its, source: rule(its, arguments, source),
        local=not placed,
        any_size=not placed and type(operation).__name__ not in OF_ONE_SIZE,
    )


def _differs_by_place(argument: Any) -> bool:
    """Whether it is a constant of several rows or columns, which lie at a place in the image."""
    shape = () if isinstance(argument, keras.KerasTensor) else getattr(argument, "shape", ())
    return any(n != 1 for n in tuple(shape)[-3:-1]) and len(shape) > 2


def _elementwise(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    return source


def _axes(operation: keras.Operation, rank: int = 4) -> set[int]:
    """The axes that a function computes along."""
    axis = getattr(operation, "axis", None)
    if axis is None:
        return set(range(rank))
    return {one % rank for one in (axis if isinstance(axis, list | tuple) else [axis])}


def _rank(arguments: Sequence[Any]) -> int:
    first = keras.tree.flatten(arguments)
    return len(first[0].shape) if first and hasattr(first[0], "shape") else 4


def _along_axis(
    operation: keras.Operation, arguments: Sequence[Any], source: Reach
) -> Reach | None:
    """Of one pixel where the axis is that of the channels, else of the whole map."""
    return source if _axes(operation, _rank(arguments)) <= {3} else None


def _joined(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    if not _axes(operation) <= {3}:
        raise UnknownReach
    return source


def _last_axis(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    """A last axis that comes or goes."""
    if operation.axis not in (-1, 3, (3,), (-1,), [3], [-1]):
        raise UnknownReach
    return source


def _shuffled(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    _check_order(operation)
    return enlarged(operation.block_size, source)


def _unshuffled(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    _check_order(operation)
    return window(source, size=operation.block_size, step=operation.block_size)


def _pooled(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    _check_order(operation)
    size, step = pair(operation.pool_size), pair(operation.strides or operation.pool_size)
    k = source.axis
    return window(source, size=size[k], step=step[k], padding=operation.padding)


def _convolved(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    return _filtered(window, operation, arguments, source)


def _transposed(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    if operation.output_padding is not None:
        raise UnknownReach
    return _filtered(spread, operation, arguments, source)


def _filtered(
    rule: Callable[..., Reach], operation: keras.Operation, arguments: Sequence[Any], source: Reach
) -> Reach:
    """The reach of a convolution by the kernel in `arguments`, [h, w, C, ...]."""
    _check_order(operation)
    if len(arguments) < 2 or isinstance(arguments[1], keras.KerasTensor):
        raise UnknownReach
    k = source.axis
    return rule(
        source,
        size=arguments[1].shape[k],
        step=pair(operation.strides)[k],
        dilation=pair(operation.dilation_rate)[k],
        padding=operation.padding,
    )


def _check_order(operation: keras.Operation) -> None:
    """Raise `UnknownReach` unless channels come last."""
    order = getattr(operation, "data_format", None) or keras.config.image_data_format()
    if order != "channels_last":
        raise UnknownReach


def _resized(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    _check_order(operation)
    size, k = arguments[0].shape[1 + source.axis], source.axis
    others = ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio")
    if size is None or any(getattr(operation, name, False) for name in others):
        raise UnknownReach
    return resampled(source, size, operation.size[k], operation.interpolation)


def _padded(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    widths = [pair(one) for one in operation.pad_width]
    if len(widths) != 4 or any(widths[0]):
        raise UnknownReach
    return source.moved(-widths[1 + source.axis][0])


def _part(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    """Rows, columns or channels by Python's slices."""
    image, key = arguments[0], arguments[1]
    keys = list(key) if isinstance(key, list | tuple) else [key]
    if any(part is None for part in keys):  # a new axis
        raise UnknownReach
    if Ellipsis in keys:
        at, rank = keys.index(Ellipsis), len(image.shape)
        keys[at : at + 1] = [slice(None)] * (rank - len(keys) + 1)
    whole = slice(None)
    if keys[0] != whole:
        raise UnknownReach
    part = keys[1 + source.axis] if len(keys) > 1 + source.axis else whole
    return cropped(source, part)


def _repeated(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    if operation.axis is None or not isinstance(operation.repeats, int):
        raise UnknownReach
    axis = operation.axis % 4
    return enlarged(operation.repeats, source) if axis == 1 + source.axis else source


def _multiplied(operation: keras.Operation, arguments: Sequence[Any], source: Reach) -> Reach:
    """A product of each pixel's channels by a constant matrix."""
    matrix = arguments[1]
    if isinstance(matrix, keras.KerasTensor) or len(matrix.shape) != 2:
        raise UnknownReach
    return source


RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(REDUCTIONS, _along_axis),
    **dict.fromkeys(ALONG_AXIS, _along_axis),
    "AveragePool": _pooled,
    "Concatenate": _joined,
    "Conv": _convolved,
    "ConvTranspose": _transposed,
    "DepthToSpace": _shuffled,
    "DepthwiseConv": _convolved,
    "ExpandDims": _last_axis,
    "GetItem": _part,
    "Matmul": _multiplied,
    "MaxPool": _pooled,
    "Pad": _padded,
    "Repeat": _repeated,
    "Resize": _resized,
    "SeparableConv": _convolved,
    "SpaceToDepth": _unshuffled,
    "Squeeze": _last_axis,
    "Stack": _joined,
}
# Functions whose settings or graph hold the size of the image.
OF_ONE_SIZE = ("BroadcastTo", "GetItem", "Pad", "Resize", "Repeat")
