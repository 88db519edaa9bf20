"""The classic GPU delegate, on OpenCL and on OpenGL."""

from collections.abc import Mapping
from dataclasses import replace

from lpie.export.delegates import conditions as c
from lpie.export.delegates.conditions import Condition
from lpie.export.delegates.rule import Conditions, Rule
from lpie.tflite.model import Op

OPS = "tflite/tools/versioning/gpu_compatibility.cc"
GRAPH = "tflite/delegates/gpu/common/model_builder.cc"
GL_KERNELS = "tflite/delegates/gpu/gl/kernels/registry.cc"

# int8 is simulated in float, so it saves no time here. int16 is never taken.
TYPES = {"float32": 0, "float16": 0, "int8": 0, "uint8": 0}


def at_most_two_runtime_inputs(op: Op) -> str | None:
    """Image and weights may be run-time tensors, the bias not."""
    n = len(op.runtime_inputs)
    return None if n <= 2 else f"{n} run-time inputs (at most 2)"


def no_constant_input(op: Op) -> str | None:
    """One run-time input and nothing else."""
    return c.one_runtime_input(op) or ("constant input" if op.stored_inputs else None)


def one_or_two_operands(op: Op) -> str | None:
    """Two run-time tensors, or one and a constant."""
    counts = (len(op.runtime_inputs), len(op.stored_inputs))
    return None if counts in ((2, 0), (1, 1)) else "needs two operands, at most one constant"


def two_inputs(op: Op) -> str | None:
    """Two inputs, of whatever kind."""
    return None if len(op.inputs) == 2 else f"{len(op.inputs)} inputs (needs 2)"


def different_operands(op: Op) -> str | None:
    """A tensor does not meet itself."""
    same = len({tensor.index for tensor in op.inputs if tensor}) < len(op.inputs)
    return "the same tensor twice" if same else None


def constant_int32_axes(op: Op) -> str | None:
    """Reductions take their axes from an int32 constant."""
    axes = op.input(1)
    ok = axes is not None and axes.stored and axes.dtype == "int32"
    return None if ok else "axes must be an int32 constant"


def keeps_dims_unless_spatial(op: Op) -> str | None:
    """A dropped axis shifts the others, except that [N, C] is read as [N, 1, 1, C]."""
    if op.option("keepDims", True) or _axes(op) == {1, 2}:
        return None
    return "keep_dims=False over axes other than height and width"


def reduces_height_and_width(op: Op) -> str | None:
    """Means over the image, not over channels."""
    if _axes(op) == {1, 2}:
        return None
    return "channel MEAN (only height and width)" if 3 in _axes(op) else "axes other than (1, 2)"


def gpu_broadcast(op: Op) -> str | None:
    """Operands of unequal rank meet in three forms only."""
    shapes = sorted((t.shape for t in op.inputs if t is not None), key=len, reverse=True)
    if len(shapes) != 2 or len(shapes[1]) < 2 or len(shapes[0]) == len(shapes[1]):
        return None
    long, short = shapes
    fits = len(long) == 4 and (
        (len(short) == 3 and long[0] == 1)
        or (len(short) == 2 and long[0] == 1 and short == (1, 1))
        or (len(short) == 2 and (long[0], long[3]) == short)
    )
    return None if fits else f"broadcast of {list(short)} over {list(long)}"


def one_operand_covers_the_other(op: Op) -> str | None:
    """One of two operands of equal rank is nowhere the smaller."""
    shapes = [tensor.shape for tensor in op.inputs if tensor is not None]
    if len(shapes) != 2 or len(shapes[0]) != len(shapes[1]):
        return None
    pairs = list(zip(*shapes, strict=True))
    crossed = any(a < b for a, b in pairs) and any(b < a for a, b in pairs)
    return (
        f"operands {list(shapes[0])} and {list(shapes[1])} broadcast each other"
        if crossed
        else None
    )


def second_operand_is_smaller(op: Op) -> str | None:
    """A mask comes second. The builder swaps operands of equal channels by itself."""
    shapes = [tensor.shape for tensor in op.runtime_inputs]
    if len(shapes) != 2 or len(shapes[0]) != 4 or len(shapes[1]) != 4:
        return None
    (_, *first), (_, *second) = shapes
    if first[2] == second[2] and first[0] <= second[0] and first[1] <= second[1]:
        first, second = second, first
    fits = all(b in (a, 1) for a, b in zip(first, second, strict=True))
    return None if fits else "the second operand must be the smaller: write x * mask"


def depthwise_geometry(op: Op) -> str | None:
    """Four dimensions, and out channels = in channels x multiplier with one of them 1."""
    image, kernel = op.input(0), op.input(1)
    if image is None or kernel is None or len(image.shape) != 4 or len(kernel.shape) != 4:
        return "needs a 4-D input and kernel"
    channels, multiplier = image.shape[3], op.option("depthMultiplier", 1)
    if op.outputs[0].shape[3] != channels * multiplier:
        return "output channels differ from input channels x depth multiplier"
    return None if multiplier == 1 or channels == 1 else "depth multiplier above 1"


def paddings_of_image(op: Op) -> str | None:
    """The paddings are a 3x2 or 4x2 table."""
    table = op.input(1)
    paddings = () if table is None else table.shape
    return None if paddings in ((3, 2), (4, 2)) else f"paddings {list(paddings)} (needs 4x2 or 3x2)"


def rank_3_or_4(op: Op) -> str | None:
    """SLICE and its kin want an image."""
    image = op.input(0)
    rank = 0 if image is None else len(image.shape)
    return None if rank in (3, 4) else f"rank {rank} (needs 3 or 4)"


def block_above_1(op: Op) -> str | None:
    """A block of 1 moves nothing."""
    return None if op.option("blockSize", 2) > 1 else "block size 1"


def only_enlarges(op: Op) -> str | None:
    """Resizing never shrinks."""
    image = op.input(0)
    shrinks = image is not None and any(
        a > b for a, b in zip(image.shape[1:3], op.outputs[0].shape[1:3], strict=True)
    )
    return "down-sampling" if shrinks else None


def _axes(op: Op) -> set[int]:
    """The reduced axes, counted from the front."""
    image, axes = op.input(0), op.input(1)
    if image is None or axes is None or not image.shape:
        return set()
    return {axis % len(image.shape) for axis in axes.values}


def _gpu(version: int | None, *conditions: Condition, fatal: Conditions = ()) -> Rule:
    return Rule(OPS, version, TYPES, conditions, fatal=fatal)


ACTIVATION = c.option_is(
    "fusedActivationFunction", 0, 1, 2, 3, 4, reason="fused activation SIGN_BIT"
)
POOL = (c.one_runtime_input, ACTIVATION)
REDUCE = (c.one_runtime_input, constant_int32_axes)
REFLECT = c.option_is("mode", 0, reason="MIRROR_PAD SYMMETRIC (only REFLECT)")
PAD = (c.one_runtime_input, paddings_of_image)
BINARY = (one_or_two_operands, ACTIVATION)

GPU_RULES: Mapping[str, Rule] = {
    "CONV_2D": _gpu(6, at_most_two_runtime_inputs, ACTIVATION),
    "DEPTHWISE_CONV_2D": _gpu(6, at_most_two_runtime_inputs, ACTIVATION, depthwise_geometry),
    "TRANSPOSE_CONV": _gpu(3, at_most_two_runtime_inputs, c.stored(0, what="output shape")),
    "FULLY_CONNECTED": _gpu(4, at_most_two_runtime_inputs),
    "ADD": _gpu(2, two_inputs, gpu_broadcast),
    "MUL": _gpu(3, two_inputs, gpu_broadcast, one_operand_covers_the_other, ACTIVATION),
    **{
        op: _gpu(2, *BINARY, fatal=(different_operands,))
        for op in ("SUB", "DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE")
    },
    "MEAN": _gpu(None, *REDUCE, fatal=(keeps_dims_unless_spatial,)),
    **{op: _gpu(None, *REDUCE) for op in ("REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SUM")},
    "CONCATENATION": _gpu(2),
    "MAX_POOL_2D": _gpu(2, *POOL),
    "AVERAGE_POOL_2D": _gpu(2, *POOL),
    "RESIZE_BILINEAR": _gpu(3, c.one_runtime_input, c.not_both_corner_flags),
    "RESIZE_NEAREST_NEIGHBOR": _gpu(3, c.one_runtime_input),
    "DEPTH_TO_SPACE": _gpu(None, c.one_runtime_input, block_above_1),
    "SPACE_TO_DEPTH": _gpu(2, c.one_runtime_input, block_above_1),
    **{op: _gpu(2) for op in ("RELU", "RELU6", "LEAKY_RELU")},
    "RELU_N1_TO_1": _gpu(None),
    "PRELU": _gpu(1),
    **{
        op: _gpu(2, no_constant_input)
        for op in ("ELU", "LOGISTIC", "TANH", "GELU", "EXP", "SQRT", "RSQRT", "ABS", "NEG")
    },
    "HARD_SWISH": _gpu(None, no_constant_input),
    "PAD": _gpu(2, *PAD),
    "PADV2": _gpu(2, *PAD),
    "MIRROR_PAD": _gpu(2, REFLECT, *PAD),
    "SOFTMAX": _gpu(2, c.BETA_1),
    "SLICE": _gpu(2, rank_3_or_4),
    "STRIDED_SLICE": _gpu(4, rank_3_or_4, *c.PLAIN_SLICE),
    "RESHAPE": _gpu(1, c.one_runtime_input),
    "TRANSPOSE": _gpu(4, c.one_runtime_input),
    "SPLIT": _gpu(None),
    "QUANTIZE": _gpu(2, c.one_runtime_input),
    "DEQUANTIZE": _gpu(3),
}

_NO_SHADER: Conditions = (c.always("no OpenGL shader"),)
GL_FATAL: Mapping[str, Conditions] = {
    "MEAN": (reduces_height_and_width,),
    "MUL": (second_operand_is_smaller,),
    "RESIZE_BILINEAR": (only_enlarges,),
    "RESIZE_NEAREST_NEIGHBOR": (only_enlarges,),
    **dict.fromkeys(("REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SUM"), _NO_SHADER),
    **dict.fromkeys(("SPLIT", "TRANSPOSE"), _NO_SHADER),
}
GL_RULES = {
    op: replace(rule, source=GL_KERNELS, fatal=rule.fatal + GL_FATAL[op])
    if op in GL_FATAL
    else rule
    for op, rule in GPU_RULES.items()
}
