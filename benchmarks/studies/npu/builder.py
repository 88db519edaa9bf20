"""Networks of random weights as ONNX, in float or in int8 by QDQ, to ask a compiler about them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 21, 10
# What becomes of the numbers does not matter, only that they are not all alike.
SCALE, WEIGHT_SCALE = 0.02, 0.01
Activation = Literal["relu", "relu6", "prelu", "leaky", "silu", "hswish", ""]


@dataclass(frozen=True)
class Value:
    """A tensor [1, channels, height, width] of the graph being built."""

    name: str
    channels: int
    height: int
    width: int


class Builder:
    """A network being built.

    Args:
        height: Of its input.
        width: Of its input.
        int8: Round all tensors to 8 bits.
    """

    def __init__(self, height: int, width: int, *, int8: bool) -> None:
        self._int8, self._size = int8, (height, width)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(0)
        self._count = 0
        image = self._node("Transpose", ["image"], perm=(0, 3, 1, 2))
        self.input = Value(
            self._node("DequantizeLinear", [image, *self._pair()]) if int8 else image,
            3,
            height,
            width,
        )

    def conv(
        self,
        x: Value,
        channels: int,
        kernel: int | tuple[int, int] = 3,
        *,
        step: int = 1,
        groups: int = 1,
        gap: int = 1,
        activation: Activation = "",
        valid: bool = False,
    ) -> Value:
        """A convolution with bias; padded to keep the size unless `valid`."""
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        pads = [0 if valid else (side - 1) * gap // 2 for side in sides]
        h, w = (
            (length + 2 * pad - (side - 1) * gap - 1) // step + 1
            for length, pad, side in zip((x.height, x.width), pads, sides, strict=True)
        )
        shape = (channels, x.channels // groups, *sides)
        name = self._node(
            "Conv",
            [x.name, *self._weights(shape, 0)],
            kernel_shape=sides,
            strides=(step, step),
            dilations=(gap, gap),
            group=groups,
            pads=[*pads, *pads],
        )
        return self._activated(Value(name, channels, h, w), activation)

    def enlarge(self, x: Value, channels: int) -> Value:
        """A transposed convolution of 2x2 that doubles height and width."""
        shape = (x.channels, channels, 2, 2)
        inputs = [x.name, *self._weights(shape, 1)]
        name = self._node("ConvTranspose", inputs, kernel_shape=(2, 2), strides=(2, 2))
        return self._rounded(Value(name, channels, 2 * x.height, 2 * x.width))

    def activate(self, x: Value, activation: Activation) -> Value:
        """An activation of its own."""
        return self._activated(x, activation)

    def add(self, x: Value, y: Value, *, activation: Activation = "") -> Value:
        """The sum of two tensors; `y` may be [1, channels, 1, 1]."""
        return self._activated(self._like(x, self._node("Add", [x.name, y.name])), activation)

    def normalize(self, x: Value, *, activation: Activation = "") -> Value:
        """A factor and a summand for every channel."""
        shape = (1, x.channels, 1, 1)
        factors, summands = (self._stored(self._random(shape)) for _ in range(2))
        x = self._rounded(self._like(x, self._node("Mul", [x.name, factors])))
        return self._activated(self._like(x, self._node("Add", [x.name, summands])), activation)

    def scaled(self, x: Value, factor: float) -> Value:
        """`x` times a constant."""
        constant = self._constant(np.float32(factor))
        if self._int8:
            stored = self._constant(np.array([[[[127]]]], np.int8)), factor / 127
            pair = self._constant(np.float32(stored[1])), self._constant(np.int8(0))
            constant = self._node("DequantizeLinear", [stored[0], *pair])
        return self._rounded(self._like(x, self._node("Mul", [x.name, constant])))

    def times(self, x: Value, y: Value) -> Value:
        """The product of two tensors; `y` may be [1, channels, 1, 1]."""
        return self._rounded(self._like(x, self._node("Mul", [x.name, y.name])))

    def function(self, x: Value, kind: str) -> Value:
        """An ONNX function of one value, such as `HardSigmoid`."""
        return self._rounded(self._like(x, self._node(kind, [x.name])))

    def concat(self, parts: Sequence[Value]) -> Value:
        """Tensors one after another along their channels."""
        name = self._node("Concat", [part.name for part in parts], axis=1)
        channels = sum(part.channels for part in parts)
        return self._rounded(Value(name, channels, parts[0].height, parts[0].width))

    def pool(
        self, x: Value, kind: str, kernel: int, step: int, pad: int = 0, *, ceil: bool = False
    ) -> Value:
        """Pooling by `MaxPool` or `AveragePool`."""
        round_ = math.ceil if ceil else math.floor
        h, w = (round_((n + 2 * pad - kernel) / step) + 1 for n in (x.height, x.width))
        sides = (kernel, kernel)
        name = self._node(
            kind,
            [x.name],
            kernel_shape=sides,
            strides=(step, step),
            pads=[pad] * 4,
            ceil_mode=int(ceil),
        )
        return self._rounded(Value(name, x.channels, h, w))

    def mean(self, x: Value) -> Value:
        """The mean over height and width."""
        axes = self._constant(np.array([2, 3], np.int64))
        name = self._node("ReduceMean", [x.name, axes], keepdims=1)
        return self._rounded(Value(name, x.channels, 1, 1))

    def resize(self, x: Value, height: int, width: int, mode: str = "linear") -> Value:
        """A bilinear or nearest resizing."""
        sizes = self._constant(np.array([1, x.channels, height, width], np.int64))
        options = {"coordinate_transformation_mode": "half_pixel"}
        if mode == "nearest":
            options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        name = self._node("Resize", [x.name, "", "", sizes], mode=mode, **options)
        return self._rounded(Value(name, x.channels, height, width))

    def depth_to_space(self, x: Value, block: int) -> Value:
        """Channels to pixels."""
        name = self._node("DepthToSpace", [x.name], blocksize=block, mode="DCR")
        channels = x.channels // block**2
        return self._rounded(Value(name, channels, x.height * block, x.width * block))

    def classes(self, x: Value, count: int = 1000) -> Value:
        """A mean over the image and a fully connected layer."""
        return self.conv(x if x.height == 1 else self.mean(x), count, 1)

    def finish(self, output: Value) -> onnx.ModelProto:
        """The network as a model whose input and output are [1, height, width, channels]."""
        name, kind = output.name, TensorProto.FLOAT
        if self._int8:
            name, kind = self._nodes[-1].input[0], TensorProto.UINT8
            self._nodes.pop()
        self._nodes.append(helper.make_node("Transpose", [name], ["output"], perm=(0, 2, 3, 1)))
        shape = [1, output.height, output.width, output.channels]
        ends = [
            helper.make_tensor_value_info("image", kind, [1, *self._size, 3]),
            helper.make_tensor_value_info("output", kind, shape),
        ]
        graph = helper.make_graph(self._nodes, "lpie", ends[:1], ends[1:], self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _activated(self, x: Value, kind: Activation) -> Value:
        if kind == "":
            return self._rounded(x)
        if kind in ("relu", "relu6"):  # compilers fuse them, so that nothing is rounded before
            return self._rounded(self._like(x, self._limited(x, kind)))
        x = self._rounded(x) if not self._is_rounded(x) else x
        if kind == "silu":
            return self.times(x, self.function(x, "Sigmoid"))
        if kind == "hswish":
            return self.function(x, "HardSwish")
        if kind == "leaky":
            return self._rounded(self._like(x, self._node("LeakyRelu", [x.name], alpha=0.2)))
        slopes = self._stored(self._random((x.channels, 1, 1)))
        return self._rounded(self._like(x, self._node("PRelu", [x.name, slopes])))

    def _limited(self, x: Value, kind: Activation) -> str:
        if kind == "relu":
            return self._node("Relu", [x.name])
        limits = [self._constant(np.float32(limit)) for limit in (0, 6)]
        return self._node("Clip", [x.name, *limits])

    def _is_rounded(self, x: Value) -> bool:
        return any(n.output[0] == x.name and n.op_type == "DequantizeLinear" for n in self._nodes)

    def _rounded(self, x: Value) -> Value:
        if not self._int8:
            return x
        pair = self._pair()
        stored = self._node("QuantizeLinear", [x.name, *pair])
        return self._like(x, self._node("DequantizeLinear", [stored, *pair]))

    def _like(self, x: Value, name: str) -> Value:
        return Value(name, x.channels, x.height, x.width)

    def _pair(self) -> tuple[str, str]:
        return self._constant(np.float32(SCALE)), self._constant(np.uint8(0))

    def _weights(self, shape: tuple[int, ...], axis: int) -> list[str]:
        """A kernel, whose outputs lie along `axis`, and a bias."""
        kernel, count = self._random(shape), shape[axis]
        if not self._int8:
            return [self._constant(kernel), self._constant(self._random((count,)))]
        scales = self._constant(np.full(count, WEIGHT_SCALE, np.float32))
        stored = self._constant(np.clip(kernel / WEIGHT_SCALE, -127, 127).astype(np.int8))
        zeros = self._constant(np.zeros(count, np.int8))
        weights = self._node("DequantizeLinear", [stored, scales, zeros], axis=axis)
        bias = self._constant(self._rng.integers(-99, 99, count).astype(np.int32))
        both = self._constant(np.full(count, SCALE * WEIGHT_SCALE, np.float32))
        zeros = self._constant(np.zeros(count, np.int32))
        return [weights, self._node("DequantizeLinear", [bias, both, zeros], axis=0)]

    def _stored(self, values: NDArray[np.float32]) -> str:
        if not self._int8:
            return self._constant(values)
        # Signed ones beside unsigned activations take Hexagon's compiler a slow path.
        levels = np.clip(values / WEIGHT_SCALE + 128, 0, 255)
        stored = self._constant(levels.astype(np.uint8))
        pair = self._constant(np.float32(WEIGHT_SCALE)), self._constant(np.uint8(128))
        return self._node("DequantizeLinear", [stored, *pair])

    def _random(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return self._rng.standard_normal(shape, np.float32) * np.float32(0.1)

    def _constant(self, values: Any) -> str:
        self._count += 1
        name = f"constant_{self._count}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        self._count += 1
        name = f"{kind}_{self._count}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name
