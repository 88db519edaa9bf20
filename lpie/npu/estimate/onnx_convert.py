"""A `.tflite`, or one op of it, as an ONNX model."""

from collections.abc import Mapping, Sequence

import onnx

from lpie.errors import InputError
from lpie.npu.estimate.onnx_graph import OnnxGraph
from lpie.npu.estimate.onnx_image_ops import IMAGE_OPS, Writer
from lpie.npu.estimate.onnx_value_ops import VALUE_OPS
from lpie.tflite.model import Op, Tensor, TfliteModel

WRITERS: Mapping[str, Writer] = {**IMAGE_OPS, **VALUE_OPS}


def to_onnx(model: TfliteModel) -> onnx.ModelProto:
    """The ONNX model that computes what `model` computes.

    Its inputs and outputs are called `input_0`, `output_0` and so on, and have the shapes and types
    of those of `model`; int16 becomes uint16, 32768 higher.

    Raises:
        InputError: An op is unknown here, or the file has a tensor of open size.
    """
    unknown = sorted({op.name for op in model.ops} - set(WRITERS))
    if unknown:
        raise InputError(
            f"{model.name} has ops that lpie cannot write as ONNX: {', '.join(unknown)}. "
            "Export the network without them."
        )
    if any(tensor.dynamic for tensor in (*model.inputs, *model.outputs)):
        raise InputError(
            f"{model.name} takes images of any size; a compiler needs one: use --size."
        )
    return _converted(model, model.ops, model.inputs, model.outputs)


def op_to_onnx(model: TfliteModel, op: Op) -> onnx.ModelProto:
    """The ONNX model of one op of `model`, whose inputs are those that an image decides."""
    unpacking = [other for other in model.ops if other.folded]
    inputs = list(dict.fromkeys(op.runtime_inputs))
    return _converted(model, [*unpacking, op], inputs, op.outputs)


def _converted(
    model: TfliteModel, ops: Sequence[Op], inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> onnx.ModelProto:
    graph = OnnxGraph(model)
    taken = [graph.take_input(tensor, f"input_{n}") for n, tensor in enumerate(inputs)]
    for op in ops:
        if op.folded:
            graph.expand(op)
            continue
        graph.begin(op)
        for tensor, name in zip(op.outputs, WRITERS[op.name](graph, op), strict=True):
            graph.write(tensor, name)
    given_back = [graph.give_output(tensor, f"output_{n}") for n, tensor in enumerate(outputs)]
    return graph.finish(taken, given_back)
