"""Fourier transforms of feature maps as matrix products: exact for any size, and made of nothing
but what every runtime has."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lpie.backend import Tensor, keras
from lpie.models.graph.facts import LayerFacts, Shape
from lpie.models.graph.reach import whole_map

ops = keras.ops


def _macs(layer: keras.layers.Layer, inputs: Sequence[Shape], output: Shape) -> int:
    _, h, w, c = inputs[-1]  # of the map, which the inverse has for reference
    columns = w // 2 + 1
    return h * c * (2 * w * columns + 4 * h * columns)


FACTS = LayerFacts(reach=whole_map, macs=_macs, any_size=False)


@keras.saving.register_keras_serializable(package="lpie")
class RealFFT2D(keras.layers.Layer):
    """Spectrum over height and width: [N, H, W, C] to [N, H, W // 2 + 1, 2C], unscaled.

    The real parts of all channels come before the imaginary ones.
    """

    facts = FACTS

    def call(self, x: Tensor) -> Tensor:
        _, h, w, _ = ops.shape(x)
        cos, sin = _waves(w // 2 + 1, w, w)
        real, imaginary = _along_width(cos, x), -_along_width(sin, x)
        cos, sin = _waves(h, h, h)
        return ops.concatenate(
            [
                _along_height(cos, real) + _along_height(sin, imaginary),
                _along_height(cos, imaginary) - _along_height(sin, real),
            ],
            axis=-1,
        )

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        n, h, w, c = input_shape
        return (n, h, w and w // 2 + 1, 2 * c)


@keras.saving.register_keras_serializable(package="lpie")
class InverseRealFFT2D(keras.layers.Layer):
    """The map of a spectrum [N, H', W', 2C], as large as the second input [N, H, W, C].

    A larger spectrum loses its last rows and columns. What is not the spectrum of a real map loses
    the imaginary parts that a real one has not (first and middle column), as in `irfft2`.
    """

    facts = FACTS

    def call(self, inputs: Tensor) -> Tensor:
        spectrum, reference = inputs
        _, h, w, _ = ops.shape(reference)
        real, imaginary = ops.split(spectrum[:, :h, : w // 2 + 1, :], 2, axis=-1)
        cos, sin = _waves(h, h, h)
        real, imaginary = (
            (_along_height(cos, real) - _along_height(sin, imaginary)) / _float(h),
            (_along_height(cos, imaginary) + _along_height(sin, real)) / _float(h),
        )
        cos, sin = _waves(w, w // 2 + 1, w)
        twice = _twice(w)  # all but the first and the middle column stand for two
        return _along_width(cos * twice, real) - _along_width(sin * twice, imaginary)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        spectrum, reference = input_shape
        return (*reference[:3], spectrum[3] // 2)


def _waves(rows: Tensor, columns: Tensor, period: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin of 2 pi i j / period, [rows, columns] each."""
    if all(isinstance(n, int) for n in (rows, columns, period)):
        angles = np.outer(np.arange(rows), np.arange(columns)) % period * (2 * np.pi / period)
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    products = ops.arange(rows)[:, None] * ops.arange(columns)[None, :]
    angles = _float(products % period) * (2 * np.pi / _float(period))
    return ops.cos(angles), ops.sin(angles)


def _twice(w: Tensor) -> Tensor:
    if isinstance(w, int):
        k = np.arange(w // 2 + 1)
        return (np.where((k == 0) | (2 * k == w), 1, 2) / w).astype(np.float32)
    k = ops.arange(w // 2 + 1)
    return ops.where((k == 0) | (2 * k == w), 1.0, 2.0) / _float(w)


def _float(x: Tensor) -> Tensor:
    return float(x) if isinstance(x, int) else ops.cast(x, "float32")


def _along_width(matrix: Tensor, x: Tensor) -> Tensor:
    return ops.matmul(ops.cast(matrix, x.dtype), x)


def _along_height(matrix: Tensor, x: Tensor) -> Tensor:
    n, h, w, c = ops.shape(x)
    flat = ops.reshape(x, (n, h, w * c))
    return ops.reshape(ops.matmul(ops.cast(matrix, x.dtype), flat), (n, -1, w, c))
