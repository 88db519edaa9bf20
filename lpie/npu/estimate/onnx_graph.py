"""A `.tflite` as an ONNX graph, for compilers that read ONNX alone; needs no TensorFlow.

It is exact in float. Quantized tensors become pairs of QuantizeLinear and DequantizeLinear, from
which a compiler takes integers again. Images are [N, C, H, W] inside, and [N, H, W, C] at both
ends as in the `.tflite`. How each op is written is in `onnx_image_ops` and `onnx_value_ops`; the
whole in `onnx_convert`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lpie.errors import InputError
from lpie.tflite.model import Op, Tensor, TfliteModel

# int16 needs it, and onnxruntime-qnn 2.7.0 takes it.
OPSET, IR_VERSION = 21, 10
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
QUANTIZED = ("int8", "uint8", "int16", "uint16")
# Hexagon computes in unsigned 16 bits: the same values, 32768 further up.
INT16_SHIFT = 32768


class OnnxGraph:
    """An ONNX graph being written from the ops of a `.tflite`.

    Attributes:
        model: What is converted.
    """

    def __init__(self, model: TfliteModel) -> None:
        self.model = model
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._values: dict[int, str] = {}
        self._rounded: dict[int, str] = {}
        self._expanded: dict[int, Tensor] = {}
        self._count = 0
        self._op = "input"

    def begin(self, op: Op) -> None:
        """Name the nodes to come after `op`, so that a compiler's complaint names it."""
        self._op = f"op {op.index} {op.name}"

    def node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node of one output; return the name of that."""
        return self.nodes(kind, inputs, 1, **attributes)[0]

    def nodes(
        self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node; return the names of its outputs."""
        names = tuple(self._name(kind) for _ in range(outputs))
        label = f"{self._op} ({names[0]})"
        self._nodes.append(
            helper.make_node(kind, list(inputs), list(names), name=label, **attributes)
        )
        return names

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """Store `values`; return their name."""
        name = self._name("constant")
        # numpy makes a scalar of one dimension contiguous, so that its shape is kept apart.
        array = np.ascontiguousarray(values).reshape(np.shape(values))
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Store `values` as int64, which ONNX takes for sizes, axes and paddings."""
        return self.constant(np.array(values, np.int64))

    def value(self, tensor: Tensor) -> str:
        """The float value of `tensor`, channels first where it is an image."""
        if tensor.index not in self._values:
            self._values[tensor.index] = self.weights(
                tensor, TO_CHANNELS_FIRST if len(tensor.shape) == 4 else None
            )
        return self._values[tensor.index]

    def beside(self, tensor: Tensor, rank: int) -> str:
        """The float value of `tensor`, for an op with broadcasting whose output has `rank`."""
        if rank != 4 or len(tensor.shape) in (0, 4):
            return self.value(tensor)
        shape = [1] * (4 - len(tensor.shape)) + list(tensor.shape)
        reordered = [shape[axis] for axis in TO_CHANNELS_FIRST]
        if sum(n > 1 for n in shape) < 2:
            return self.node("Reshape", [self.value(tensor), self.integers(reordered)])
        last = self.node("Reshape", [self.value(tensor), self.integers(shape)])
        return self.node("Transpose", [last], perm=TO_CHANNELS_FIRST)

    def array(self, tensor: Tensor) -> NDArray[Any]:
        """The stored values of a constant, also of one that the file unpacks (float16 files)."""
        source = self._expanded.get(tensor.index, tensor)
        if not source.constant:
            raise InputError(
                f"{self.model.name}: the tensor {tensor.name} must be stored in the file, or be "
                "an image or a value that ops compute from one. It is neither."
            )
        values = self.model.array(source)
        # ONNX takes no biases of int64, which come with int16; theirs are far from the limits.
        plain = {"float16": np.float32, "int64": np.int32 if source.scales else np.int64}
        return values.astype(plain.get(source.dtype, values.dtype))

    def weights(self, tensor: Tensor, order: Sequence[int] | None, *, axis: int = 0) -> str:
        """The float value of a constant whose dimensions are put in `order`.

        axis: along which its scales lie, where there are several.
        """
        values = self.array(tensor)
        source = self._expanded.get(tensor.index, tensor)
        if order is not None:
            values, axis = values.transpose(order), list(order).index(axis)
        if not source.scales or values.dtype.kind == "f":
            return self.constant(values)
        stored = self.constant(values)
        scales = np.array(source.scales, np.float32)
        zeros = np.array(source.zero_points or [0] * len(scales), values.dtype)
        if len(scales) == 1:
            pair = self.constant(scales[0]), self.constant(zeros[0])
            return self.node("DequantizeLinear", [stored, *pair])
        pair = self.constant(scales), self.constant(zeros)
        return self.node("DequantizeLinear", [stored, *pair], axis=axis)

    def expand(self, op: Op) -> None:
        """Take an op that only unpacks a constant as that constant."""
        (packed,) = op.stored_inputs
        self._expanded[op.outputs[0].index] = packed

    def write(self, tensor: Tensor, name: str) -> None:
        """Let `name` be the value of `tensor`, rounded as the `.tflite` rounds it."""
        self._values[tensor.index] = self.round(tensor, name)

    def round(self, tensor: Tensor, name: str) -> str:
        """`name` rounded as `tensor` is; as it was where that is a float."""
        if not tensor.scales or tensor.dtype not in QUANTIZED:
            return name
        pair = self._pair(tensor)
        self._rounded[tensor.index] = self.node("QuantizeLinear", [name, *pair])
        return self.node("DequantizeLinear", [self._rounded[tensor.index], *pair])

    def take_input(self, tensor: Tensor, name: str) -> onnx.ValueInfoProto:
        """Let the graph's input `name` be the value of `tensor`."""
        value = name
        if len(tensor.shape) == 4:
            value = self.node("Transpose", [value], perm=TO_CHANNELS_FIRST)
        if tensor.scales and tensor.dtype in QUANTIZED:
            value = self.node("DequantizeLinear", [value, *self._pair(tensor)])
        self._values[tensor.index] = value
        return _described(tensor, name)

    def give_output(self, tensor: Tensor, name: str) -> onnx.ValueInfoProto:
        """Let the graph's output `name` be `tensor`, as integers where it holds integers."""
        value = self._rounded.get(tensor.index) or self.value(tensor)
        order = TO_CHANNELS_LAST if len(tensor.shape) == 4 else range(len(tensor.shape))
        self._nodes.append(helper.make_node("Transpose", [value], [name], perm=list(order)))
        return _described(tensor, name)

    def finish(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """The graph as a model."""
        nodes = _needed(self._nodes, {output.name for output in outputs})
        used = {name for node in nodes for name in node.input}
        constants = [stored for name, stored in self._constants.items() if name in used]
        graph = helper.make_graph(nodes, "lpie", inputs, outputs, constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _pair(self, tensor: Tensor) -> tuple[str, str]:
        """Scale and zero point of `tensor`, by name."""
        if len(tensor.scales) > 1:
            raise InputError(
                f"{self.model.name}: the tensor {tensor.name} must have one scale, as only "
                f"weights may have one for each channel. It has {len(tensor.scales)}."
            )
        zero = (tensor.zero_points or (0,))[0]
        kind = _stored_type(tensor.dtype)
        zero += INT16_SHIFT if tensor.dtype == "int16" else 0
        return self.constant(np.float32(tensor.scales[0])), self.constant(np.array(zero, kind))

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"


def _stored_type(dtype: str) -> Any:
    """The numpy type in which ONNX holds a quantized tensor."""
    return {"int8": np.int8, "uint8": np.uint8, "int16": np.uint16, "uint16": np.uint16}[dtype]


def _described(tensor: Tensor, name: str) -> onnx.ValueInfoProto:
    kinds = {
        "float32": TensorProto.FLOAT,
        "int8": TensorProto.INT8,
        "uint8": TensorProto.UINT8,
        "int16": TensorProto.UINT16,
        "uint16": TensorProto.UINT16,
    }
    if tensor.dtype not in kinds:
        raise InputError(
            f"The input or output {tensor.name} must be of {', '.join(kinds)}. "
            f"It is {tensor.dtype}."
        )
    shape = [max(n, 1) for n in tensor.shape]
    return helper.make_tensor_value_info(name, kinds[tensor.dtype], shape)


def _needed(nodes: Sequence[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that `wanted` depends on, in their order."""
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]
