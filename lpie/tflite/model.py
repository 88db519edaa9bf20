"""A `.tflite` file, parsed once: its ops, tensors, image size and spec.

Needs only the schema that ai-edge-litert carries, not TensorFlow.
"""

import contextlib
import functools
import hashlib
import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.size import Size

if TYPE_CHECKING:
    from lpie.tflite.edit import TfliteEditor
    from lpie.tflite.spec import ModelSpec

NOTE_NAME = "lpie_spec"
# Ops between float and integer tensors, and the version of each that knows int8.
CONVERSIONS = {"QUANTIZE": 1, "DEQUANTIZE": 2}


@dataclass(frozen=True)
class Tensor:
    """A tensor as an op sees it. `stored` ones are known before the run: weights, axes, sizes."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    stored: bool
    # The numbers of an integer constant (axes, sizes, paddings), else empty.
    values: tuple[int, ...]
    # Per tensor or per channel; empty when the tensor is not quantized.
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    # Height, width or channels may change at run time.
    dynamic: bool


@dataclass(frozen=True)
class Op:
    """One op in the file's order. An absent optional input is None."""

    index: int
    name: str
    version: int
    options: Any
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    @property
    def runtime_inputs(self) -> list[Tensor]:
        """Inputs that are known only when an image comes."""
        return [tensor for tensor in self.inputs if tensor is not None and not tensor.stored]

    @property
    def stored_inputs(self) -> list[Tensor]:
        """Inputs whose values are in the file."""
        return [tensor for tensor in self.inputs if tensor is not None and tensor.stored]

    def input(self, position: int) -> Tensor | None:
        """The input at `position`, None where the op has none."""
        return self.inputs[position] if position < len(self.inputs) else None

    @property
    def folded(self) -> bool:
        """Whether the op only unpacks weights: delegates do that once, when they load."""
        return self.name in ("DEQUANTIZE", "DENSIFY") and not self.runtime_inputs

    def option(self, name: str, default: Any = None) -> Any:
        """The builtin option `name`; `default` when the op carries none."""
        return getattr(self.options, name, default)


class TfliteModel:
    """A `.tflite` file, parsed once and never changed; `edit()` makes a changed one.

    Args:
        schema: The `ModelT` of the TFLite schema. The model owns it: nobody else may change it.
        name: What errors call the model, mostly its path.
        data: The bytes that `schema` was parsed from, where there are any.
    """

    def __init__(self, schema: Any, *, name: str = "the model", data: bytes | None = None) -> None:
        self._schema, self.name, self._data = schema, name, data

    @staticmethod
    def read(path: Path) -> "TfliteModel":
        """The model in the file `path`; an `InputError` when it is none, or damaged."""
        if not path.is_file():
            raise InputError(f"{path} does not exist or is not a file.")
        return TfliteModel.parse(path.read_bytes(), str(path))

    @staticmethod
    def parse(data: bytes, name: str = "the model") -> "TfliteModel":
        """The model in `data`; an `InputError` when it is none, or damaged."""
        return TfliteModel(parse_tflite(data, name), name=name, data=data)

    def to_bytes(self) -> bytes:
        """The file's bytes: those it was parsed from, else serialized once."""
        if self._data is None:
            self._data = serialise(self._schema)
        return self._data

    @functools.cached_property
    def sha256(self) -> str:
        """The digest of `to_bytes`, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @functools.cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors of the first subgraph, which is what an interpreter runs."""
        listed = self._schema.subgraphs[0].tensors
        return tuple(
            _tensor(self._schema, i, each, stored=i in self.stored) for i, each in enumerate(listed)
        )

    @functools.cached_property
    def ops(self) -> tuple[Op, ...]:
        """The ops of the first subgraph in the order they run."""
        return tuple(
            Op(
                index=n,
                name=op_name(self._schema, op),
                # Old converters leave 0 for version 1.
                version=max(int(self._schema.operatorCodes[op.opcodeIndex].version), 1),
                options=op.builtinOptions,
                inputs=tuple(None if i < 0 else self.tensors[i] for i in _indices(op.inputs)),
                outputs=tuple(self.tensors[i] for i in _indices(op.outputs)),
            )
            for n, op in enumerate(self._schema.subgraphs[0].operators)
        )

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the model takes."""
        return tuple(self.tensors[i] for i in _indices(self._schema.subgraphs[0].inputs))

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What the model returns."""
        return tuple(self.tensors[i] for i in _indices(self._schema.subgraphs[0].outputs))

    @property
    def image(self) -> Size:
        """The size of the model's one image; an `InputError` when it does not take and return one
        [1, H, W, 3] image."""
        return Size(*image_size(self._schema))

    @functools.cached_property
    def stored(self) -> frozenset[int]:
        """Indices of tensors known before the run: constants, and what ops make of constants alone.

        float16 files store each weight as float16 and expand it by a DEQUANTIZE, which delegates
        fold away.
        """
        return frozenset(stored_tensors(self._schema))

    @functools.cached_property
    def sizeless(self) -> frozenset[int]:
        """Indices of tensors that are the same at every image size: the stored ones, means over
        the whole height and width, and what ops make of them."""
        return frozenset(sizeless_tensors(self._schema))

    @functools.cached_property
    def spec(self) -> "ModelSpec | None":
        """The spec inside the file; None when lpie did not make it."""
        from lpie.tflite.spec import ModelSpec

        note = read_note(self._schema)
        if note is None:
            return None
        return ModelSpec.from_json(note, f"The note inside {self.name}")

    def array(self, tensor: Tensor) -> NDArray:
        """The values of a constant, as the file stores them."""
        raw = self._schema.subgraphs[0].tensors[tensor.index]
        data = np.asarray(self._schema.buffers[raw.buffer].data, np.uint8)
        return data.view(tensor.dtype).reshape(tensor.shape)

    def resized(self, size: Size, *, multiple: int = 1) -> "TfliteModel":
        """The model for images of another size (see `lpie.tflite.resize.resize`)."""
        from lpie.tflite.resize import resize

        if self.image == size and len(self._schema.subgraphs) == 1:
            return self
        editor = self.edit()
        resize(editor, *size, multiple)
        return editor.finish()

    def edit(self) -> "TfliteEditor":
        """A copy that can be changed; its `finish()` is a new model."""
        from lpie.tflite.edit import TfliteEditor

        return TfliteEditor(_copy(self._schema), name=self.name)


def _tensor(model: Any, index: int, tensor: Any, *, stored: bool) -> Tensor:
    quantization = tensor.quantization
    signature, shape = _indices(tensor.shapeSignature), tuple(_indices(tensor.shape))
    return Tensor(
        index=index,
        name=(tensor.name or b"").decode(errors="replace"),
        shape=shape,
        dtype=type_name(tensor.type),
        stored=stored,
        values=_values(model, tensor),
        scales=tuple(float(s) for s in _list(quantization, "scale")),
        zero_points=tuple(int(z) for z in _list(quantization, "zeroPoint")),
        # Interpreters run an open batch as 1, so only the other dimensions count.
        dynamic=any(n < 0 for n in (*signature[1:], *shape[1:])),
    )


def _values(model: Any, tensor: Any) -> tuple[int, ...]:
    """The numbers of a small constant of int32 or int64."""
    kind = {"int32": np.int32, "int64": np.int64}.get(type_name(tensor.type))
    shape = _indices(tensor.shape)
    if kind is None or not is_constant(model, tensor) or math.prod(shape) > 64:
        return ()
    data = bytes(model.buffers[tensor.buffer].data)
    if len(data) % np.dtype(kind).itemsize:
        return ()
    return tuple(int(n) for n in np.frombuffer(data, kind))


def _indices(values: Any) -> list[int]:
    return [] if values is None else [int(n) for n in values]


def _list(quantization: Any, name: str) -> list[Any]:
    values = None if quantization is None else getattr(quantization, name)
    return [] if values is None else list(values)


@functools.cache
def _type_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {value: name.lower() for name, value in vars(schema.TensorType).items()}


def type_name(number: int) -> str:
    """`float32` for 0 and so on, by the schema's `TensorType`."""
    return str(_type_names().get(number, f"type {number}"))


def _copy(model: Any) -> Any:
    """A `ModelT` that can be changed without changing `model`: only the bytes of weights, which
    are replaced and never written to, are shared."""
    import copy

    twin = copy.copy(model)
    twin.buffers = [copy.copy(each) for each in model.buffers]
    twin.subgraphs = copy.deepcopy(model.subgraphs)
    twin.operatorCodes = copy.deepcopy(model.operatorCodes)
    twin.signatureDefs = copy.deepcopy(model.signatureDefs)
    twin.metadata = copy.deepcopy(model.metadata)
    return twin


# The functions below work on the schema's `ModelT`. Outside `lpie.tflite` use the classes.


def schema_of(model: Any) -> Any:
    """The `ModelT` of a `TfliteModel`, a `TfliteEditor`, or itself."""
    for name in ("_schema", "schema"):
        if hasattr(model, name):
            return getattr(model, name)
    return model


def read_tflite(path: Path) -> Any:
    """The model in `path` as a `ModelT` of the TFLite schema; an `InputError` if it is none."""
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file.")
    return parse_tflite(path.read_bytes(), str(path))


def parse_tflite(data: bytes, name: str = "the model") -> Any:
    """The model in `data`. Runtimes crash on damaged files, so every part is walked here."""
    from ai_edge_litert.tools import flatbuffer_utils

    if data[4:8] != b"TFL3":
        raise InputError(f"{name} is not a TFLite model: it lacks the identifier TFL3.")
    # A damaged offset shows as whichever of these Python meets first.
    damage = (struct.error, IndexError, ValueError, TypeError, MemoryError, OverflowError)
    with contextlib.suppress(*damage):
        model = flatbuffer_utils.convert_bytearray_to_object(bytearray(data))
        if _complete(model):
            return model
    raise InputError(f"{name} is not a complete TFLite model: truncated or damaged.")


def serialise(model: Any) -> bytes:
    """The bytes of a `ModelT`."""
    from ai_edge_litert.tools import flatbuffer_utils

    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def op_name(model: Any, op: Any) -> str:
    """The builtin name of an operator, such as CONV_2D, or `CUSTOM name`."""
    from ai_edge_litert.tools import flatbuffer_utils

    code = model.operatorCodes[op.opcodeIndex]
    name = flatbuffer_utils.opcode_to_name(model, op.opcodeIndex)
    return f"CUSTOM {code.customCode.decode()}" if code.customCode else str(name)


def op_code(model: Any, name: str, version: int) -> int:
    """The index of the operator code of a builtin op, which `model` gets where it has none."""
    from ai_edge_litert import schema_py_generated as schema

    builtin = getattr(schema.BuiltinOperator, name)
    for i, code in enumerate(model.operatorCodes):
        if (code.builtinCode, code.version) == (builtin, version):
            return i
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def new_op(model: Any, name: str, version: int, inputs: Sequence[int], output: int) -> Any:
    """A builtin op without options, which the caller puts among the graph's."""
    from ai_edge_litert import schema_py_generated as schema

    op = schema.OperatorT()
    op.opcodeIndex = op_code(model, name, version)
    op.inputs, op.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    return op


def is_constant(model: Any, tensor: Any) -> bool:
    """Whether the tensor's values are stored in the file."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def stored_integers(model: Any, i: int) -> NDArray[np.int32]:
    """The int32 values that tensor `i` has in the file; none for one that is made in the run."""
    data = model.buffers[model.subgraphs[0].tensors[i].buffer].data
    return np.frombuffer(bytes(data if data is not None else b""), np.int32)


def links(indices: Iterable[Any] | None) -> list[int]:
    """Tensor indices without -1, which marks an absent optional input."""
    return [int(i) for i in (indices if indices is not None else ()) if i >= 0]


def stored_tensors(model: Any) -> set[int]:
    """Indices of tensors known before the run: constants, and what ops make of constants alone.

    float16 files store each weight as float16 and expand it by a DEQUANTIZE, which delegates
    fold away.
    """
    graph = model.subgraphs[0]
    known = {i for i, tensor in enumerate(graph.tensors) if is_constant(model, tensor)}
    for op in graph.operators:  # in the order of execution
        inputs = links(op.inputs)
        if inputs and known.issuperset(inputs):
            known.update(links(op.outputs))
    return known


def sizeless_tensors(model: Any) -> set[int]:
    """Indices of tensors that are the same at every image size.

    These are the stored ones, means over the whole height and width, and what ops make of them.
    """
    graph, stored = model.subgraphs[0], stored_tensors(model)
    pooled: set[int] = set()
    for op in graph.operators:
        inputs = set(links(op.inputs)) - stored
        means = op_name(model, op) == "MEAN" and {1, 2} <= {
            int(axis) % 4 for axis in stored_integers(model, op.inputs[1])
        }
        if means or (inputs and inputs <= pooled):
            pooled.update(links(op.outputs))
    return stored | pooled


def image_size(model: Any) -> tuple[int, int]:
    """(height, width) of the model's only image input; an `InputError` for any other signature."""
    graph = model.subgraphs[0]
    shapes = [[int(n) for n in graph.tensors[i].shape] for i in (*graph.inputs, *graph.outputs)]
    if len(shapes) != 2 or any(len(s) != 4 or s[3] != 3 for s in shapes) or min(shapes[0]) < 1:
        raise InputError(
            "The model must take one [1, H, W, 3] image of a fixed size and return one. "
            f"Its inputs and outputs have the shapes {shapes}."
        )
    return shapes[0][1], shapes[0][2]


def write_note(model: Any, text: str) -> None:
    """Store `text` inside the model as the metadata buffer `lpie_spec`, replacing an older one."""
    from ai_edge_litert import schema_py_generated as schema

    data = np.frombuffer(text.encode(), np.uint8)
    for entry in model.metadata or []:
        if entry.name == NOTE_NAME.encode():
            model.buffers[entry.buffer].data = data
            return
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = data
    entry.name, entry.buffer = NOTE_NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]


def read_note(model: Any) -> str | None:
    """The text that `write_note` stored, or None."""
    for entry in model.metadata or []:
        if entry.name == NOTE_NAME.encode():
            return bytes(model.buffers[entry.buffer].data).decode()
    return None


def _complete(model: Any) -> bool:
    """Whether every index in the file points at something."""
    if not model.subgraphs or model.buffers is None or not model.operatorCodes:
        return False
    for graph in model.subgraphs:
        tensors = len(graph.tensors or [])
        if not tensors or graph.inputs is None or graph.outputs is None or not graph.operators:
            return False
        if any(not 0 <= t.buffer < len(model.buffers) for t in graph.tensors):
            return False
        for op in graph.operators:
            links = [*(op.inputs if op.inputs is not None else []), *op.outputs]
            known = 0 <= op.opcodeIndex < len(model.operatorCodes)
            if not known or any(not -1 <= i < tensors for i in links):
                return False
    return True
