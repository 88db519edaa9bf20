"""What an int8 file takes and returns: uint8 as photos are, int8, or float32."""

from typing import Literal, get_args

from lpie.errors import InputError, unknown_name
from lpie.export.recipes import find_recipe
from lpie.tflite.edit import TfliteEditor
from lpie.tflite.model import CONVERSIONS

IoName = Literal["uint8", "int8", "float32"]


def check_io(io: str | None, recipe: str) -> None:
    """Raise an `InputError` for an unknown type, or one that the files of `recipe` do not have.

    None, the recipe's own, is right for all.
    """
    if io is None:
        return
    if io not in get_args(IoName):
        raise unknown_name("type of input and output", io, get_args(IoName))
    if find_recipe(recipe).activations != "int8" or recipe == "mixed":
        raise InputError(f"`io` is a choice of the recipe int8 alone. Received: {recipe}.")


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
        from ai_edge_litert import schema_py_generated as schema

        for i in (graph.inputs[0], graph.outputs[0]):
            graph.tensors[i].type, graph.tensors[i].quantization = schema.TensorType.FLOAT32, None
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
