"""NNAPI, by Android API level."""

from collections.abc import Mapping

from lpie.export.delegates import conditions as c
from lpie.export.delegates.conditions import Condition
from lpie.export.delegates.rule import Conditions, Rule, Types
from lpie.tflite.model import Op

SOURCE = "tflite/delegates/nnapi/nnapi_delegate.cc:2358-3660"

FLOAT = {"float32": 27}
# The signed 8-bit type is as old as NNAPI 1.2, which is API 29.
Q8 = {"float32": 27, "uint8": 27, "int8": 29}
Q8_FROM_29 = {"float32": 27, "uint8": 29, "int8": 29}
Q8_INT32 = {**Q8, "int32": 30}


def square_output(op: Op) -> str | None:
    """Height equals width."""
    high, wide = op.outputs[0].shape[1:3]
    return None if high == wide else "output not square"


def has_bias(op: Op) -> str | None:
    """A convolution has its third input."""
    return None if len(op.inputs) == 3 and op.input(2) is not None else "no bias"


def ungrouped(op: Op) -> str | None:
    """The kernel sees every input channel."""
    image, kernel = op.input(0), op.input(1)
    if image is None or kernel is None:
        return None
    return None if image.shape[3] == kernel.shape[3] else "grouped convolution"


def per_tensor_weights(op: Op) -> str | None:
    """One scale for the whole kernel."""
    kernel = op.input(1)
    many = kernel is not None and len(kernel.scales) > 1
    return "per-channel weights" if many else None


def output_not_scalar(op: Op) -> str | None:
    """Something of a shape comes out."""
    return None if op.outputs[0].shape else "scalar output"


def window_at_most_256(op: Op) -> str | None:
    """Quantised pooling overflows on the reference CPU path above that."""
    area = op.option("filterHeight", 1) * op.option("filterWidth", 1)
    quantised = op.outputs[0].dtype in ("int8", "uint8")
    return f"window of {area} values (at most 256)" if quantised and area > 256 else None


def symmetric_int8(op: Op) -> str | None:
    """int8 with zero point 0."""
    tensor = op.input(0)
    shifted = tensor is not None and tensor.dtype == "int8" and any(tensor.zero_points)
    return "int8 with a zero point" if shifted else None


def quantises_to_uint8(op: Op) -> str | None:
    """The output is uint8."""
    kind = op.outputs[0].dtype
    return None if kind == "uint8" else f"output {kind} (needs uint8)"


def _nnapi(
    version: int | None,
    level: int,
    types: Types,
    *conditions: Condition,
    before: Mapping[int, Conditions] | None = None,
) -> Rule:
    return Rule(SOURCE, version, types, conditions, level, before or {})


UNDILATED = tuple(
    c.option_is(name, 1, reason="dilation") for name in ("dilationWFactor", "dilationHFactor")
)
NO_CORNERS = tuple(
    c.option_is(name, False, reason=f"{reason} needs API 30")
    for name, reason in (
        ("halfPixelCenters", "half_pixel_centers"),
        ("alignCorners", "align_corners"),
    )
)
SIZE = c.stored(1, what="the size")
UNFUSED = c.option_is("fusedActivationFunction", 0, reason="fused activation")

NNAPI_RULES: Mapping[str, Rule] = {
    "CONV_2D": _nnapi(
        5,
        27,
        Q8,
        has_bias,
        before={29: (*UNDILATED, ungrouped, per_tensor_weights, c.not_hybrid)},
    ),
    "DEPTHWISE_CONV_2D": _nnapi(3, 27, Q8, before={29: UNDILATED}),
    "TRANSPOSE_CONV": _nnapi(4, 29, Q8, c.stored(0, 1, what="output shape and filter")),
    "FULLY_CONNECTED": _nnapi(5, 27, Q8, before={29: (c.not_hybrid,)}),
    "ADD": _nnapi(2, 27, Q8_INT32),
    # Version 3 passes only where an accelerator is named.
    "MUL": _nnapi(2, 27, Q8_INT32),
    "SUB": _nnapi(3, 28, {**Q8_FROM_29, "int32": 30}),
    "DIV": _nnapi(1, 28, FLOAT),
    "MAXIMUM": _nnapi(3, 29, {**Q8, "int32": 29}),
    "MINIMUM": _nnapi(3, 29, {**Q8, "int32": 29}),
    "MEAN": _nnapi(2, 28, Q8_FROM_29, output_not_scalar),
    "REDUCE_MAX": _nnapi(2, 29, Q8),
    "REDUCE_MIN": _nnapi(2, 29, Q8),
    "REDUCE_PROD": _nnapi(1, 29, FLOAT, output_not_scalar),
    "SUM": _nnapi(1, 29, FLOAT, output_not_scalar),
    "CONCATENATION": _nnapi(
        2, 27, {**Q8, "float16": 27}, UNFUSED, before={29: (c.uint8_inputs_share_scale,)}
    ),
    "MAX_POOL_2D": _nnapi(2, 27, Q8),
    "AVERAGE_POOL_2D": _nnapi(2, 27, Q8, window_at_most_256),
    "RESIZE_BILINEAR": _nnapi(
        3, 27, Q8_FROM_29, SIZE, before={29: (square_output,), 30: NO_CORNERS}
    ),
    "RESIZE_NEAREST_NEIGHBOR": _nnapi(3, 29, Q8, SIZE, before={30: NO_CORNERS}),
    "DEPTH_TO_SPACE": _nnapi(None, 27, Q8),
    "SPACE_TO_DEPTH": _nnapi(2, 27, Q8),
    **{op: _nnapi(2, 27, Q8) for op in ("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC")},
    "LEAKY_RELU": _nnapi(1, 29, Q8),
    "PRELU": _nnapi(1, 29, Q8),
    "ELU": _nnapi(1, 30, FLOAT),
    "TANH": _nnapi(2, 27, Q8_FROM_29),
    "HARD_SWISH": _nnapi(None, 27, Q8),
    "PAD": _nnapi(2, 28, Q8_FROM_29),
    "PADV2": _nnapi(2, 29, Q8),
    # Feature level 7 is Android 13.
    "MIRROR_PAD": _nnapi(2, 33, Q8_INT32),
    "SOFTMAX": _nnapi(2, 27, Q8),
    "SLICE": _nnapi(2, 29, {**Q8, "int32": 29}),
    "STRIDED_SLICE": _nnapi(2, 28, Q8),
    "RESHAPE": _nnapi(1, 27, Q8, c.stored(1, what="the shape")),
    "TRANSPOSE": _nnapi(2, 28, Q8, c.stored(1, what="the permutation")),
    "QUANTIZE": _nnapi(2, 29, Q8, before={30: (quantises_to_uint8,)}),
    "DEQUANTIZE": _nnapi(2, 27, Q8, before={30: (symmetric_int8,)}),
}
