"""Int8 files in which the few layers that lose most stay in float.

The sensitivity of a layer is what the network loses when what that layer alone reads and returns is
in 8 bits. The most sensitive ones stay in float, as few of them as bring the loss within the bound.
Between two of them nothing is rounded, so that they gain more together than each by itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError, LpieError
from lpie.export.int8.alone import in_int8
from lpie.export.int8.diagnosis import CONVERSIONS, layer_of
from lpie.export.int8.elu import fold_elu
from lpie.export.int8.ranges import Scale, activations, apply_scales, find_scales
from lpie.export.recipes import converting
from lpie.image.metrics import psnr
from lpie.tflite.interpreter import Session
from lpie.tflite.model import links, op_name, parse_tflite, serialise, type_name

MAX_DROP_DB = 0.1  # unless told otherwise
RANKED = 4  # images that layers are ranked on; the loss of the file is measured on all

Images = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Sensitivity:
    """How many dB of PSNR a network loses with `op` in `layer` alone in int8.

    What an 8-bit output loses in any case is in it too.
    """

    layer: str
    op: str
    lost_db: float


@dataclass(frozen=True)
class Mix:
    """A graph with uint8 ends, its layers' sensitivities, the worst first, and what stays float.

    `float_layers` are the first of `ranking`, and ELUs that follow one; `lost_db` is what the graph
    loses, `int8_db` what it loses when all is int8.
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
    quantize = _quantizer(converter)
    whole = quantize(())
    fold_elu(whole)
    chosen = find_scales(whole, calibration)
    scales = _by_name(whole, chosen)
    all_scales = _by_name(whole, {**activations(whole), **chosen})
    names = _outputs(whole)

    def made(kept: Sequence[str]) -> Any:
        graph = quantize(kept)
        fold_elu(graph, but=kept)
        apply_scales(graph, _by_index(graph, scales))
        return graph

    def lost(graph: Any, step: int = 1) -> float:
        session = Session(serialise(graph))
        some = (images[::step] for images in (degraded, target, restored))
        found = [
            psnr(np.clip(best, 0, 1), clean) - psnr(np.clip(session.run(image), 0, 1), clean)
            for image, clean, best in zip(*some, strict=True)
        ]
        return float(np.mean(found))

    plain = made([*names])
    main = plain.subgraphs[0]
    ops = {main.tensors[op.outputs[0]].name.decode(): op for op in main.operators}

    def sensitivity(name: str) -> float:
        with in_int8(plain, ops[name], all_scales):
            return lost(plain, max(len(degraded) // RANKED, 1))

    ranking = sorted(((sensitivity(name), name) for name in names), reverse=True)
    kept = _fewest(lambda n: lost(made([name for _, name in ranking[:n]])) <= max_drop, len(names))
    graph = made([name for _, name in ranking[:kept]])
    rank = {name: n for n, (_, name) in enumerate(ranking)}
    floats = [name for name, (_, kind) in _outputs(graph).items() if kind != "int8"]
    floats.sort(key=lambda name: rank.get(name, len(rank)))
    result = Mix(
        graph,
        [Sensitivity(layer_of(name), names[name][0], loss) for loss, name in ranking],
        tuple(dict.fromkeys(layer_of(name) for name in floats)),
        lost(graph),
        lost(made([])),
    )
    if result.lost_db > max_drop:
        raise LpieError(
            f"With all layers in float the file still loses {result.lost_db:.3f} dB, of which "
            f"{max_drop:g} are allowed. Allow more by --max-drop."
        )
    return result


def check_max_drop(max_drop: float | None, recipe: str) -> None:
    """Raise an `InputError` for a bound that is no number of dB, or given to another recipe."""
    if max_drop is None:
        return
    if recipe != "mixed":
        raise InputError(f"`max_drop` is a choice of the recipe mixed alone. Received: {recipe}.")
    if not 0 <= max_drop < math.inf:
        raise InputError(f"`max_drop` must be a number of dB, at least 0. Received: {max_drop}.")


def _quantizer(converter: Any) -> Callable[[Sequence[str]], Any]:
    """A function from the names of the tensors to keep in float to a graph.

    By way of what TensorFlow's QuantizationDebugger uses, which has no public name: the converter
    itself can leave kinds of ops in float, but not single ones.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    converter._experimental_calibrate_only = True
    with converting("mixed"):
        calibrated = converter.convert()

    def quantize(kept: Sequence[str]) -> Any:
        with converting("mixed"):
            data = mlir_quantize(
                calibrated,
                input_data_type=tf.uint8,
                output_data_type=tf.uint8,
                denylisted_nodes=list(kept),
            )
        return parse_tflite(bytes(data))

    return quantize


def _outputs(graph: Any) -> dict[str, tuple[str, str]]:
    """{tensor: (the op that makes it, its type)}, of all ops but conversions."""
    main = graph.subgraphs[0]
    made = [(op_name(graph, op), main.tensors[op.outputs[0]]) for op in main.operators]
    return {t.name.decode(): (op, type_name(t.type)) for op, t in made if op not in CONVERSIONS}


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
    """The scales of what ops make; a tensor that is only quantized has a number for a name."""
    tensors = graph.subgraphs[0].tensors
    ops = graph.subgraphs[0].operators
    made = {i for op in ops if op_name(graph, op) not in CONVERSIONS for i in links(op.outputs)}
    scales = {i: scale for i, scale in scales.items() if i in made}
    return {tensors[i].name.decode(): scale for i, scale in scales.items()}


def _by_index(graph: Any, scales: dict[str, Scale]) -> dict[int, Scale]:
    """The scales of the graph's own tensors; what is quantized anew has its float tensor's."""
    main = graph.subgraphs[0]
    found = {
        i: scales[tensor.name.decode()]
        for i, tensor in enumerate(main.tensors)
        if tensor.name.decode() in scales and type_name(tensor.type) == "int8"
    }
    for op in main.operators:
        name, output = main.tensors[op.inputs[0]].name.decode(), int(op.outputs[0])
        if (
            op_name(graph, op) == "QUANTIZE"
            and type_name(main.tensors[output].type) == "int8"
            and name in scales
        ):
            found[output] = scales[name]
    return found
