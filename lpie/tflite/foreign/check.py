"""Looks once at all that a `.tflite` refers to, so that nobody has to ask again.

Runtimes crash on what is refused here, and the code that reads models would go astray.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from lpie.tflite.foreign.rules import AT_LEAST_1, options_class, rule_of
from lpie.tflite.schema import TYPE_BITS, integers, is_constant, op_name, type_name

MOST_DIMENSIONS = 16
MOST_VALUES = 2**40  # of a tensor
LEAST_TABLE_BYTES = 8  # in a vector and of its own
UNSIZED = ("string", "resource", "variant")  # types without a size of their own


def too_many_tables(data: bytes) -> bool:
    """Whether the file claims more parts than its bytes can hold: a small file that shares them
    would take all memory when it is read."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(data, 0)
    most = len(data) // LEAST_TABLE_BYTES
    count = model.OperatorCodesLength() + model.BuffersLength() + model.MetadataLength()
    count += model.SubgraphsLength() + model.SignatureDefsLength()
    for k in range(min(model.SubgraphsLength(), most)):
        graph = model.Subgraphs(k)
        count += graph.TensorsLength() + graph.OperatorsLength()
        if count > most:
            return True
    for k in range(min(model.SignatureDefsLength(), most)):
        signature = model.SignatureDefs(k)
        count += signature.InputsLength() + signature.OutputsLength()
        if count > most:
            return True
    return bool(count > most)


def problems(model: Any) -> Iterator[str]:
    """What is wrong with a `ModelT`, each as the end of a sentence. Only the first one counts:
    what follows it relies on what came before."""
    parts = {"graph": model.subgraphs, "op code": model.operatorCodes, "buffer": model.buffers}
    for name, listed in parts.items():
        if not listed or any(part is None for part in listed):
            yield f"it has no {name}"
    for entry in model.metadata or []:
        if entry is None or not 0 <= entry.buffer < len(model.buffers):
            yield "a note in it lies nowhere"
    for n, graph in enumerate(model.subgraphs):
        where = f"its graph {n}" if n else "its graph"
        for reason in _graph_problems(model, graph):
            yield f"{where} {reason}"
    yield from _signature_problems(model)


def _graph_problems(model: Any, graph: Any) -> Iterator[str]:
    tensors = graph.tensors or []
    if not tensors or any(tensor is None for tensor in tensors):
        yield "has no tensors"
    ends = {"takes": graph.inputs, "returns": graph.outputs}
    for verb, indices in ends.items():
        if indices is None or not _within(indices, 0, len(tensors)):
            yield f"{verb} a tensor that it does not have"
    if not graph.operators and graph is model.subgraphs[0]:
        yield "has no ops"
    for i, tensor in enumerate(tensors):
        for reason in _tensor_problems(model, tensor):
            yield f"has a tensor ({i}) {reason}"
    for k, op in enumerate(graph.operators or []):
        for reason in _op_problems(model, graph, op):
            name = op_name(model, op) if op is not None and _has_code(model, op) else "unknown"
            yield f"has an op ({k}, {name}) {reason}"
    yield from _order_problems(model, graph)


def _tensor_problems(model: Any, tensor: Any) -> Iterator[str]:
    dtype, shape = type_name(tensor.type), integers(tensor.shape)
    if not 0 <= tensor.buffer < len(model.buffers):
        yield "whose values lie nowhere"
    if tensor.externalBuffer:
        yield "whose values are in another file, which lpie does not read"
    if dtype not in TYPE_BITS and dtype not in UNSIZED:
        yield f"of the {dtype}, which this version does not know"
    signature = integers(tensor.shapeSignature)
    if len(shape) > MOST_DIMENSIONS or min([*shape, *signature], default=0) < -1:
        yield f"of the shape {shape[:MOST_DIMENSIONS]}"
    if signature and len(signature) != len(shape):
        yield f"of {len(shape)} or {len(signature)} dimensions"
    if math.prod(max(n, 1) for n in shape) > MOST_VALUES:
        yield f"of the absurd shape {shape}"
    if is_constant(model, tensor) and tensor.sparsity is None and dtype in TYPE_BITS:
        size, needed = len(model.buffers[tensor.buffer].data), _bytes(shape, dtype)
        if size != needed:
            yield f"that needs {needed} bytes and holds {size}"
    yield from _scale_problems(tensor.quantization, len(shape))


def _bytes(shape: list[int], dtype: str) -> int:
    return math.ceil(math.prod(shape) * TYPE_BITS[dtype] / 8)


def _scale_problems(quantization: Any, rank: int) -> Iterator[str]:
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return
    scales, zeros = quantization.scale, integers(quantization.zeroPoint)
    if len(zeros) not in (1, len(scales)):
        yield f"with {len(scales)} scales and {len(zeros)} zero points"
    if not all(math.isfinite(scale) and scale >= 0 for scale in scales):
        yield "with a scale that is no positive number"
    if max(map(abs, zeros)) > 2**31:
        yield "with an absurd zero point"
    if len(scales) > 1 and not 0 <= quantization.quantizedDimension < rank:
        yield "with scales for a dimension that it does not have"


def _op_problems(model: Any, graph: Any, op: Any) -> Iterator[str]:
    if op is None or not _has_code(model, op):
        yield "of no known kind"
    for indices, least in ((op.inputs, -1), (op.outputs, 0)):
        if not _within(integers(indices), least, len(graph.tensors)):
            yield "that is joined to a tensor which is not there"
    for options in (op.builtinOptions, op.builtinOptions2):
        yield from _option_problems(model, options)
    name = op_name(model, op)
    rule = rule_of(name)
    inputs, outputs = integers(op.inputs), integers(op.outputs)
    if len(inputs) < rule.inputs or -1 in inputs[: rule.inputs]:
        yield f"with {len(inputs)} inputs instead of {rule.inputs}"
    if len(outputs) < rule.outputs:
        yield "without an output"
    known = options_class(name)
    if op.builtinOptions is None:
        if rule.needs_options:
            yield "without its options"
    elif known is not None and not isinstance(op.builtinOptions, known):
        yield "with the options of another op"
    for position, rank in rule.ranks.items():
        index = outputs[0] if position < 0 else inputs[position]
        shape = integers(graph.tensors[index].shape)
        if len(shape) != rank:
            yield f"with a tensor of {len(shape)} dimensions instead of {rank}"


def _option_problems(model: Any, options: Any) -> Iterator[str]:
    for name, value in vars(options).items() if options is not None else ():
        if name in AT_LEAST_1 and value < 1:
            yield f"whose {name} is {value}"
        if name.endswith(("ubgraphIndex", "ubgraphIndices", "subgraph")):
            indices = [value] if isinstance(value, int) else integers(value)
            # Composites and the like may have no graph to fall back on.
            if not _within(indices, -1, len(model.subgraphs)):
                yield "that calls a graph which is not there"


def _order_problems(model: Any, graph: Any) -> Iterator[str]:
    """Whether all that ops read is there when their turn comes, and nothing is written twice."""
    inputs = set(integers(graph.inputs))
    fixed = {i for i, tensor in enumerate(graph.tensors) if is_constant(model, tensor)}
    if inputs & fixed:
        yield "takes a tensor whose values are in the file"
    empty = {i for i, t in enumerate(graph.tensors) if 0 in integers(t.shape) or t.isVariable}
    written = set(inputs)
    for k, op in enumerate(graph.operators or []):
        name = op_name(model, op)
        for i in integers(op.inputs):
            if i >= 0 and not (i in written or i in fixed or i in empty):
                yield f"has an op ({k}, {name}) that reads a tensor before it is written"
        for i in integers(op.outputs):
            if i in written or i in fixed:
                yield f"has an op ({k}, {name}) that writes a tensor which has its values already"
            written.add(i)
    if not written.union(fixed, empty).issuperset(integers(graph.outputs)):
        yield "returns a tensor that no op writes"


def _signature_problems(model: Any) -> Iterator[str]:
    for signature in model.signatureDefs or []:
        if signature is None or not 0 <= signature.subgraphIndex < len(model.subgraphs):
            yield "a signature in it names a graph that is not there"
        tensors = len(model.subgraphs[signature.subgraphIndex].tensors)
        for entry in [*(signature.inputs or []), *(signature.outputs or [])]:
            if entry is None or not 0 <= entry.tensorIndex < tensors:
                yield "a signature in it names a tensor that is not there"


def _has_code(model: Any, op: Any) -> bool:
    return bool(0 <= op.opcodeIndex < len(model.operatorCodes))


def _within(indices: Iterable[Any], least: int, end: int) -> bool:
    return all(least <= int(i) < end for i in indices)
