"""The objects of the TFLite schema: parsed, checked, copied and serialized.

Only `lpie.tflite` works on these objects; everything else holds a `TfliteModel` or `TfliteEditor`.
"""

import contextlib
import copy
import functools
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.printable import printable

TYPE_BITS = {
    "int2": 2,
    "int4": 4,
    "uint4": 4,
    "bool": 8,
    "int8": 8,
    "uint8": 8,
    "float8_e4m3fn": 8,
    "float8_e5m2": 8,
    "float16": 16,
    "bfloat16": 16,
    "int16": 16,
    "uint16": 16,
    "float32": 32,
    "int32": 32,
    "uint32": 32,
    "float64": 64,
    "int64": 64,
    "uint64": 64,
    "complex64": 64,
    "complex128": 128,
}


def parse(data: bytes, name: str = "the model") -> Any:
    """The `ModelT` in `data`, checked: all that it refers to is there (`lpie.tflite.foreign`)."""
    from lpie.tflite.foreign.check import problems, too_many_tables

    if data[4:8] != b"TFL3":
        raise InputError(f"{name} is not a TFLite model: it lacks the identifier TFL3.")
    # A damaged offset shows as whichever of these Python meets first.
    damage = (struct.error, IndexError, ValueError, TypeError, MemoryError, OverflowError)
    reason: str | None = "truncated or damaged"
    with contextlib.suppress(*damage):
        if not too_many_tables(data):
            model = _unpacked(data)
            reason = next(problems(model), None)
            if reason is None:
                return model
    raise InputError(f"{name} is not a complete TFLite model: {reason}.")


def _unpacked(data: bytes) -> Any:
    """The `ModelT` in `data`. Weights that lie behind the flatbuffer, as those of files beyond 2 GB
    do, are in it like all others."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(data))
    for buffer in model.buffers or []:
        if buffer.offset > 1:  # 1 marks a place that no converter has filled
            buffer.data = _outside(data, buffer.offset, buffer.size)
        buffer.offset = buffer.size = 0
    for graph in model.subgraphs or []:
        for op in graph.operators or []:
            if op.largeCustomOptionsOffset > 1:
                place = op.largeCustomOptionsOffset, op.largeCustomOptionsSize
                op.customOptions = _outside(data, *place)
            op.largeCustomOptionsOffset = op.largeCustomOptionsSize = 0
    return model


def _outside(data: bytes, offset: int, size: int) -> NDArray[np.uint8]:
    """Bytes of the file by their place; a ValueError where they end beyond it."""
    return np.frombuffer(data, np.uint8, size, offset)


def serialize(model: Any) -> bytes:
    """The bytes of a `ModelT`."""
    from ai_edge_litert.tools import flatbuffer_utils

    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def copied(model: Any) -> Any:
    """A `ModelT` that can be changed without changing `model`.

    Only the bytes of weights are shared: they are replaced and never written to.
    """
    twin = copy.copy(model)
    twin.buffers = [copy.copy(buffer) for buffer in model.buffers]
    twin.subgraphs = copy.deepcopy(model.subgraphs)
    twin.operatorCodes = copy.deepcopy(model.operatorCodes)
    twin.signatureDefs = copy.deepcopy(model.signatureDefs)
    twin.metadata = copy.deepcopy(model.metadata)
    return twin


def op_name(model: Any, op: Any) -> str:
    """The builtin name of an `OperatorT`, such as CONV_2D, or `CUSTOM name`."""
    from ai_edge_litert.tools import flatbuffer_utils

    code = model.operatorCodes[op.opcodeIndex]
    if code.customCode:
        return f"CUSTOM {printable(text(code.customCode))}"
    name = flatbuffer_utils.opcode_to_name(model, op.opcodeIndex)
    if name is None:
        number = flatbuffer_utils.get_builtin_code_from_operator_code(code)
        return f"builtin {number} (unknown to this version)"
    return str(name)


def text(name: Any) -> str:
    """A name, which is bytes in a parsed file and may be a string in an edited one."""
    return name if isinstance(name, str) else (name or b"").decode(errors="replace")


def type_name(number: int) -> str:
    """`float32` for 0 and so on, by the schema's `TensorType`."""
    return str(_type_names().get(number, f"type {number}"))


def integers(values: Any) -> list[int]:
    """A field of integers, which is None where it is empty."""
    return [] if values is None else [int(n) for n in values]


def links(indices: Iterable[Any] | None) -> list[int]:
    """Tensor indices without -1, which marks an absent optional input."""
    return [i for i in integers(indices) if i >= 0]


def stored_bytes(model: Any, tensor: Any) -> bytes:
    """The bytes that a `TensorT` has in the file; none for one that an op writes in the run."""
    data = model.buffers[tensor.buffer].data
    return b"" if data is None else bytes(data)


def is_constant(model: Any, tensor: Any) -> bool:
    """Whether the values of a `TensorT` are in the file."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


@functools.cache
def _type_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {value: name.lower() for name, value in vars(schema.TensorType).items()}
