"""Int8 files in which the few layers that lose most stay in float.

The sensitivity of a layer is what the network loses when that layer alone is in 8 bits. The most
sensitive ones stay in float, as few of them as bring the loss within the bound. Between two of them
nothing is rounded, so that they gain more together than each by itself.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import LpieError
from lpie.export.folding import fold_elu
from lpie.export.ranges import Scale, apply_scales, find_scales
from lpie.flatbuffer import op_name, parse_tflite, serialise
from lpie.metrics import psnr
from lpie.quiet import quiet
from lpie.runtime import Session

INT8 = 9  # as the schema numbers it
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")

Images = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Sensitivity:
    """How many dB of PSNR a network loses with `op` in `layer` alone in int8.

    What rounded kernels and an 8-bit output lose in any case is in it too.
    """

    layer: str
    op: str
    lost_db: float


@dataclass(frozen=True)
class Mix:
    """A graph with uint8 ends, its layers' sensitivities, the worst first, and what stays float.

    `float_layers` are the first of `ranking`; `lost_db` is what the graph loses, `int8_db` what it
    loses when all is int8.
    """

    graph: Any
    ranking: list[Sensitivity]
    float_layers: tuple[str, ...]
    lost_db: float
    int8_db: float


def mix(
    converter: Any,
    calibration: Images,
    degraded: Images,
    target: Images,
    restored: Images,
    max_drop: float,
) -> Mix:
    """The int8 graph of `converter`, set up for `int8`, that loses at most `max_drop` dB.

    calibration: [H, W, 3] tiles at the size of its model. degraded, target, restored: more of
    them, what they should be and what the float network makes of them. Raises `LpieError` where
    even the float graph loses more.
    """
    quantize, names = _quantizer(converter)
    whole = quantize(())
    fold_elu(whole)
    scales = _by_name(whole, find_scales(whole, calibration))
    best = [psnr(np.clip(a, 0, 1), b) for a, b in zip(restored, target, strict=True)]

    def made(kept: Sequence[str]) -> Any:
        graph = quantize(kept)
        fold_elu(graph)
        apply_scales(graph, _by_index(graph, scales))
        return graph

    def lost(graph: Any) -> float:
        session = Session(serialise(graph))
        found = [
            psnr(np.clip(session.run(a), 0, 1), b) for a, b in zip(degraded, target, strict=True)
        ]
        return float(np.mean(best) - np.mean(found))

    ranking = sorted(
        ((lost(made([n for n in names if n != name])), name) for name in names), reverse=True
    )
    kept = _fewest(lambda n: lost(made([name for _, name in ranking[:n]])) <= max_drop, len(names))
    graph = made([name for _, name in ranking[:kept]])
    result = Mix(
        graph,
        [Sensitivity(layer_of(name), names[name], loss) for loss, name in ranking],
        tuple(layer_of(name) for _, name in ranking[:kept]),
        lost(graph),
        lost(made([])),
    )
    if result.lost_db > max_drop:
        raise LpieError(
            f"With all layers in float the file still loses {result.lost_db:.3f} dB, of which "
            f"{max_drop:g} are allowed. Allow more by --max-drop."
        )
    return result


def layer_of(name: str) -> str:
    """The Keras layer that a TFLite tensor's name is about."""
    # functional_1/nafnet_1/LAYER_1/op: the outer network and ours come first, and each name ends in
    # the number of its call.
    parts = name.split(";")[0].split("/")
    if len(parts) == 1:
        return "output"
    return re.sub(r"_\d+$", "", parts[2] if len(parts) > 3 else parts[-1])


def _quantizer(converter: Any) -> tuple[Callable[[Sequence[str]], Any], dict[str, str]]:
    """A function from the tensors to keep in float to a graph, and {tensor: its op}."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    converter._experimental_calibrate_only = True
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calibrated = converter.convert()

    def quantize(kept: Sequence[str]) -> Any:
        with quiet():
            data = mlir_quantize(
                calibrated,
                input_data_type=tf.uint8,
                output_data_type=tf.uint8,
                denylisted_nodes=list(kept),
            )
        return parse_tflite(bytes(data))

    graph = quantize(())
    main = graph.subgraphs[0]
    names = {
        main.tensors[op.outputs[0]].name.decode(): op_name(graph, op)
        for op in main.operators
        if op_name(graph, op) not in CONVERSIONS
    }
    return quantize, names


def _fewest(enough: Callable[[int], bool], most: int) -> int:
    """The least n, up to `most`, that is enough, if every larger one is too."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _by_name(graph: Any, scales: dict[int, Scale]) -> dict[str, Scale]:
    tensors = graph.subgraphs[0].tensors
    return {tensors[i].name.decode(): scale for i, scale in scales.items()}


def _by_index(graph: Any, scales: dict[str, Scale]) -> dict[int, Scale]:
    """The scales of the graph's own tensors; what is quantized anew has its float tensor's."""
    main = graph.subgraphs[0]
    found = {
        i: scales[tensor.name.decode()]
        for i, tensor in enumerate(main.tensors)
        if tensor.name.decode() in scales and tensor.type == INT8
    }
    for op in main.operators:
        name, output = main.tensors[op.inputs[0]].name.decode(), int(op.outputs[0])
        if (
            op_name(graph, op) == "QUANTIZE"
            and main.tensors[output].type == INT8
            and name in scales
        ):
            found[output] = scales[name]
    return found
