"""16-bit activations as Hexagon computes them: unsigned, with biases of 32 bits.

Qualcomm's compiler refuses a depthwise convolution of int16 and takes one of uint16 (2026-12-01,
onnxruntime-qnn 2.7.0), on all Snapdragon chips, also on those whose NPU has no floats. The values
are the same, 32768 levels further up. TFLite has no kernels for them: the file is for NPUs alone.
"""

import numpy as np

from lpie.errors import LpieError
from lpie.tflite.edit import TfliteEditor
from lpie.tflite.model import Op

SHIFT = 32768
# Where each kind of op has its bias.
BIASES = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "TRANSPOSE_CONV": 3, "FULLY_CONNECTED": 2}


def make_unsigned(file: TfliteEditor) -> None:
    """Turn the int16 activations of `file` into uint16, and its int64 biases into int32.

    Raises:
        LpieError: An op stays in float, or a bias does not fit into 32 bits.
    """
    floats = sorted({op.name for op in file.view().ops if _in_float(op)})
    if floats:
        raise LpieError(
            f"The export was not written: {', '.join(floats)} has no form with 16-bit activations "
            "and would stay in float. Use the recipe int8 or float32, or a network with ReLU."
        )
    for op in file.graph.operators:
        place = BIASES.get(file.op_name(op))
        if place is not None and len(op.inputs) > place and op.inputs[place] >= 0:
            _shorten(file, int(op.inputs[place]))
    for i in range(len(file.graph.tensors)):
        scale = file.scale(i)
        if file.dtype(i) == "int16" and scale is not None:
            file.set_dtype(i, "uint16")
            file.set_scale(i, (scale[0], SHIFT))


def _in_float(op: Op) -> bool:
    return any(tensor.dtype == "float32" for tensor in op.outputs)


def _shorten(file: TfliteEditor, index: int) -> None:
    """Store a bias of int64 as int32."""
    if file.dtype(index) != "int64":
        return
    values = file.values(index)
    limits = np.iinfo(np.int32)
    if values.min(initial=0) < limits.min or values.max(initial=0) > limits.max:
        raise LpieError(
            "The export was not written: a bias is beyond 32 bits in units of its layer's scales. "
            "Use the recipe int8 or float32."
        )
    file.replace_values(index, values.astype(np.int32))
    file.set_dtype(index, "int32")
