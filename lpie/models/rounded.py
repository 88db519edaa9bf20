"""Training with the rounding of int8, so that a network keeps its quality when it is quantized
(Jacob et al., CVPR 2018, arXiv:1712.05877)."""

from collections.abc import Callable
from typing import Any

from lpie.backend import keras


def rounded(model: keras.Model) -> keras.Model:
    """A copy of `model` that rounds outputs and kernels: about what its int8 export computes."""
    twin = round_outputs(model)
    round_kernels(twin)
    return twin


def round_outputs(model: keras.Model, *, alternate: bool = False) -> keras.Model:
    """A copy of `model`, with weights in the same order, in which every layer's output is rounded.

    To 256 levels between its least and its largest value in the batch; gradients pass as if
    nothing were rounded. alternate: only for the first, third ... image of the batch, so that a
    network learns to be good at both (as Quant-Noise, Fan et al., ICLR 2021,
    arXiv:2004.07320, rounds only a part).
    """

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        rounding = Rounding(alternate=alternate, name=f"{layer.name}_rounded")
        return rounding(layer(*inputs, **options))

    twin = keras.models.clone_model(model, call_function=call)
    twin.set_weights(model.get_weights())
    return twin


def round_kernels(model: keras.Model) -> None:
    """Makes every Conv2D of `model` round its kernel, for each output channel to 255 levels.

    Other kernels stay as they are.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Conv2D):
            layer.convolution_op = _rounding(layer.convolution_op)


def _rounding(convolution: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, kernel: convolution(x, round_kernel(kernel))


class Rounding(keras.layers.Layer):
    """To 256 levels that contain 0, from the least to the largest value: [N, ...] to the same.

    alternate: every second image stays as it is.
    """

    def __init__(self, *, alternate: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._alternate = alternate

    def call(self, x: Any) -> Any:
        exact = keras.ops.cast(x, "float32")
        least = keras.ops.minimum(keras.ops.min(exact), 0.0)
        largest = keras.ops.maximum(keras.ops.max(exact), 0.0)
        found = keras.ops.cast(_straight_through(exact, (largest - least) / 255), x.dtype)
        if not self._alternate:
            return found
        at = keras.ops.reshape(keras.ops.arange(keras.ops.shape(x)[0]), (-1,) + (1,) * (x.ndim - 1))
        return keras.ops.where(at % 2 == 0, found, x)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape


def round_kernel(kernel: Any) -> Any:
    """[k, k, C, filters] on 255 levels around 0 for each filter."""
    exact = keras.ops.cast(kernel, "float32")
    largest = keras.ops.max(keras.ops.abs(exact), axis=(0, 1, 2), keepdims=True)
    return keras.ops.cast(_straight_through(exact, largest / 127), kernel.dtype)


def _straight_through(x: Any, step: Any) -> Any:
    """x in whole steps, with the gradient of x."""
    step = keras.ops.stop_gradient(keras.ops.maximum(step, 1e-12))
    return x + keras.ops.stop_gradient(keras.ops.round(x / step) * step - x)
