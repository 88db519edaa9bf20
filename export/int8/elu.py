"""Float islands of an int8 file folded into int8 ops that runtimes have and the converter lacks."""

from collections.abc import Collection
from typing import Any

from lpie.tflite.model import links, op_name, type_name


def fold_elu(graph: Any, but: Collection[str] = ()) -> int:
    """DEQUANTIZE, ELU, QUANTIZE into one ELU of int8, in place; how many there were.

    but: names of the outputs of those that stay in float.

    TensorFlow's converter leaves every ELU in float. The kernels of TensorFlow Lite and XNNPACK
    look int8 values up in a table of the same 256: on XNNPACK the difference is 0; the others may
    round a tie the other way (tests/export/test_folding.py).
    """
    main = graph.subgraphs[0]
    makers = {i: op for op in main.operators for i in links(op.outputs)}
    folded, ends = 0, {int(i) for i in main.outputs}
    for elu in list(main.operators):
        if op_name(graph, elu) != "ELU":
            continue
        before = makers.get(int(elu.inputs[0]))
        after = [op for op in main.operators if elu.outputs[0] in links(op.inputs)]
        if (
            before is None
            or op_name(graph, before) != "DEQUANTIZE"
            or [op_name(graph, op) for op in after] != ["QUANTIZE"]
            or elu.outputs[0] in ends
            or main.tensors[elu.outputs[0]].name.decode() in but
            or type_name(main.tensors[before.inputs[0]].type) != "int8"
            or type_name(main.tensors[after[0].outputs[0]].type) != "int8"
        ):
            continue
        main.tensors[after[0].outputs[0]].name = main.tensors[elu.outputs[0]].name
        elu.inputs, elu.outputs = before.inputs, after[0].outputs
        main.operators.remove(after[0])
        folded += 1
    read = {i for op in main.operators for i in links(op.inputs)} | ends
    main.operators = [
        op
        for op in main.operators
        if op_name(graph, op) != "DEQUANTIZE" or read & set(links(op.outputs))
    ]
    return folded
