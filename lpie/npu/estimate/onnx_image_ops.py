"""The ops on images that `onnx_graph` writes: convolutions, pooling, resizing, padding."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lpie.errors import InputError
from lpie.npu.estimate.onnx_graph import TO_CHANNELS_FIRST, OnnxGraph
from lpie.tflite.model import Op, Tensor

# What an op returns, one name for each of its outputs.
Results = tuple[str, ...]
Writer = Callable[[OnnxGraph, Op], Results]
SAME = 0  # of the schema's `Padding`
CLIPS: Mapping[int, tuple[float, float]] = {2: (-1.0, 1.0), 3: (0.0, 6.0)}


def activated(graph: OnnxGraph, name: str, op: Op) -> str:
    """`name` after the activation that is fused into `op`."""
    kind = op.option("fusedActivationFunction", 0)
    if kind == 0:
        return name
    if op.outputs[0].dtype in ("int16", "uint16"):
        # onnxruntime-qnn 2.7.0 takes a convolution, an activation and a QuantizeLinear as one
        # integer op only at 8 bits. Rounding first changes no value: the limits are levels.
        name = graph.round(op.outputs[0], name)
    if kind == 1:
        return graph.node("Relu", [name])
    if kind == 4:
        return graph.node("Tanh", [name])
    if kind not in CLIPS:
        raise InputError(
            f"{graph.model.name}: op {op.index}, {op.name}, has the activation {kind} fused into "
            "it, which lpie cannot write as ONNX."
        )
    low, high = (graph.constant(np.float32(limit)) for limit in CLIPS[kind])
    return graph.node("Clip", [name, low, high])


def taken(op: Op, position: int) -> Tensor:
    """The input at `position`, which the op must have."""
    tensor = op.input(position)
    if tensor is None:
        raise InputError(f"Op {op.index}, {op.name}, lacks its input {position}.")
    return tensor


def convolution(graph: OnnxGraph, op: Op) -> Results:
    """CONV_2D, whose kernel is [outputs, height, width, inputs]."""
    image, kernel = taken(op, 0), taken(op, 1)
    weights = graph.weights(kernel, TO_CHANNELS_FIRST, axis=0)
    return _convolved(graph, op, weights, groups=image.shape[3] // kernel.shape[3])


def depthwise_convolution(graph: OnnxGraph, op: Op) -> Results:
    """DEPTHWISE_CONV_2D, whose kernel is [1, height, width, outputs]."""
    image, kernel = taken(op, 0), taken(op, 1)
    weights = graph.weights(kernel, (3, 0, 1, 2), axis=3)
    return _convolved(graph, op, weights, groups=image.shape[3])


def _convolved(graph: OnnxGraph, op: Op, weights: str, *, groups: int) -> Results:
    image, kernel = taken(op, 0), taken(op, 1)
    steps = op.options.strideH, op.options.strideW
    gaps = op.options.dilationHFactor, op.options.dilationWFactor
    sides = kernel.shape[1:3]
    name = graph.node(
        "Conv",
        [graph.value(image), weights, *_bias(graph, op, 2)],
        kernel_shape=sides,
        strides=steps,
        dilations=gaps,
        group=groups,
        pads=_pads(op, image.shape[1:3], sides, steps, gaps),
    )
    return (activated(graph, name, op),)


def _bias(graph: OnnxGraph, op: Op, position: int) -> list[str]:
    bias = op.input(position)
    return [] if bias is None else [graph.weights(bias, None)]


def _pads(
    op: Op,
    image: Sequence[int],
    sides: Sequence[int],
    steps: Sequence[int],
    gaps: Sequence[int] = (1, 1),
) -> list[int]:
    """TFLite's padding as ONNX counts it: above, left, below, right."""
    if op.option("padding", SAME) != SAME:
        return [0, 0, 0, 0]
    before, after = [], []
    for length, side, step, gap in zip(image, sides, steps, gaps, strict=True):
        reach = (side - 1) * gap + 1
        total = max((-(-length // step) - 1) * step + reach - length, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return [*before, *after]


def transposed_convolution(graph: OnnxGraph, op: Op) -> Results:
    """TRANSPOSE_CONV, whose kernel is [outputs, height, width, inputs]."""
    kernel, image, output = taken(op, 1), taken(op, 2), op.outputs[0]
    steps, sides = (op.options.strideH, op.options.strideW), kernel.shape[1:3]
    # It turns round a convolution of the output, whose padding it has.
    pads = _pads(op, output.shape[1:3], sides, steps)
    lacking = [
        output.shape[1 + k]
        - ((image.shape[1 + k] - 1) * steps[k] + sides[k] - pads[k] - pads[k + 2])
        for k in range(2)
    ]
    name = graph.node(
        "ConvTranspose",
        [graph.value(image), graph.weights(kernel, (3, 0, 1, 2), axis=0), *_bias(graph, op, 3)],
        kernel_shape=sides,
        strides=steps,
        pads=pads,
        output_padding=lacking,
    )
    return (activated(graph, name, op),)


def fully_connected(graph: OnnxGraph, op: Op) -> Results:
    """FULLY_CONNECTED, whose weights are [outputs, inputs]; it flattens what it takes."""
    vector, weights, output = taken(op, 0), taken(op, 1), op.outputs[0]
    depth = weights.shape[1]
    name = graph.value(vector)
    if len(vector.shape) == 4:
        name = graph.node("Transpose", [name], perm=(0, 2, 3, 1))
    if len(vector.shape) != 2 or vector.shape[1] != depth:
        name = graph.node("Reshape", [name, graph.integers([-1, depth])])
    matrix = graph.weights(weights, None, axis=0)
    name = graph.node("Gemm", [name, matrix, *_bias(graph, op, 2)], transB=1)
    if len(output.shape) != 2:
        name = graph.node("Reshape", [name, graph.integers(output.shape)])
    if len(output.shape) == 4:
        name = graph.node("Transpose", [name], perm=TO_CHANNELS_FIRST)
    return (activated(graph, name, op),)


def pooling(kind: str) -> Writer:
    """How pooling of `kind` is written."""

    def write(graph: OnnxGraph, op: Op) -> Results:
        image = taken(op, 0)
        sides = op.options.filterHeight, op.options.filterWidth
        steps = op.options.strideH, op.options.strideW
        pads = _pads(op, image.shape[1:3], sides, steps)
        name = graph.node(kind, [graph.value(image)], kernel_shape=sides, strides=steps, pads=pads)
        return (activated(graph, name, op),)

    return write


def resizing(mode: str) -> Writer:
    """How RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR are written."""

    def write(graph: OnnxGraph, op: Op) -> Results:
        n, h, w, c = op.outputs[0].shape
        place = "half_pixel" if op.option("halfPixelCenters", False) else "asymmetric"
        if op.option("alignCorners", False):
            place = "align_corners"
        rounding = {"nearest_mode": "floor" if place == "asymmetric" else "round_prefer_ceil"}
        name = graph.node(
            "Resize",
            [graph.value(taken(op, 0)), "", "", graph.integers([n, c, h, w])],
            mode=mode,
            coordinate_transformation_mode=place,
            **(rounding if mode == "nearest" else {}),
        )
        return (name,)

    return write


def space_to_depth(graph: OnnxGraph, op: Op) -> Results:
    """SPACE_TO_DEPTH, whose channels ONNX orders alike."""
    name = graph.node("SpaceToDepth", [graph.value(taken(op, 0))], blocksize=op.options.blockSize)
    return (name,)


def depth_to_space(graph: OnnxGraph, op: Op) -> Results:
    """DEPTH_TO_SPACE: ONNX's mode DCR."""
    size = op.options.blockSize
    name = graph.node("DepthToSpace", [graph.value(taken(op, 0))], blocksize=size, mode="DCR")
    return (name,)


def padding(graph: OnnxGraph, op: Op) -> Results:
    """PAD and PADV2 with a constant, MIRROR_PAD by reflection."""
    image, amounts = taken(op, 0), graph.array(taken(op, 1))
    if len(image.shape) == 4:
        amounts = amounts[list(TO_CHANNELS_FIRST)]
    mode = "constant"
    if op.name == "MIRROR_PAD":
        if op.option("mode", 0) != 0:
            raise InputError(
                f"{graph.model.name}: op {op.index}, MIRROR_PAD, repeats the edge (SYMMETRIC); "
                "ONNX has only padding by REFLECT."
            )
        mode = "reflect"
    value = [graph.value(taken(op, 2))] if op.name == "PADV2" else []
    sizes = graph.integers([int(n) for n in (*amounts[:, 0], *amounts[:, 1])])
    return (graph.node("Pad", [graph.value(image), sizes, *value], mode=mode),)


IMAGE_OPS: Mapping[str, Writer] = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise_convolution,
    "TRANSPOSE_CONV": transposed_convolution,
    "FULLY_CONNECTED": fully_connected,
    "MAX_POOL_2D": pooling("MaxPool"),
    "AVERAGE_POOL_2D": pooling("AveragePool"),
    "RESIZE_BILINEAR": resizing("linear"),
    "RESIZE_NEAREST_NEIGHBOR": resizing("nearest"),
    "SPACE_TO_DEPTH": space_to_depth,
    "DEPTH_TO_SPACE": depth_to_space,
    "PAD": padding,
    "PADV2": padding,
    "MIRROR_PAD": padding,
}
