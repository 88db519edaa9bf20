"""An op of a TFLite graph with what a rule may ask about it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lpie.tflite.model import is_constant, op_name, schema_of, stored_tensors, type_name


@dataclass(frozen=True)
class Operand:
    """A tensor as an op sees it. `stored` ones are known before the run: weights, axes, sizes."""

    index: int
    shape: tuple[int, ...]
    dtype: str
    stored: bool
    # The numbers of an integer constant (axes, sizes, paddings), else empty.
    values: tuple[int, ...]
    # Per tensor or per channel; empty when the tensor is not quantised.
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    # Height, width or channels may change at run time.
    dynamic: bool


@dataclass(frozen=True)
class Node:
    """One op in the file's order. An absent optional input is None."""

    index: int
    op: str
    version: int
    options: Any
    inputs: tuple[Operand | None, ...]
    outputs: tuple[Operand, ...]

    @property
    def runtime_inputs(self) -> list[Operand]:
        """Inputs that are known only when an image comes."""
        return [tensor for tensor in self.inputs if tensor is not None and not tensor.stored]

    @property
    def stored_inputs(self) -> list[Operand]:
        """Inputs whose values are in the file."""
        return [tensor for tensor in self.inputs if tensor is not None and tensor.stored]

    def input(self, position: int) -> Operand | None:
        """The input at `position`, None where the op has none."""
        return self.inputs[position] if position < len(self.inputs) else None

    @property
    def folded(self) -> bool:
        """Whether the op only unpacks weights: delegates do that once, when they load."""
        return self.op in ("DEQUANTIZE", "DENSIFY") and not self.runtime_inputs

    def option(self, name: str, default: Any = None) -> Any:
        """The builtin option `name`; `default` when the op carries none."""
        return getattr(self.options, name, default)


def read_nodes(model: Any) -> list[Node]:
    """The ops of the first subgraph of `model`, a `ModelT`, in the order they run."""
    model = schema_of(model)
    graph = model.subgraphs[0]
    stored = stored_tensors(model)
    operands = [
        _operand(model, i, tensor, stored=i in stored) for i, tensor in enumerate(graph.tensors)
    ]
    return [
        Node(
            index=n,
            op=op_name(model, op),
            # Old converters leave 0 for version 1.
            version=max(int(model.operatorCodes[op.opcodeIndex].version), 1),
            options=op.builtinOptions,
            inputs=tuple(None if i < 0 else operands[i] for i in _indices(op.inputs)),
            outputs=tuple(operands[i] for i in _indices(op.outputs)),
        )
        for n, op in enumerate(graph.operators)
    ]


def _operand(model: Any, index: int, tensor: Any, *, stored: bool) -> Operand:
    quantization = tensor.quantization
    signature = _indices(tensor.shapeSignature)
    shape = tuple(_indices(tensor.shape))
    return Operand(
        index=index,
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
