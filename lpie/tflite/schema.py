"""The objects of the TFLite schema: parsed, checked, copied and serialized.

Only `lpie.tflite` works on these objects; everything else holds a `TfliteModel` or `TfliteEditor`.
"""

import contextlib
import copy
import functools
import struct
from collections.abc import Iterable
from typing import Any

from lpie.errors import InputError


def parse(data: bytes, name: str = "the model") -> Any:
    """The `ModelT` in `data`. Runtimes crash on damaged files, so every part is walked here."""
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
    name = flatbuffer_utils.opcode_to_name(model, op.opcodeIndex)
    return f"CUSTOM {code.customCode.decode()}" if code.customCode else str(name)


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
            ends = [*(op.inputs if op.inputs is not None else []), *op.outputs]
            known = 0 <= op.opcodeIndex < len(model.operatorCodes)
            if not known or any(not -1 <= i < tensors for i in ends):
                return False
    return True
