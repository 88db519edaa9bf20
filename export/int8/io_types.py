"""What an int8 file takes and returns: uint8 as photos are, int8, or float32."""

from typing import Any, Literal, get_args

from lpie.errors import InputError, unknown_name
from lpie.export.recipes import find_recipe
from lpie.tflite.model import CONVERSIONS, op_code

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


def set_ends(graph: Any, io: str) -> None:
    """Let an int8 `graph` with uint8 ends, each behind a QUANTIZE, take and return `io`, in place.

    The int8 ops in between, and so the levels, stay as they are.
    """
    main = graph.subgraphs[0]
    first, last = main.operators[0], main.operators[-1]
    if io == "int8":
        main.operators = main.operators[1:-1]
        _rename(graph, int(main.inputs[0]), int(first.outputs[0]))
        _rename(graph, int(main.outputs[0]), int(last.inputs[0]))
    if io == "float32":
        from ai_edge_litert import schema_py_generated as schema

        for i in (main.inputs[0], main.outputs[0]):
            main.tensors[i].type, main.tensors[i].quantization = schema.TensorType.FLOAT32, None
        last.opcodeIndex = op_code(graph, "DEQUANTIZE", CONVERSIONS["DEQUANTIZE"])
        last.builtinOptionsType, last.builtinOptions = schema.BuiltinOptions.NONE, None


def _rename(graph: Any, old: int, new: int) -> None:
    """Let the input or output `old` be the tensor `new`, under the same name."""
    main = graph.subgraphs[0]
    main.tensors[new].name = main.tensors[old].name
    for ends in (main.inputs, main.outputs):
        ends[ends == old] = new
    for signature in graph.signatureDefs or []:
        for each in (*signature.inputs, *signature.outputs):
            each.tensorIndex = new if each.tensorIndex == old else each.tensorIndex
