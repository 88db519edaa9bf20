"""The input and output type of an int8 file: uint8 as photos are, int8, or float32."""

from lpie.tflite.edit import TfliteEditor
from lpie.tflite.model import CONVERSIONS


def set_io(model: TfliteEditor, io: str) -> None:
    """Let an int8 `model`, which takes and returns uint8, take and return `io`, in place.

    It has a QUANTIZE at either end. The int8 ops in between, and so the levels, stay as they are.
    """
    graph = model.graph
    first, last = graph.operators[0], graph.operators[-1]
    if io == "int8":
        graph.operators = graph.operators[1:-1]
        _rename(model, int(graph.inputs[0]), int(first.outputs[0]))
        _rename(model, int(graph.outputs[0]), int(last.inputs[0]))
    if io == "float32":
        for i in (graph.inputs[0], graph.outputs[0]):
            model.make_float(i)
        model.turn_into(last, "DEQUANTIZE", CONVERSIONS["DEQUANTIZE"])


def _rename(model: TfliteEditor, old: int, new: int) -> None:
    """Let the input or output `old` be the tensor `new`, under the same name."""
    graph = model.graph
    graph.tensors[new].name = graph.tensors[old].name
    for ends in (graph.inputs, graph.outputs):
        ends[ends == old] = new
    for signature in model.schema.signatureDefs or []:
        for entry in (*signature.inputs, *signature.outputs):
            entry.tensorIndex = new if entry.tensorIndex == old else entry.tensorIndex
