"""What ops must have for the code that reads them: inputs, outputs, ranks and options."""

import functools
from dataclasses import dataclass, field

# Options that counts, strides and sizes must be at least 1 in: runtimes divide by them.
AT_LEAST_1 = (
    "strideH", "strideW", "strideD", "filterHeight", "filterWidth", "blockSize",
    "dilationHFactor", "dilationWFactor", "dilationDFactor",
)  # fmt: skip


@dataclass(frozen=True)
class OpRule:
    """What an op must have.

    inputs, outputs: at least so many. ranks: of inputs by their position; of the first output under
    -1. options: the class of its options in the schema. needs_options: they may not be left out.
    """

    inputs: int = 1
    outputs: int = 1
    ranks: dict[int, int] = field(default_factory=dict)
    options: str = ""
    needs_options: bool = False


_IMAGE = {0: 4, -1: 4}
_KERNEL = {0: 4, 1: 4, -1: 4}
_RULES = {
    "CONV_2D": OpRule(2, ranks=_KERNEL, needs_options=True),
    "DEPTHWISE_CONV_2D": OpRule(2, ranks=_KERNEL, needs_options=True),
    "TRANSPOSE_CONV": OpRule(3, ranks={1: 4, 2: 4, -1: 4}, needs_options=True),
    "AVERAGE_POOL_2D": OpRule(ranks=_IMAGE, options="Pool2DOptions", needs_options=True),
    "MAX_POOL_2D": OpRule(ranks=_IMAGE, options="Pool2DOptions", needs_options=True),
    "L2_POOL_2D": OpRule(ranks=_IMAGE, options="Pool2DOptions", needs_options=True),
    "DEPTH_TO_SPACE": OpRule(ranks=_IMAGE, needs_options=True),
    "SPACE_TO_DEPTH": OpRule(ranks=_IMAGE, needs_options=True),
    "RESIZE_BILINEAR": OpRule(2, ranks=_IMAGE),
    "RESIZE_NEAREST_NEIGHBOR": OpRule(2, ranks=_IMAGE),
    "LOCAL_RESPONSE_NORMALIZATION": OpRule(ranks=_IMAGE),
    "FULLY_CONNECTED": OpRule(2, ranks={1: 2}),
    "BATCH_MATMUL": OpRule(2, options="BatchMatMulOptions"),
    "MAXIMUM": OpRule(2, options="MaximumMinimumOptions"),
    "MINIMUM": OpRule(2, options="MaximumMinimumOptions"),
    "PADV2": OpRule(3, options="PadV2Options"),
    "SLICE": OpRule(3),
    "STRIDED_SLICE": OpRule(4),
    "SPLIT_V": OpRule(3),
    "SCATTER_ND": OpRule(3),
    "SELECT": OpRule(3),
    "SELECT_V2": OpRule(3),
    "SPACE_TO_BATCH_ND": OpRule(3),
    "BATCH_TO_SPACE_ND": OpRule(3),
}
_REDUCERS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL")
_TWO_INPUTS = (
    "ADD", "SUB", "MUL", "DIV", "POW", "SQUARED_DIFFERENCE", "FLOOR_DIV", "FLOOR_MOD", "PRELU",
    "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "EQUAL", "NOT_EQUAL", "LOGICAL_AND",
    "LOGICAL_OR", "PAD", "MIRROR_PAD", "TILE", "TRANSPOSE", "GATHER", "GATHER_ND", "CUMSUM",
    "REVERSE_V2", "EXPAND_DIMS", "SPLIT", "ARG_MAX", "ARG_MIN", "BROADCAST_TO", "TOPK_V2", "FILL",
)  # fmt: skip
_ONE_INPUT = (
    "RELU", "RELU6", "RELU_N1_TO_1", "ELU", "LEAKY_RELU", "GELU", "HARD_SWISH", "LOGISTIC", "TANH",
    "SOFTMAX", "LOG_SOFTMAX", "EXP", "LOG", "SQRT", "RSQRT", "SQUARE", "ABS", "NEG", "SIN", "COS",
    "SIGN", "FLOOR", "CEIL", "ROUND", "CAST", "QUANTIZE", "DEQUANTIZE", "DENSIFY", "RESHAPE",
    "SQUEEZE", "SHAPE", "RANK", "CONCATENATION", "PACK", "UNPACK", "ADD_N", "L2_NORMALIZATION",
    "LOGICAL_NOT", "ZEROS_LIKE",
)  # fmt: skip
_RULES |= {name: OpRule(2, options="ReducerOptions") for name in _REDUCERS}
_RULES |= {name: OpRule(2) for name in _TWO_INPUTS}
_RULES |= {name: OpRule(1) for name in _ONE_INPUT}
_ANY = OpRule(0, 0)


def rule_of(op: str) -> OpRule:
    """The rule of an op by its name; one that asks for nothing where there is none."""
    return _RULES.get(op, _ANY)


@functools.cache
def options_class(op: str) -> type | None:
    """The class of an op's options; None where the schema has none, or any will do."""
    from ai_edge_litert import schema_py_generated as schema

    name = rule_of(op).options or f"{op.title().replace('_', '')}Options"
    return getattr(schema, f"{name}T", None)
