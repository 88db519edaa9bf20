"""What delegates ask of an op, as functions: None when it is met, else the reason of a refusal."""

from collections.abc import Callable
from typing import Any

from lpie.tflite.model import Op

Condition = Callable[[Op], str | None]


def option_is(name: str, *allowed: Any, reason: str) -> Condition:
    """The builtin option `name` must be one of `allowed`; an op without options passes."""

    def check(op: Op) -> str | None:
        return None if op.option(name, allowed[0]) in allowed else reason

    return check


def stored(*positions: int, what: str) -> Condition:
    """The inputs at `positions`, where present, must be constants in the file."""

    def check(op: Op) -> str | None:
        inputs = [op.input(k) for k in positions]
        met = all(tensor is None or tensor.stored for tensor in inputs)
        return None if met else f"{what} must be constant"

    return check


def always(reason: str) -> Condition:
    """Refuse the op whatever it looks like."""
    return lambda op: reason


def rank_at_most_4(op: Op) -> str | None:
    """Run-time tensors have at most four dimensions."""
    ranks = [len(tensor.shape) for tensor in (*op.runtime_inputs, *op.outputs)]
    return None if max(ranks, default=0) <= 4 else f"rank {max(ranks)} (at most 4)"


def fixed_shape(op: Op) -> str | None:
    """No tensor changes its height, width or channels between runs."""
    changing = any(tensor.dynamic for tensor in (*op.runtime_inputs, *op.outputs))
    return "shape not fixed in the file" if changing else None


def one_runtime_input(op: Op) -> str | None:
    """Exactly one input comes from the image."""
    n = len(op.runtime_inputs)
    return None if n == 1 else f"{n} run-time inputs (needs 1)"


def not_both_corner_flags(op: Op) -> str | None:
    """align_corners and half_pixel_centers exclude each other."""
    both = op.option("alignCorners") and op.option("halfPixelCenters")
    return "align_corners together with half_pixel_centers" if both else None


def not_hybrid(op: Op) -> str | None:
    """Weights and image are of one kind."""
    image, kernel = op.input(0), op.input(1)
    if image is None or kernel is None or image.dtype != "float32":
        return None
    return None if kernel.dtype.startswith("float") else "quantised weights on a float image"


def uint8_inputs_share_scale(op: Op) -> str | None:
    """uint8 parts are joined without rescaling."""
    parts = [tensor for tensor in op.inputs if tensor is not None and tensor.dtype == "uint8"]
    kinds = {(tensor.scales, tensor.zero_points) for tensor in (*parts, *op.outputs)}
    return "uint8 inputs of different scales" if parts and len(kinds) > 1 else None


# What slices and SOFTMAX must be for both the GPU delegates and XNNPACK.
PLAIN_SLICE = tuple(
    option_is(name, 0, False, reason=f"{name} is set")
    for name in ("ellipsisMask", "newAxisMask", "shrinkAxisMask")
)
BETA_1 = option_is("beta", 1.0, reason="beta other than 1")
