"""XNNPACK, the CPU delegate."""

from collections.abc import Iterable, Mapping

from lpie.export.delegates import conditions as c
from lpie.export.delegates.conditions import Condition
from lpie.export.delegates.rule import Conditions, Rule, Types
from lpie.tflite.model import Op, Tensor

SOURCE = "tflite/delegates/xnnpack/xnnpack_delegate.cc"

ALL = {"float32": 0, "float16": 0, "int8": 0, "uint8": 0}
SIGNED = {"float32": 0, "float16": 0, "int8": 0}
# How many output steps a step may be worth where integers are scaled once; 2**7 itself may.
STEPS = (2**-8, 2**7 * (1 + 1e-6))
FLOAT = {"float32": 0, "float16": 0}


def two_to_five_inputs(op: Op) -> str | None:
    """XNNPACK has no wider concatenation."""
    n = len(op.inputs)
    return None if 2 <= n <= 5 else f"{n} inputs (2 to 5)"


def quantises_in_one_sign(op: Op) -> str | None:
    """From float, or between scales of one type. Measured: int8 to uint8 stays on TFLite."""
    image, kind = op.input(0), op.outputs[0].dtype
    same = image is not None and image.dtype in ("float32", "float16", kind)
    return None if same else f"from {image.dtype if image else 'nothing'} to {kind}"


def unit_strides(op: Op) -> str | None:
    """Slices take every element. Measured: a stride of 2 stays on TFLite."""
    strides = op.input(3)
    return "strides above 1" if strides is not None and set(strides.values) - {1} else None


def terms_in_scale(op: Op) -> str | None:
    """Measured: integers are added where each scale is 2**-10 to below 2**8 of the output's."""
    return _outside((_ratio(op, tensor) for tensor in op.inputs), 2**-10, 2**8)


def product_in_scale(op: Op) -> str | None:
    """Measured: integers are multiplied where the steps' product is 2**-16 to below 2**8 of it."""
    first, second = (_ratio(op, op.input(k)) for k in (0, 1))
    scale = _scale(op.outputs[0])
    return _outside([first * second * scale], 2**-16, 2**8) if first and second else None


def convolution_in_scale(op: Op) -> str | None:
    """Measured: at 2**8 output steps for one of input times kernel the interpreter fails."""
    image, kernel = op.input(2 if op.name == "TRANSPOSE_CONV" else 0), op.input(1)
    largest = max(kernel.scales, default=0.0) if kernel is not None else 0.0
    return _outside([_ratio(op, image) * largest], 0, 2**8)


def slopes_in_scale(op: Op) -> str | None:
    """Measured: both slopes of a leaky ReLU of integers are 2**-8 to 2**7 output steps high."""
    ratio = _ratio(op, op.input(0))
    return _outside([ratio, abs(ratio * op.option("alpha", 1.0))], *STEPS)


def levels_in_scale(op: Op) -> str | None:
    """Measured: integers become others where a step is 2**-8 to 2**7 of the output's."""
    return _outside([_ratio(op, op.input(0))], *STEPS)


def runtime_integers(op: Op) -> str | None:
    """Measured: matrices of integers both come from the image, the second with zero point 0."""
    second = op.input(1)
    if op.outputs[0].dtype.startswith("float") or second is None:
        return None
    fits = not second.stored and not any(second.zero_points)
    return None if fits else "integers, and the second constant or with a zero point"


def _scale(tensor: Tensor | None) -> float:
    return tensor.scales[0] if tensor is not None and tensor.scales else 0.0


def _ratio(op: Op, tensor: Tensor | None) -> float:
    """The tensor's step in steps of the output; 0 where one of them has none, as in float."""
    step = _scale(op.outputs[0])
    return _scale(tensor) / step if step else 0.0


def _outside(ratios: Iterable[float], least: float, below: float) -> str | None:
    for ratio in ratios:
        if ratio and not least <= ratio < below:
            return f"scales {ratio:.3g} times the output's (needs {least:.3g} to {below:.3g})"
    return None


def _xnn(types: Types, *conditions: Condition, fatal: Conditions = ()) -> Rule:
    return Rule(SOURCE, None, types, conditions, fatal=fatal)


CONSTANT_SLICE = c.stored(1, 2, 3, what="begin, end and strides")
WEIGHTS = c.stored(1, 2, what="weights and bias")

XNNPACK_RULES: Mapping[str, Rule] = {
    "CONV_2D": _xnn(ALL, WEIGHTS, fatal=(convolution_in_scale,)),
    "DEPTHWISE_CONV_2D": _xnn(ALL, WEIGHTS, c.not_hybrid, fatal=(convolution_in_scale,)),
    "TRANSPOSE_CONV": _xnn(
        ALL,
        c.stored(0, 1, 3, what="output shape, weights and bias"),
        fatal=(convolution_in_scale,),
    ),
    "FULLY_CONNECTED": _xnn(ALL, fatal=(convolution_in_scale,)),
    **{op: _xnn(ALL, terms_in_scale) for op in ("ADD", "SUB")},
    "MUL": _xnn(ALL, product_in_scale),
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
    "BATCH_MATMUL": _xnn(SIGNED, runtime_integers),
    "ELU": _xnn(SIGNED),
    **{op: _xnn(ALL) for op in ("LOGISTIC", "TANH")},
    "LEAKY_RELU": _xnn(ALL, slopes_in_scale),
    "SOFTMAX": _xnn(FLOAT, c.BETA_1),
    "PAD": _xnn(ALL, c.stored(1, what="paddings")),
    "SLICE": _xnn(ALL, c.stored(1, 2, what="begin and size")),
    "STRIDED_SLICE": _xnn(ALL, CONSTANT_SLICE, unit_strides, *c.PLAIN_SLICE),
    "RESHAPE": _xnn(ALL, c.stored(1, what="the shape")),
    "TRANSPOSE": _xnn(ALL, c.stored(1, what="the permutation")),
    "SPLIT": _xnn(ALL),
    "QUANTIZE": _xnn(ALL, quantises_in_one_sign, levels_in_scale),
    "DEQUANTIZE": _xnn(ALL),
}
