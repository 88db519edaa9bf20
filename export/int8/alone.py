"""What a single layer loses in int8, in a graph that is float elsewhere."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lpie.tflite.model import CONVERSIONS, is_constant, links, new_op, type_name
from lpie.tflite.scales import Scale


@contextlib.contextmanager
def in_int8(graph: Any, op: Any, scales: Mapping[str, Scale]) -> Iterator[None]:
    """Within it, `op` of a float `graph` reads and returns the levels that an int8 one would.

    scales: of tensors, by name; those without one stay as they are. Kernels are not rounded.
    """
    main = graph.subgraphs[0]
    tensors, operators = list(main.tensors), list(main.operators)
    inputs, outputs = op.inputs, op.outputs
    before: list[Any] = []
    after: list[Any] = []
    try:
        op.inputs, op.outputs = np.array(inputs), np.array(outputs)
        for i in {*links(inputs)}:
            if scale := _scale(graph, i, scales):
                rounded = _like(graph, i)
                before += _rounding(graph, i, rounded, scale)
                op.inputs[inputs == i] = rounded
        result = int(outputs[0])
        if scale := _scale(graph, result, scales):
            op.outputs[0] = _like(graph, result)
            after = _rounding(graph, op.outputs[0], result, scale)
        at = operators.index(op)
        main.operators = [*operators[:at], *before, op, *after, *operators[at + 1 :]]
        yield
    finally:
        op.inputs, op.outputs = inputs, outputs
        main.tensors, main.operators = tensors, operators


def _scale(graph: Any, i: int, scales: Mapping[str, Scale]) -> Scale | None:
    tensor = graph.subgraphs[0].tensors[i]
    if type_name(tensor.type) != "float32" or is_constant(graph, tensor):
        return None
    return scales.get(tensor.name.decode())


def _rounding(graph: Any, source: int, result: int, scale: Scale) -> list[Any]:
    """The ops that make of `source` the levels of `scale`, and of these the float `result`."""
    levels = _like(graph, source, scale)
    return [
        new_op(graph, kind, CONVERSIONS[kind], [read], made)
        for kind, read, made in (("QUANTIZE", source, levels), ("DEQUANTIZE", levels, result))
    ]


def _like(graph: Any, i: int, scale: Scale | None = None) -> int:
    """The index of a new tensor of the shape of `i`: of int8 levels if there is a `scale`."""
    from ai_edge_litert import schema_py_generated as schema

    main = graph.subgraphs[0]
    old, new = main.tensors[i], schema.TensorT()
    new.shape, new.shapeSignature, new.name = old.shape, old.shapeSignature, f"{len(main.tensors)}"
    new.buffer, new.hasRank = 0, old.hasRank
    if scale is not None:
        step, zero = scale
        new.type = schema.TensorType.INT8
        new.quantization = schema.QuantizationParametersT()
        new.quantization.scale = np.array([step], np.float32)
        new.quantization.zeroPoint = np.array([zero], np.int64)
    main.tensors.append(new)
    return len(main.tensors) - 1
