"""What a `.tflite` model costs: its weights, its multiply-adds and the memory of one run."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lpie.tflite.model import is_constant, links, op_name, schema_of, stored_tensors

# Bits per value, by the number that the schema's `TensorType` gives each type.
TYPE_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 9: 8, 10: 64, 15: 32, 16: 16, 17: 4}
INTEGER_TYPES = (2, 4)
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


def graph_cost(model: Any) -> GraphCost:
    """The cost of `model`, a `ModelT` of fixed size; an unknown dimension counts as 1."""
    model = schema_of(model)
    graph, stored = model.subgraphs[0], stored_tensors(model)
    counts = Counter(op_name(model, op) for op in graph.operators)
    return GraphCost(
        parameters=sum(_parameters(model, op, stored) for op in graph.operators),
        macs=sum(_macs(model, op) for op in graph.operators),
        op_counts=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        activation_mb=activation_mb(model),
        xnnpack_peak_mb=xnnpack_peak_mb(model),
        moved_mb=sum(_moved_bytes(model, op, stored) for op in graph.operators) / 1e6,
    )


@dataclass(frozen=True)
class OpWork:
    """Of one op: multiply-adds, and the values that it reads and writes, weights too."""

    name: str
    macs: int
    values: int


def op_work(model: Any) -> list[OpWork]:
    """The work of each op of `model`, of fixed size; ops that only unpack weights are left out."""
    model = schema_of(model)
    graph, stored = model.subgraphs[0], stored_tensors(model)
    return [
        OpWork(
            op_name(model, op),
            _macs(model, op),
            sum(_elements(graph.tensors[i]) for i in (*links(op.inputs), *links(op.outputs))),
        )
        for op in graph.operators
        if not set(links(op.outputs)) <= stored
    ]


def xnnpack_peak_mb(model: Any) -> float:
    """Estimated peak resident memory (10^6 bytes) when XNNPACK runs the whole model on a CPU.

    Indirection buffers, which XNNPACK keeps for every spatial op as long as the interpreter
    lives, plus the run-time tensors, the weights twice (file and packed) and the interpreter.
    Formulae: XNNPACK at 75db3c093b. Measured 2026-11-21, ai-edge-litert 2.3.0, x86-64, LPIENet
    [16,32,64]/[32,16] resized by `flatbuffer.resize`, VmHWM of a process that runs
    `Interpreter(model_content=..., num_threads=2)`, `allocate_tensors()`, `invoke()`:

    | model | measured | this estimate |
    |---|---|---|
    | float32 1920x1080 | 2936 MB | 2964 MB |
    | float16 1920x1080 | 2936 MB | 2964 MB |
    | int8 1920x1080 | 2434 MB | 2638 MB |
    | float32 3840x2160 | 11596 MB | 11698 MB |

    A model that XNNPACK takes in several pieces needs more.
    """
    model = schema_of(model)
    graph = model.subgraphs[0]
    weights = sum(_bytes(t) for t in graph.tensors if is_constant(model, t))
    indirection = sum(_indirection_bytes(model, op) for op in graph.operators)
    return INTERPRETER_MB + activation_mb(model) + (2 * weights + indirection) / 1e6


def activation_mb(model: Any) -> float:
    """The most that run-time tensors hold at once (10^6 bytes), in the file's order of ops."""
    model = schema_of(model)
    return live_bytes(model, _bytes) / 1e6


def live_bytes(model: Any, size_of: Callable[[Any], int]) -> int:
    """The most that run-time tensors, `size_of` bytes each, hold at once in the order of ops."""
    model = schema_of(model)
    graph = model.subgraphs[0]
    stored = stored_tensors(model)
    last_use = {i: n for n, op in enumerate(graph.operators) for i in links(op.inputs)}
    # The caller's tensors stay; everything else is freed after its last reader.
    kept = {int(i) for i in (*graph.inputs, *graph.outputs)}
    live = peak = sum(size_of(graph.tensors[i]) for i in kept)
    for n, op in enumerate(graph.operators):
        made = set(links(op.outputs)) - stored - kept
        live += sum(size_of(graph.tensors[i]) for i in made)
        peak = max(peak, live)
        read = {i for i in links(op.inputs) if last_use[i] == n} - stored - kept
        unread = {i for i in made if i not in last_use}
        live -= sum(size_of(graph.tensors[i]) for i in read | unread)
    return peak


def _parameters(model: Any, op: Any, stored: set[int]) -> int:
    """Stored numbers that one op computes with.

    Counted at the op, as converters merge equal arrays such as the zero biases of a fresh
    network. Sizes and axes are integers and no parameters, but biases of int8 models are.
    """
    tensors, name = model.subgraphs[0].tensors, op_name(model, op)
    outputs = set(links(op.outputs))
    if outputs <= stored:  # It unpacks weights that its reader counts.
        return 0
    biases = {int(op.inputs[k]) for k in WEIGHT_INPUTS.get(name, ()) if k < len(op.inputs)}
    return sum(
        _elements(tensors[i])
        for i in links(op.inputs)
        if i in stored and (i in biases or tensors[i].type not in INTEGER_TYPES)
    )


def _moved_bytes(model: Any, op: Any, stored: set[int]) -> int:
    """Bytes that one op reads and writes; none for one that only unpacks weights."""
    if set(links(op.outputs)) <= stored:
        return 0
    tensors = model.subgraphs[0].tensors
    return sum(_bytes(tensors[i]) for i in (*links(op.inputs), *links(op.outputs)))


def _macs(model: Any, op: Any) -> int:
    """Multiply-adds of one convolution or matrix product; 0 for any other op."""
    tensors, name = model.subgraphs[0].tensors, op_name(model, op)
    if name == "BATCH_MATMUL":
        return (
            _elements(tensors[op.outputs[0]])
            * _shape(tensors[op.inputs[0]])[-2 if op.builtinOptions.adjX else -1]
        )
    if name not in WEIGHT_INPUTS:
        return 0
    kernel = _shape(tensors[op.inputs[1]])
    if name != "FULLY_CONNECTED" and len(kernel) != 4:
        return 0
    if name == "TRANSPOSE_CONV":  # Each input pixel meets the whole kernel [O, Kh, Kw, I].
        return math.prod(_shape(tensors[op.inputs[2]])[:3]) * math.prod(kernel)
    out = _elements(tensors[op.outputs[0]])
    if name == "DEPTHWISE_CONV_2D":  # Kernel [1, Kh, Kw, C]: one channel each.
        return out * kernel[1] * kernel[2]
    return out * math.prod(kernel[1:])


def _indirection_bytes(model: Any, op: Any) -> int:
    """Bytes of pointers that XNNPACK builds for one op at set-up."""
    tensors, name = model.subgraphs[0].tensors, op_name(model, op)
    out = _shape(tensors[op.outputs[0]])
    if len(out) != 4:
        return 0
    if name == "RESIZE_BILINEAR":
        return out[1] * out[2] * BILINEAR_POINTERS * POINTER_BYTES
    window = _window(tensors, name, op)
    if window is None:
        return 0
    return int(out[1] * out[2] * _pointers(name, op.builtinOptions, *window) * POINTER_BYTES)


def _window(tensors: Any, name: str, op: Any) -> tuple[int, int] | None:
    """(height, width) of the patch that one output pixel sees; None for other ops."""
    if name == "MAX_POOL_2D":
        return op.builtinOptions.filterHeight, op.builtinOptions.filterWidth
    if name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        return None
    kernel = _shape(tensors[op.inputs[1]])
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


def _shape(tensor: Any) -> list[int]:
    return [max(int(n), 1) for n in (tensor.shape if tensor.shape is not None else ())]


def _elements(tensor: Any) -> int:
    return math.prod(_shape(tensor))


def _bytes(tensor: Any) -> int:
    return int(np.ceil(_elements(tensor) * TYPE_BITS.get(tensor.type, 32) / 8))
