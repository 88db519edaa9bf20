"""Changes to a `.tflite`: ops, tensors, constants and the note inside it."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.size import Size
from lpie.tflite import schema as schema_objects
from lpie.tflite.model import NOTE_NAME, TfliteModel
from lpie.tflite.scales import Scale
from lpie.tflite.schema import integers, is_constant, links, op_name, stored_bytes, text, type_name


class TfliteEditor:
    """A `.tflite` being changed. Made by `TfliteModel.edit`; `finish` gives the changed model.

    Its ops and tensors are the schema's own `OperatorT` and `TensorT`: change their fields, or the
    lists of `graph`, as needed. Tensors are named by their index in the graph.

    Args:
        schema: A `ModelT` of the TFLite schema that nobody else holds.
        name: What errors call the model.
        trusted: lpie made what is edited, and so makes the result.
    """

    def __init__(self, schema: Any, *, name: str = "the model", trusted: bool = False) -> None:
        self.schema, self.name, self.trusted = schema, name, trusted

    def finish(self) -> TfliteModel:
        """The changed model. The editor must not be used afterwards."""
        schema, self.schema = self.schema, None
        return TfliteModel(schema, name=self.name, trusted=self.trusted)

    def view(self) -> TfliteModel:
        """The model as it is now, to be asked at once: later changes make its answers wrong."""
        return TfliteModel(self.schema, name=self.name, trusted=self.trusted)

    def to_bytes(self) -> bytes:
        """The bytes of the model as it is now."""
        return schema_objects.serialize(self.schema)

    @property
    def graph(self) -> Any:
        """The first subgraph (`SubGraphT`), which is what an interpreter runs."""
        return self.schema.subgraphs[0]

    @property
    def image(self) -> Size:
        """The size of the model's one image; an `InputError` for any other signature."""
        return self.view().image

    def op_name(self, op: Any) -> str:
        """The builtin name of an `OperatorT`, such as CONV_2D, or `CUSTOM name`."""
        return op_name(self.schema, op)

    def inputs(self, op: Any) -> list[int]:
        """The tensors that an `OperatorT` reads, without absent ones."""
        return links(op.inputs)

    def outputs(self, op: Any) -> list[int]:
        """The tensors that an `OperatorT` writes."""
        return links(op.outputs)

    def tensor_name(self, i: int) -> str:
        """The name of tensor `i`."""
        return text(self.graph.tensors[i].name)

    def dtype(self, i: int) -> str:
        """The type of tensor `i`, such as float32."""
        return type_name(self.graph.tensors[i].type)

    def set_dtype(self, i: int, dtype: str) -> None:
        """Let tensor `i` be of a type, such as uint16; its values stay as they are."""
        from ai_edge_litert import schema_py_generated as schema

        self.graph.tensors[i].type = getattr(schema.TensorType, dtype.upper())

    def values(self, i: int) -> NDArray[Any]:
        """The values that tensor `i` has in the file, flat and of its type; none where an op
        writes them."""
        return np.frombuffer(stored_bytes(self.schema, self.graph.tensors[i]), self.dtype(i))

    def shape(self, i: int) -> tuple[int, ...]:
        """The shape of tensor `i`; empty where it has none."""
        return tuple(integers(self.graph.tensors[i].shape))

    def set_shape(self, i: int, shape: Sequence[int]) -> None:
        """Give tensor `i` a fixed shape."""
        tensor = self.graph.tensors[i]
        tensor.shape = np.array(shape, np.int32)
        if tensor.shapeSignature is not None and len(tensor.shapeSignature) == len(shape):
            tensor.shapeSignature = tensor.shape.copy()

    def name_apart(self) -> None:
        """Give each tensor that has no name, or that of another, a name of its own in its graph."""
        for graph in self.schema.subgraphs:
            taken = {""}
            for i, tensor in enumerate(graph.tensors):
                name = text(tensor.name)
                while name in taken:
                    name = f"{name or 'tensor'}_{i}"
                taken.add(name)
                tensor.name = name.encode()

    def is_constant(self, i: int) -> bool:
        """Whether the values of tensor `i` are in the file."""
        return is_constant(self.schema, self.graph.tensors[i])

    def int32_values(self, i: int) -> NDArray[np.int32]:
        """The int32 values that tensor `i` has in the file; none for one that an op writes."""
        return np.frombuffer(stored_bytes(self.schema, self.graph.tensors[i]), np.int32)

    def replace_values(self, i: int, values: NDArray[Any]) -> None:
        """Give tensor `i` these values in a buffer of its own: the old one may serve others too."""
        self.graph.tensors[i].buffer = self._new_buffer(values)

    def scale(self, i: int) -> Scale | None:
        """(step, zero point) of tensor `i`; None where it is not quantized."""
        quantization = self.graph.tensors[i].quantization
        if quantization is None or quantization.scale is None or not len(quantization.scale):
            return None
        return float(quantization.scale[0]), int(quantization.zeroPoint[0])

    def set_scale(self, i: int, scale: Scale) -> None:
        """Let one unit of tensor `i` be a step of `scale`, from its zero point on."""
        from ai_edge_litert import schema_py_generated as schema

        tensor, (step, zero) = self.graph.tensors[i], scale
        tensor.quantization = tensor.quantization or schema.QuantizationParametersT()
        tensor.quantization.scale = np.array([step], np.float32)
        tensor.quantization.zeroPoint = np.array([zero], np.int64)

    def make_float(self, i: int) -> None:
        """Let tensor `i` hold float32 values instead of levels."""
        from ai_edge_litert import schema_py_generated as schema

        tensor = self.graph.tensors[i]
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None

    def new_tensor(self, like: int) -> int:
        """The index of a new float tensor of the shape of `like`, without values or scale."""
        from ai_edge_litert import schema_py_generated as schema

        tensors = self.graph.tensors
        old, new = tensors[like], schema.TensorT()
        new.shape, new.shapeSignature, new.name = old.shape, old.shapeSignature, f"{len(tensors)}"
        new.buffer, new.hasRank = 0, old.hasRank
        tensors.append(new)
        return len(tensors) - 1

    def new_levels(self, like: int, scale: Scale) -> int:
        """The index of a new int8 tensor of the shape of `like` on the levels of `scale`."""
        from ai_edge_litert import schema_py_generated as schema

        i = self.new_tensor(like)
        self.graph.tensors[i].type = schema.TensorType.INT8
        self.set_scale(i, scale)
        return i

    def new_twin(self, i: int) -> int:
        """The index of a new tensor that is as `i` is, but for its name."""
        tensor = copy.copy(self.graph.tensors[i])
        tensor.name = b""
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def new_constant(self, values: Any) -> int:
        """The index of a new tensor of these int32 values."""
        from ai_edge_litert import schema_py_generated as schema

        tensor, data = schema.TensorT(), np.array(values, np.int32)
        tensor.shape, tensor.type, tensor.name = np.array(data.shape, np.int32), 2, b""
        tensor.buffer, tensor.hasRank = self._new_buffer(data), True
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def new_op(self, name: str, version: int, inputs: Sequence[int], output: int) -> Any:
        """A builtin op (`OperatorT`) without options, which the caller puts among the graph's."""
        from ai_edge_litert import schema_py_generated as schema

        op = schema.OperatorT()
        op.opcodeIndex = self._op_code(name, version)
        op.inputs, op.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        return op

    def turn_into(self, op: Any, name: str, version: int) -> None:
        """Let `op` be another builtin op without options, of the same inputs and outputs."""
        from ai_edge_litert import schema_py_generated as schema

        op.opcodeIndex = self._op_code(name, version)
        op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.NONE, None

    def write_note(self, text: str) -> None:
        """Store `text` inside the file, replacing an older note of lpie's."""
        from ai_edge_litert import schema_py_generated as schema

        data = np.frombuffer(text.encode(), np.uint8)
        for entry in self.schema.metadata or []:
            if entry.name == NOTE_NAME.encode():
                self.schema.buffers[entry.buffer].data = data
                return
        entry = schema.MetadataT()
        entry.name, entry.buffer = NOTE_NAME.encode(), self._new_buffer(data)
        self.schema.metadata = [*(self.schema.metadata or []), entry]

    def _new_buffer(self, values: NDArray[Any]) -> int:
        from ai_edge_litert import schema_py_generated as schema

        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.schema.buffers.append(buffer)
        return len(self.schema.buffers) - 1

    def _op_code(self, name: str, version: int) -> int:
        """The index of the operator code of a builtin op, new where the model has none."""
        from ai_edge_litert import schema_py_generated as schema

        builtin = getattr(schema.BuiltinOperator, name)
        for i, code in enumerate(self.schema.operatorCodes):
            if (code.builtinCode, code.version) == (builtin, version):
                return i
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = version
        self.schema.operatorCodes.append(code)
        return len(self.schema.operatorCodes) - 1
