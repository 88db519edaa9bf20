"""XNNPACK, the CPU delegate."""

from collections.abc import Mapping

from lpie.export.delegates import conditions as c
from lpie.export.delegates.conditions import Condition
from lpie.export.delegates.node import Node
from lpie.export.delegates.rule import Rule, Types

SOURCE = "tflite/delegates/xnnpack/xnnpack_delegate.cc"

ALL = {"float32": 0, "float16": 0, "int8": 0, "uint8": 0}
SIGNED = {"float32": 0, "float16": 0, "int8": 0}
FLOAT = {"float32": 0, "float16": 0}


def two_to_five_inputs(node: Node) -> str | None:
    """XNNPACK has no wider concatenation."""
    n = len(node.inputs)
    return None if 2 <= n <= 5 else f"{n} inputs (2 to 5)"


def quantises_in_one_sign(node: Node) -> str | None:
    """From float, or between scales of one type. Measured: int8 to uint8 stays on TFLite."""
    image, kind = node.input(0), node.outputs[0].dtype
    same = image is not None and image.dtype in ("float32", "float16", kind)
    return None if same else f"from {image.dtype if image else 'nothing'} to {kind}"


def unit_strides(node: Node) -> str | None:
    """Slices take every element. Measured: a stride of 2 stays on TFLite."""
    strides = node.input(3)
    return "strides above 1" if strides is not None and set(strides.values) - {1} else None


def _xnn(types: Types, *conditions: Condition) -> Rule:
    return Rule(SOURCE, None, types, conditions)


CONSTANT_SLICE = c.stored(1, 2, 3, what="begin, end and strides")
WEIGHTS = c.stored(1, 2, what="weights and bias")

XNNPACK_RULES: Mapping[str, Rule] = {
    "CONV_2D": _xnn(ALL, WEIGHTS),
    "DEPTHWISE_CONV_2D": _xnn(ALL, WEIGHTS, c.not_hybrid),
    "TRANSPOSE_CONV": _xnn(ALL, c.stored(0, 1, 3, what="output shape, weights and bias")),
    "FULLY_CONNECTED": _xnn(ALL),
    **{op: _xnn(ALL) for op in ("ADD", "MUL", "SUB")},
    **{op: _xnn(FLOAT) for op in ("DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")},
    **{
        op: _xnn(ALL, c.stored(1, what="axes"))
        for op in ("MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM")
    },
    "CONCATENATION": _xnn(ALL, two_to_five_inputs, c.uint8_inputs_share_scale),
    "MAX_POOL_2D": _xnn(ALL),
    "AVERAGE_POOL_2D": _xnn(FLOAT),
    "RESIZE_BILINEAR": _xnn(ALL, c.stored(1, what="the size"), c.not_both_corner_flags),
    "DEPTH_TO_SPACE": _xnn(ALL),
    "SPACE_TO_DEPTH": _xnn(ALL),
    **{op: _xnn(FLOAT) for op in ("RELU", "RELU6", "RELU_N1_TO_1", "PRELU", "GELU")},
    **{op: _xnn(FLOAT) for op in ("HARD_SWISH", "EXP", "LOG", "SQRT", "RSQRT", "ABS", "NEG")},
    **{op: _xnn(FLOAT) for op in ("SIN", "COS", "SQUARE", "FLOOR", "CEIL", "ROUND")},
    "EXPAND_DIMS": _xnn(ALL, c.stored(1, what="the axis")),
    "BATCH_MATMUL": _xnn(FLOAT),
    "ELU": _xnn(SIGNED),
    **{op: _xnn(ALL) for op in ("LOGISTIC", "TANH", "LEAKY_RELU")},
    "SOFTMAX": _xnn(FLOAT, c.BETA_1),
    "PAD": _xnn(ALL, c.stored(1, what="paddings")),
    "SLICE": _xnn(ALL, c.stored(1, 2, what="begin and size")),
    "STRIDED_SLICE": _xnn(ALL, CONSTANT_SLICE, unit_strides, *c.PLAIN_SLICE),
    "RESHAPE": _xnn(ALL, c.stored(1, what="the shape")),
    "TRANSPOSE": _xnn(ALL, c.stored(1, what="the permutation")),
    "SPLIT": _xnn(ALL),
    "QUANTIZE": _xnn(ALL, quantises_in_one_sign),
    "DEQUANTIZE": _xnn(ALL),
}
