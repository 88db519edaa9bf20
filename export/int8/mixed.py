"""Int8 files in which the few layers that lose most stay in float.

The sensitivity of a layer is what the network loses when what that layer alone reads and returns is
in 8 bits. The most sensitive ones stay in float, as few of them as bring the loss within the bound.
Between two of them nothing is rounded, so that they gain more together than each by itself.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import LpieError
from lpie.export.int8.elu import fold_elu
from lpie.export.int8.ranges import Scale, activations, apply_scales, find_scales
from lpie.export.tensorflow_converter import converting
from lpie.image.metrics import psnr
from lpie.tflite.edit import TfliteEditor
from lpie.tflite.interpreter import Session
from lpie.tflite.model import CONVERSIONS, TfliteModel
from lpie.tflite.names import layer_of

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
    """A model that takes and returns uint8, its layers' sensitivities, the worst first, and the
    layers that stay in float.

    `float_layers` are the first of `ranking`, and ELUs that follow one; `lost_db` is what the model
    loses, `int8_db` what it loses when all is int8.
    """

    model: TfliteModel
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
    max_drop_db: float,
) -> Mix:
    """The int8 model of `converter`, set up for `int8`, that loses at most `max_drop_db`.

    calibration: [H, W, 3] tiles at the size of its model. degraded, target, restored: more of
    them, their ground truth and what the float network restores. Raises `LpieError` where
    even the float model loses more.
    """
    quantize = _quantizer(converter)
    whole = quantize(())
    fold_elu(whole)
    chosen = find_scales(whole, calibration)
    trials = _Trials(quantize, _by_name(whole, chosen), (degraded, target, restored))
    ops = _outputs(whole)
    ranking = trials.ranking([*ops], _by_name(whole, {**activations(whole), **chosen}))
    worst = [name for _, name in ranking]
    kept = _fewest(lambda n: trials.lost_db(trials.model(worst[:n])) <= max_drop_db, len(worst))
    model = trials.model(worst[:kept])
    lost_db = trials.lost_db(model)
    if lost_db > max_drop_db:
        raise LpieError(
            f"With all layers in float the file still loses {lost_db:.3f} dB, of which "
            f"{max_drop_db:g} are allowed. Allow more by `max_drop_db`."
        )
    floats = [name for name, (_, dtype) in _outputs(model).items() if dtype != "int8"]
    floats.sort(key=lambda name: worst.index(name) if name in worst else len(worst))
    return Mix(
        model.finish(),
        [Sensitivity(layer_of(name), ops[name][0], loss_db) for loss_db, name in ranking],
        tuple(dict.fromkeys(layer_of(name) for name in floats)),
        lost_db,
        trials.lost_db(trials.model([])),
    )


@dataclass(frozen=True)
class _Trials:
    """Int8 models of one network with some tensors in float, and what each of them loses.

    scales: of int8 tensors, by name. images: degraded, their ground truth, and restored in float.
    """

    quantize: Callable[[Sequence[str]], TfliteEditor]
    scales: Mapping[str, Scale]
    images: tuple[Images, Images, Images]

    def model(self, kept: Sequence[str]) -> TfliteEditor:
        """The model in which the tensors called `kept` stay in float."""
        model = self.quantize(kept)
        fold_elu(model, but=kept)
        apply_scales(model, _by_index(model, self.scales))
        return model

    def lost_db(self, model: TfliteEditor, step: int = 1) -> float:
        """How many dB `model` loses against the float network, on every `step`th image."""
        session = Session(model.to_bytes())
        some = (images[::step] for images in self.images)
        losses = [
            psnr(np.clip(best, 0, 1), clean) - psnr(np.clip(session.run(image), 0, 1), clean)
            for image, clean, best in zip(*some, strict=True)
        ]
        return float(np.mean(losses))

    def ranking(self, names: Sequence[str], scales: Mapping[str, Scale]) -> list[tuple[float, str]]:
        """(what the network loses in dB with it alone in int8, tensor), the worst first."""
        plain = self.model(names)
        ops = {plain.tensor_name(op.outputs[0]): op for op in plain.graph.operators}
        step = max(len(self.images[0]) // RANKED, 1)

        def sensitivity(name: str) -> float:
            with in_int8(plain, ops[name], scales):
                return self.lost_db(plain, step)

        return sorted(((sensitivity(name), name) for name in names), reverse=True)


@contextlib.contextmanager
def in_int8(model: TfliteEditor, op: Any, scales: Mapping[str, Scale]) -> Iterator[None]:
    """Within it, `op` of a float `model` reads and returns the levels that an int8 one would.

    op: an `OperatorT` of the model. scales: of tensors, by name; those without one stay as they
    are. Kernels are not rounded.
    """
    graph = model.graph
    tensors, operators = list(graph.tensors), list(graph.operators)
    inputs, outputs = op.inputs, op.outputs
    before: list[Any] = []
    after: list[Any] = []
    try:
        op.inputs, op.outputs = np.array(inputs), np.array(outputs)
        for i in {*model.inputs(op)}:
            if scale := _scale(model, i, scales):
                rounded = model.new_tensor(i)
                before += _rounding(model, i, rounded, scale)
                op.inputs[inputs == i] = rounded
        result = int(outputs[0])
        if scale := _scale(model, result, scales):
            op.outputs[0] = model.new_tensor(result)
            after = _rounding(model, op.outputs[0], result, scale)
        at = operators.index(op)
        graph.operators = [*operators[:at], *before, op, *after, *operators[at + 1 :]]
        yield
    finally:
        op.inputs, op.outputs = inputs, outputs
        graph.tensors, graph.operators = tensors, operators


def _scale(model: TfliteEditor, i: int, scales: Mapping[str, Scale]) -> Scale | None:
    if model.dtype(i) != "float32" or model.is_constant(i):
        return None
    return scales.get(model.tensor_name(i))


def _rounding(model: TfliteEditor, source: int, result: int, scale: Scale) -> list[Any]:
    """The ops that turn `source` into the levels of `scale`, and these into the float `result`."""
    levels = model.new_levels(source, scale)
    return [
        model.new_op("QUANTIZE", CONVERSIONS["QUANTIZE"], [source], levels),
        model.new_op("DEQUANTIZE", CONVERSIONS["DEQUANTIZE"], [levels], result),
    ]


def _quantizer(converter: Any) -> Callable[[Sequence[str]], TfliteEditor]:
    """A function from the names of the tensors to keep in float to a model.

    By way of what TensorFlow's QuantizationDebugger uses, which has no public name: the converter
    itself can leave kinds of ops in float, but not single ones.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    converter._experimental_calibrate_only = True
    with converting("mixed"):
        calibrated = converter.convert()

    def quantize(kept: Sequence[str]) -> TfliteEditor:
        with converting("mixed"):
            data = mlir_quantize(
                calibrated,
                input_data_type=tf.uint8,
                output_data_type=tf.uint8,
                denylisted_nodes=list(kept),
            )
        return TfliteModel.parse(bytes(data), trusted=True).edit()

    return quantize


def _outputs(model: TfliteEditor) -> dict[str, tuple[str, str]]:
    """{tensor: (the op that writes it, its type)}, of all ops but conversions."""
    written = [(model.op_name(op), int(op.outputs[0])) for op in model.graph.operators]
    return {
        model.tensor_name(i): (op, model.dtype(i)) for op, i in written if op not in CONVERSIONS
    }


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


def _by_name(model: TfliteEditor, scales: dict[int, Scale]) -> dict[str, Scale]:
    """The scales of what ops compute; a tensor that is only quantized has a number for a name."""
    computing = [op for op in model.graph.operators if model.op_name(op) not in CONVERSIONS]
    written = {i for op in computing for i in model.outputs(op)}
    return {model.tensor_name(i): scale for i, scale in scales.items() if i in written}


def _by_index(model: TfliteEditor, scales: Mapping[str, Scale]) -> dict[int, Scale]:
    """The scales of the model's own tensors; what is quantized anew has its float tensor's."""
    own = {
        i: scales[name]
        for i in range(len(model.graph.tensors))
        if (name := model.tensor_name(i)) in scales and model.dtype(i) == "int8"
    }
    for op in model.graph.operators:
        name, output = model.tensor_name(op.inputs[0]), int(op.outputs[0])
        if model.op_name(op) == "QUANTIZE" and model.dtype(output) == "int8" and name in scales:
            own[output] = scales[name]
    return own
