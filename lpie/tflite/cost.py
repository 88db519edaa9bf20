"""What a `.tflite` model costs: its weights, its multiply-adds and the memory of one run."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lpie.errors import InputError
from lpie.tflite.model import Op, Tensor, TfliteModel
from lpie.tflite.schema import TYPE_BITS

INTEGER_TYPES = ("int32", "int64")
WEIGHT_INPUTS = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "FULLY_CONNECTED": (1, 2),
}
POINTER_BYTES = 8
# Pointers per output pixel. Bilinear: 4 taps, plus two float weights, which fill one pointer.
# XNNPACK/src/operators/resize-bilinear-nhwc.c:205-214.
BILINEAR_POINTERS = 5
# Python, numpy and ai-edge-litert 2.3.0 with LPIENet at 64x64 px, VmHWM 2026-11-21.
INTERPRETER_MB = 52.0


@dataclass(frozen=True)
class GraphCost:
    """Size and work of a model for the image size in its file.

    `parameters` counts weights and biases, `macs` the multiply-adds of convolutions and matrix
    products. `activation_mb` is the most that run-time tensors hold at once, `xnnpack_peak_mb`
    the estimated peak of the process; `moved_mb` what the ops read and write when nothing stays
    in a cache, weights too; all in 10^6 bytes.
    """

    parameters: int
    macs: int
    op_counts: dict[str, int]
    activation_mb: float
    xnnpack_peak_mb: float
    moved_mb: float


def graph_cost(model: TfliteModel) -> GraphCost:
    """The cost of `model`, of fixed size; an unknown dimension counts as 1."""
    counts = Counter(op.name for op in model.ops)
    return GraphCost(
        parameters=sum(_parameters(op) for op in model.ops),
        macs=sum(_macs(op) for op in model.ops),
        op_counts=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        activation_mb=activation_mb(model),
        xnnpack_peak_mb=xnnpack_peak_mb(model),
        moved_mb=sum(_moved_bytes(op) for op in model.ops) / 1e6,
    )


@dataclass(frozen=True)
class OpWork:
    """Of one op: multiply-adds, and the values that it reads and writes, weights too."""

    name: str
    macs: int
    values: int


def op_work(model: TfliteModel) -> list[OpWork]:
    """The work of each op of `model`, of fixed size; ops that only unpack weights are left out."""
    return [
        OpWork(op.name, _macs(op), sum(_elements(tensor) for tensor in _operands(op)))
        for op in model.ops
        if not _unpacks_weights(op)
    ]


def xnnpack_peak_mb(model: TfliteModel) -> float:
    """Estimated peak resident memory (10^6 bytes) when XNNPACK runs the whole model on a CPU.

    Indirection buffers, which XNNPACK keeps for every spatial op as long as the interpreter
    lives, plus the run-time tensors, the weights twice (file and packed) and the interpreter.
    Formulae: XNNPACK at 75db3c093b. Measured 2026-11-21, ai-edge-litert 2.3.0, x86-64, LPIENet
    [16,32,64]/[32,16] resized by `TfliteModel.resized`, VmHWM of a process that runs
    `Interpreter(model_content=..., num_threads=2)`, `allocate_tensors()`, `invoke()`:

    | model | measured | this estimate |
    |---|---|---|
    | float32 1920x1080 | 2936 MB | 2964 MB |
    | float16 1920x1080 | 2936 MB | 2964 MB |
    | int8 1920x1080 | 2434 MB | 2638 MB |
    | float32 3840x2160 | 11596 MB | 11698 MB |

    A model that XNNPACK takes in several partitions needs more.
    """
    weights = sum(_bytes(tensor) for tensor in model.tensors if tensor.constant)
    indirection = sum(_indirection_bytes(op) for op in model.ops)
    return INTERPRETER_MB + activation_mb(model) + (2 * weights + indirection) / 1e6


def activation_mb(model: TfliteModel) -> float:
    """The most that run-time tensors hold at once (10^6 bytes), in the file's order of ops."""
    return live_bytes(model, _bytes) / 1e6


def live_bytes(model: TfliteModel, size_of: Callable[[Tensor], int]) -> int:
    """The most that run-time tensors, `size_of` bytes each, hold at once in the order of ops."""
    last_use = {t.index: n for n, op in enumerate(model.ops) for t in op.inputs if t is not None}
    # The caller's tensors stay; everything else is freed after its last reader.
    ends = {tensor.index: tensor for tensor in (*model.inputs, *model.outputs)}
    live = peak = sum(size_of(tensor) for tensor in ends.values())
    for n, op in enumerate(model.ops):
        written = {t.index: t for t in op.outputs if not t.stored and t.index not in ends}
        live += sum(size_of(tensor) for tensor in written.values())
        peak = max(peak, live)
        freed = {
            t.index: t for t in op.runtime_inputs if last_use[t.index] == n and t.index not in ends
        }
        freed.update({i: tensor for i, tensor in written.items() if i not in last_use})
        live -= sum(size_of(tensor) for tensor in freed.values())
    return peak


def _operands(op: Op) -> list[Tensor]:
    """What the op reads and writes."""
    return [*(tensor for tensor in op.inputs if tensor is not None), *op.outputs]


def _unpacks_weights(op: Op) -> bool:
    """Whether all that the op writes is known before the run."""
    return all(tensor.stored for tensor in op.outputs)


def _parameters(op: Op) -> int:
    """Stored numbers that one op computes with.

    Counted at the op, as converters merge equal arrays such as the zero biases of a fresh
    network. Sizes and axes are integers and no parameters, but biases of int8 models are.
    """
    if _unpacks_weights(op):  # The op that reads them counts them.
        return 0
    weights = WEIGHT_INPUTS.get(op.name, ())
    return sum(
        _elements(tensor)
        for k, tensor in enumerate(op.inputs)
        if tensor is not None
        and tensor.stored
        and (k in weights or tensor.dtype not in INTEGER_TYPES)
    )


def _moved_bytes(op: Op) -> int:
    """Bytes that one op reads and writes; none for one that only unpacks weights."""
    return 0 if _unpacks_weights(op) else sum(_bytes(tensor) for tensor in _operands(op))


def _macs(op: Op) -> int:
    """Multiply-adds of one convolution or matrix product; 0 for any other op."""
    if op.name == "BATCH_MATMUL":
        return _elements(op.outputs[0]) * _shape(_required(op, 0))[-2 if op.option("adjX") else -1]
    if op.name not in WEIGHT_INPUTS:
        return 0
    kernel = _shape(_required(op, 1))
    if op.name != "FULLY_CONNECTED" and len(kernel) != 4:
        return 0
    if op.name == "TRANSPOSE_CONV":  # Each input pixel meets the whole kernel [O, Kh, Kw, I].
        return math.prod(_shape(_required(op, 2))[:3]) * math.prod(kernel)
    out = _elements(op.outputs[0])
    if op.name == "DEPTHWISE_CONV_2D":  # Kernel [1, Kh, Kw, C]: one channel each.
        return out * kernel[1] * kernel[2]
    return out * math.prod(kernel[1:])


def _required(op: Op, position: int) -> Tensor:
    tensor = op.input(position)
    if tensor is None:
        raise InputError(f"The model is damaged: its {op.name} lacks input {position}.")
    return tensor


def _indirection_bytes(op: Op) -> int:
    """Bytes of pointers that XNNPACK builds for one op at set-up."""
    out = _shape(op.outputs[0]) if op.outputs else []
    if len(out) != 4:
        return 0
    if op.name == "RESIZE_BILINEAR":
        return out[1] * out[2] * BILINEAR_POINTERS * POINTER_BYTES
    window = _window(op)
    if window is None:
        return 0
    return int(out[1] * out[2] * _pointers(op.name, op.options, *window) * POINTER_BYTES)


def _window(op: Op) -> tuple[int, int] | None:
    """(height, width) of the patch that one output pixel sees; None for other ops."""
    if op.name == "MAX_POOL_2D":
        return op.options.filterHeight, op.options.filterWidth
    if op.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        return None
    kernel = _shape(_required(op, 1))
    return (kernel[1], kernel[2]) if len(kernel) == 4 else None


def _pointers(name: str, options: Any, high: int, wide: int) -> float:
    """Pointers per output pixel. XNNPACK/src/operators/convolution-nhwc.c:2818-2821.

    Each formula was also checked on a single op of 1024x1024 px, 2026-11-21.
    """
    strides = max(options.strideH, 1), max(options.strideW, 1)
    if name == "TRANSPOSE_CONV":  # Each output phase sees its part of the kernel.
        return high * wide / (strides[0] * strides[1])
    if name == "CONV_2D":
        # A 1x1 convolution is a plain matrix product (GEMM) without pointers.
        return 0 if high == wide == 1 and strides == (1, 1) else high * wide
    # Pooling and depthwise neighbours in a row share columns of pointers, but not when dilated
    # nor with more than 25 taps, where XNNPACK works in several passes.
    dilated = getattr(options, "dilationWFactor", 1) > 1
    alone = dilated or (name == "DEPTHWISE_CONV_2D" and high * wide > 25)
    return high * (wide if alone else min(strides[1], wide))


def _shape(tensor: Tensor) -> list[int]:
    return [max(n, 1) for n in tensor.shape]


def _elements(tensor: Tensor) -> int:
    return math.prod(_shape(tensor))


def _bytes(tensor: Tensor) -> int:
    return math.ceil(_elements(tensor) * TYPE_BITS.get(tensor.dtype, 32) / 8)
