"""What delegates ask of an op, as functions: None when it is met, else the reason of a refusal."""

from collections.abc import Callable
from typing import Any

from lpie.tflite.node import Node

Condition = Callable[[Node], str | None]


def option_is(name: str, *allowed: Any, reason: str) -> Condition:
    """The builtin option `name` must be one of `allowed`; an op without options passes."""

    def check(node: Node) -> str | None:
        return None if node.option(name, allowed[0]) in allowed else reason

    return check


def stored(*positions: int, what: str) -> Condition:
    """The inputs at `positions`, where present, must be constants in the file."""

    def check(node: Node) -> str | None:
        inputs = [node.input(k) for k in positions]
        met = all(tensor is None or tensor.stored for tensor in inputs)
        return None if met else f"{what} must be constant"

    return check


def always(reason: str) -> Condition:
    """Refuse the op whatever it looks like."""
    return lambda node: reason


def rank_at_most_4(node: Node) -> str | None:
    """Run-time tensors have at most four dimensions."""
    ranks = [len(tensor.shape) for tensor in (*node.runtime_inputs, *node.outputs)]
    return None if max(ranks, default=0) <= 4 else f"rank {max(ranks)} (at most 4)"


def fixed_shape(node: Node) -> str | None:
    """No tensor changes its height, width or channels between runs."""
    changing = any(tensor.dynamic for tensor in (*node.runtime_inputs, *node.outputs))
    return "shape not fixed in the file" if changing else None


def one_runtime_input(node: Node) -> str | None:
    """Exactly one input comes from the image."""
    n = len(node.runtime_inputs)
    return None if n == 1 else f"{n} run-time inputs (needs 1)"


def not_both_corner_flags(node: Node) -> str | None:
    """align_corners and half_pixel_centers exclude each other."""
    both = node.option("alignCorners") and node.option("halfPixelCenters")
    return "align_corners together with half_pixel_centers" if both else None


def not_hybrid(node: Node) -> str | None:
    """Weights and image are of one kind."""
    image, kernel = node.input(0), node.input(1)
    if image is None or kernel is None or image.dtype != "float32":
        return None
    return None if kernel.dtype.startswith("float") else "quantised weights on a float image"


def uint8_inputs_share_scale(node: Node) -> str | None:
    """uint8 parts are joined without rescaling."""
    parts = [tensor for tensor in node.inputs if tensor is not None and tensor.dtype == "uint8"]
    kinds = {(tensor.scales, tensor.zero_points) for tensor in (*parts, *node.outputs)}
    return "uint8 inputs of different scales" if parts and len(kinds) > 1 else None


# What slices and SOFTMAX must be for both the GPU delegates and XNNPACK.
PLAIN_SLICE = tuple(
    option_is(name, 0, False, reason=f"{name} is set")
    for name in ("ellipsisMask", "newAxisMask", "shrinkAxisMask")
)
BETA_1 = option_is("beta", 1.0, reason="beta other than 1")
