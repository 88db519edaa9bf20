"""Float islands of an int8 file folded into int8 ops that runtimes have and the converter lacks."""

from collections.abc import Collection

from lpie.tflite.edit import TfliteEditor


def fold_elu(model: TfliteEditor, but: Collection[str] = ()) -> int:
    """DEQUANTIZE, ELU, QUANTIZE into one ELU of int8, in place; returns how many there were.

    but: names of the outputs of those that stay in float.

    TensorFlow's converter leaves every ELU in float. The kernels of TensorFlow Lite and XNNPACK
    look int8 values up in a table of the same 256: on XNNPACK the difference is 0; the others may
    round a tie the other way (tests/export/test_folding.py).
    """
    graph = model.graph
    writers = {i: op for op in graph.operators for i in model.outputs(op)}
    folded, ends = 0, {int(i) for i in graph.outputs}
    for elu in list(graph.operators):
        if model.op_name(elu) != "ELU":
            continue
        result = int(elu.outputs[0])
        before = writers.get(int(elu.inputs[0]))
        after = [op for op in graph.operators if result in model.inputs(op)]
        if (
            before is None
            or model.op_name(before) != "DEQUANTIZE"
            or [model.op_name(op) for op in after] != ["QUANTIZE"]
            or result in ends
            or model.tensor_name(result) in but
            or model.dtype(before.inputs[0]) != "int8"
            or model.dtype(after[0].outputs[0]) != "int8"
        ):
            continue
        graph.tensors[after[0].outputs[0]].name = graph.tensors[result].name
        elu.inputs, elu.outputs = before.inputs, after[0].outputs
        graph.operators.remove(after[0])
        folded += 1
    read = {i for op in graph.operators for i in model.inputs(op)} | ends
    graph.operators = [
        op
        for op in graph.operators
        if model.op_name(op) != "DEQUANTIZE" or read & set(model.outputs(op))
    ]
    return folded
