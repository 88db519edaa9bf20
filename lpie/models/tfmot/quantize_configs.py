"""What tensorflow-model-optimization rounds of a layer: its kernel and its output, as in int8."""

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

from lpie.tflite.scales import LEVELS, Scale, best_scale, to_scale


def rounded(
    layer: tf_keras.layers.Layer,
    kept: "Range",
    factors: "Factors",
    read: "Factors",
    watching: "Watching",
) -> Any:
    """The tf_keras `layer`, its output rounded in the range `kept` of channels by `factors`.

    read: the factors of what it reads, which its kernel undoes.
    """
    output = _OutputQuantizer(kept, factors, watching)
    return QuantizeWrapperV2(layer, _Config(_KernelQuantizer(layer, read, watching), output))


class Watching:
    """Whether values are looked at, and pass as they are."""

    on = False


class Factors:
    """What the channels of a tensor are multiplied by before they are rounded."""

    variable: Any = None  # [C]


class Range:
    """The least and the largest level, one pair for all tensors that must share it."""

    def __init__(self, scale: Scale | None = None) -> None:
        self.variable: Any = None  # [2]
        self.seen: list[NDArray[np.float32]] = []  # [N, H, W, C]
        self._fixed = scale

    @property
    def is_fixed(self) -> bool:
        return self._fixed is not None

    def choose(self) -> None:
        """The range of least error for what was seen, unless it is fixed."""
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


class _Config(QuantizeConfig):
    """What tensorflow-model-optimization rounds of a layer: its kernel and its output."""

    def __init__(self, kernel: "_KernelQuantizer", output: "_OutputQuantizer") -> None:
        self._kernel, self._output = kernel, output

    def get_weights_and_quantizers(self, layer: tf_keras.layers.Layer) -> list[tuple[Any, Any]]:
        name = _kernel_name(layer)
        return [(getattr(layer, name), self._kernel)] if name else []

    def set_quantize_weights(
        self, layer: tf_keras.layers.Layer, quantize_weights: Sequence[Any]
    ) -> None:
        for weight in quantize_weights:
            setattr(layer, _kernel_name(layer), weight)

    def get_activations_and_quantizers(self, layer: tf_keras.layers.Layer) -> list[tuple[Any, Any]]:
        return []  # part of the output

    def set_quantize_activations(
        self, layer: tf_keras.layers.Layer, quantize_activations: Sequence[Any]
    ) -> None:
        pass

    def get_output_quantizers(self, layer: tf_keras.layers.Layer) -> list[Any]:
        return [self._output]

    def get_config(self) -> dict[str, Any]:
        return {}


def _kernel_name(layer: tf_keras.layers.Layer) -> str:
    if isinstance(layer, tf_keras.layers.DepthwiseConv2D):
        return "depthwise_kernel"
    return "kernel" if isinstance(layer, tf_keras.layers.Conv2D) else ""


class _KernelQuantizer(quantizers.Quantizer):
    """The kernel of `layer` on 255 levels around 0 for each filter.

    It undoes the factors of the channels `read`. Those of what it returns would change nothing, as
    each filter has its step; so would any of a depthwise kernel.
    """

    def __init__(self, layer: tf_keras.layers.Layer, read: Factors, watching: Watching) -> None:
        self._read, self._watching = read, watching
        depthwise = isinstance(layer, tf_keras.layers.DepthwiseConv2D)
        self._axes = (0, 1) if depthwise else (0, 1, 2)
        self._undoes = not depthwise and getattr(layer, "groups", 1) == 1

    def build(self, tensor_shape: Any, name: str, layer: tf_keras.layers.Layer) -> dict[str, Any]:
        return {}

    def __call__(self, inputs: Any, training: bool, weights: dict, **kwargs: Any) -> Any:
        if self._watching.on:
            return inputs
        factors = self._read.variable[:, None] if self._undoes else 1.0
        kernel = inputs / factors
        step = tf.reduce_max(tf.abs(kernel), self._axes, keepdims=True) / LEVELS[-1]
        return _on_levels(kernel, tf.maximum(step, 1e-9)) * factors

    def get_config(self) -> dict[str, Any]:
        return {}


class _OutputQuantizer(quantizers.Quantizer):
    """[N, ..., C] on 256 levels of a range that may be others' too, its channels by `factors`."""

    def __init__(self, kept: Range, factors: Factors, watching: Watching) -> None:
        self._kept, self._factors, self._watching = kept, factors, watching

    def build(self, tensor_shape: Any, name: str, layer: tf_keras.layers.Layer) -> dict[str, Any]:
        if self._kept.variable is None:
            self._kept.variable = layer.add_weight(f"{name}_range", (2,), trainable=False)
        self._factors.variable = layer.add_weight(
            f"{name}_factors", tensor_shape[-1:], initializer="ones", trainable=False
        )
        return {}

    def __call__(self, inputs: Any, training: bool, weights: dict, **kwargs: Any) -> Any:
        factors = self._factors.variable
        if self._watching.on:
            self._kept.seen.append((inputs * factors).numpy())
            return inputs
        low, high = tf.unstack(self._kept.variable)
        scaled = tf.clip_by_value(inputs * factors, low, high)
        return _on_levels(scaled, (high - low) / (len(LEVELS) - 1)) / factors

    def get_config(self) -> dict[str, Any]:
        return {}


def _on_levels(x: Any, step: Any) -> Any:
    """x in whole steps, with the gradient of x.

    TensorFlow's fake_quant does this in one op, but has no deterministic gradient on GPUs.
    """
    return x + tf.stop_gradient(tf.round(x / step) * step - x)
