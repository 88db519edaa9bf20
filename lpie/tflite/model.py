"""`.tflite` files as objects: read and checked, and with our notes inside.

Needs only the schema that ai-edge-litert carries, not TensorFlow.
"""

import contextlib
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError

NOTE_NAME = "lpie_spec"
# Ops between float and integer tensors, and the version of each that knows int8.
CONVERSIONS = {"QUANTIZE": 1, "DEQUANTIZE": 2}


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
