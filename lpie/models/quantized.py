"""Quantization-aware training by tensorflow-model-optimization: a network's twin that rounds as its
int8 file does (Jacob et al., CVPR 2018, arXiv:1712.05877)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray
from tensorflow_model_optimization.quantization.keras import (
    QuantizeConfig,
    QuantizeWrapperV2,
    quantizers,
)

from lpie.backend import keras
from lpie.models.analysis import analyse, calls
from lpie.models.keras2 import check_same, stepper, translated
from lpie.quantization import LEVELS, Scale, best_scale, to_scale

IMAGE: Scale = to_scale(0.0, 1.0)
SIGMOID: Scale = (1 / 256, -128)  # as every runtime has it
# What only moves values about: in int8 all that it takes and returns has one range.
MOVING = (
    "Concatenate", "CropLike", "MaxPooling2D", "PadToMultiple", "PixelShuffle",
    "PixelUnshuffle", "UpSampling2D",
)  # fmt: skip


class QuantizedTwin:
    """A network in tf_keras, with the same weights, in which all is rounded as in int8.

    Kernels lie on 255 levels for each filter, what layers return on 256 in ranges that `calibrate`
    chooses. Takes and returns [N, H, W, 3] RGB in [0, 1]. Raises an `InputError` that names a layer
    which is not known here.
    """

    fixed = None
    settled = True

    def __init__(self, model: keras.Model) -> None:
        self._source, found = model, analyse(model)
        self.multiple, self.halo_px = found.multiple, found.halo_px
        self._watching = _Watching()
        self._other: QuantizedTwin | None = None
        shared, apart = _ranges(model), list[_Range]()

        def wrap(layer: Any, tensor: int | None) -> Any:
            if tensor is None:
                apart.append(_Range())
            kept = apart[-1] if tensor is None else shared[tensor]
            return QuantizeWrapperV2(layer, _Config(layer, kept, self._watching))

        self._model, self.trainable_variables = translated(model, wrap)
        self._ranges = [*{id(each): each for each in [*shared.values(), *apart]}.values()]

    def __call__(self, images: Any, training: bool = False) -> Any:
        return self._model(images, training=training)

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network makes of one image, [H, W, 3]: for a `Restorer`."""
        return self(image[None]).numpy()[0]

    @property
    def variables(self) -> list[Any]:
        """The weights of the network in its order, then the ranges."""
        return [*self.trainable_variables, *(each.variable for each in self._ranges)]

    def get_weights(self) -> list[NDArray]:
        """The weights of the network, in its order."""
        return [variable.numpy() for variable in self.trainable_variables]

    def set_weights(self, weights: Sequence[NDArray]) -> None:
        """Take the weights of the network, in its order."""
        for variable, weight in zip(self.trainable_variables, weights, strict=True):
            variable.assign(weight)

    def as_exported(self, model: keras.Model) -> "QuantizedTwin":
        """Another twin, with the weights of `model` and the same ranges; the same one each time."""
        self._other = self._other or QuantizedTwin(self._source)
        self._other.set_weights(model.get_weights())
        for mine, its in zip(self._ranges, self._other._ranges, strict=True):
            its.variable.assign(mine.variable)
        return self._other

    def stepper(self, optimizer: Any, loss: Any) -> Any:
        """A step over a batch by Keras' `optimizer`: (degraded, target) to the loss before it."""
        return stepper(self, self.trainable_variables, optimizer, loss)

    def calibrate(self, images: NDArray[np.float32]) -> None:
        """Choose all ranges by their error on [N, H, W, 3] `images`.

        Raises an `LpieError` where the twin, before anything is rounded, is not the network.
        """
        self._watching.on = True
        exact = self(images).numpy()
        self._watching.on = False
        self._source.set_weights(self.get_weights())
        check_same(self._source, exact, images)
        for each in self._ranges:
            each.choose()


class _Watching:
    """Whether values are looked at, and pass as they are."""

    on = False


class _Range:
    """The least and the largest level, one pair for all tensors that must share it."""

    def __init__(self, scale: Scale | None = None) -> None:
        self.variable: Any = None  # [2]
        self.seen: list[NDArray[np.float32]] = []  # [N, H, W, C]
        self._fixed = scale

    @property
    def is_given(self) -> bool:
        return self._fixed is not None

    def choose(self) -> None:
        """The range of least error for what was seen, unless it is given."""
        step, zero = self._fixed or _best(self.seen)
        self.variable.assign([(LEVELS[0] - zero) * step, (LEVELS[-1] - zero) * step])
        self.seen = []


def _best(seen: Sequence[NDArray[np.float32]]) -> Scale:
    low = min(0.0, *(float(x.min()) for x in seen))
    high = max(0.0, *(float(x.max()) for x in seen))
    step, zero = to_scale(low, high)
    counts = np.zeros((len(seen[0]), len(LEVELS)), np.int64)
    for x in seen:
        levels = np.clip(np.rint(x / step) + zero, LEVELS[0], LEVELS[-1]).astype(np.int64)
        for count, image in zip(counts, levels - LEVELS[0], strict=True):
            count += np.bincount(image.ravel(), minlength=len(LEVELS))
    return best_scale(counts, (step, zero))


def _ranges(model: keras.Model) -> dict[int, _Range]:
    """The range of each tensor of `model`."""
    found: dict[int, _Range] = {}
    for layer, inputs, (output, *_) in calls(model):
        kind = type(layer).__name__
        if isinstance(layer, keras.layers.InputLayer) or output is model.outputs[0]:
            found[id(output)] = _Range(IMAGE)
        elif kind in MOVING:
            moved = inputs[:1] if kind == "CropLike" else inputs
            tied = [found[id(tensor)] for tensor in moved]
            # One that is given, as a sigmoid's, would clip the others.
            common = next((each for each in tied if not each.is_given), tied[0])
            for tensor, kept in found.items():
                found[tensor] = common if any(kept is each for each in tied) else kept
            found[id(output)] = common
        elif getattr(layer, "activation", None) is keras.activations.sigmoid:
            found[id(output)] = _Range(SIGMOID)
        else:
            found[id(output)] = _Range()
    return found


class _Config(QuantizeConfig):
    """What tensorflow-model-optimization rounds of a layer: its kernel and its output."""

    def __init__(self, layer: Any, kept: _Range, watching: _Watching) -> None:
        depthwise = isinstance(layer, tf_keras.layers.DepthwiseConv2D)
        self._kernel = _KernelQuantizer(watching, axes=(0, 1) if depthwise else (0, 1, 2))
        self._output = _OutputQuantizer(kept, watching)

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        name = _kernel_name(layer)
        return [(getattr(layer, name), self._kernel)] if name else []

    def set_quantize_weights(self, layer: Any, quantize_weights: Sequence[Any]) -> None:
        for weight in quantize_weights:
            setattr(layer, _kernel_name(layer), weight)

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return []  # part of the output

    def set_quantize_activations(self, layer: Any, quantize_activations: Sequence[Any]) -> None:
        pass

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [self._output]

    def get_config(self) -> dict[str, Any]:
        return {}


def _kernel_name(layer: Any) -> str:
    if isinstance(layer, tf_keras.layers.DepthwiseConv2D):
        return "depthwise_kernel"
    return "kernel" if isinstance(layer, tf_keras.layers.Conv2D) else ""


class _KernelQuantizer(quantizers.Quantizer):
    """A kernel on 255 levels around 0; `axes`: those that share a step."""

    def __init__(self, watching: _Watching, *, axes: tuple[int, ...]) -> None:
        self._watching, self._axes = watching, axes

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        return {}

    def __call__(self, inputs: Any, training: bool, weights: dict, **kwargs: Any) -> Any:
        if self._watching.on:
            return inputs
        step = tf.reduce_max(tf.abs(inputs), self._axes, keepdims=True) / LEVELS[-1]
        return _on_levels(inputs, tf.maximum(step, 1e-9))

    def get_config(self) -> dict[str, Any]:
        return {}


class _OutputQuantizer(quantizers.Quantizer):
    """[N, ...] on 256 levels of a range that may be others' too."""

    def __init__(self, kept: _Range, watching: _Watching) -> None:
        self._kept, self._watching = kept, watching

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        if self._kept.variable is None:
            self._kept.variable = layer.add_weight(f"{name}_range", (2,), trainable=False)
        return {}

    def __call__(self, inputs: Any, training: bool, weights: dict, **kwargs: Any) -> Any:
        if self._watching.on:
            self._kept.seen.append(inputs.numpy())
            return inputs
        low, high = tf.unstack(self._kept.variable)
        return _on_levels(tf.clip_by_value(inputs, low, high), (high - low) / (len(LEVELS) - 1))

    def get_config(self) -> dict[str, Any]:
        return {}


def _on_levels(x: Any, step: Any) -> Any:
    """x in whole steps, with the gradient of x.

    TensorFlow's fake_quant does this in one op, but has no deterministic gradient on GPUs.
    """
    return x + tf.stop_gradient(tf.round(x / step) * step - x)
