"""NAFFT-Net (the public repository ech97/NAFFT-Net): NAFNet with a one-dimensional convolution for
channel attention, a block in the Fourier domain on every skip, and DO-Conv.

The released scripts do not compute what their report says; `faithful` gives what they compute.
Layers carry the names of the released PyTorch modules.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lpie.backend import Tensor, keras
from lpie.models.do_conv import DOConv2D
from lpie.models.fft import InverseRealFFT2D, RealFFT2D
from lpie.models.graph.facts import LayerFacts
from lpie.models.nafnet import Style, check_blocks, conv, u_net


def nafftnet(
    *,
    width: int = 32,
    encoder_blocks: Sequence[int] = (1, 1, 1, 28),
    middle_blocks: int = 1,
    decoder_blocks: Sequence[int] = (1, 1, 1, 1),
    fft_block: bool = True,
    do_conv: bool = False,
    faithful: bool = False,
) -> keras.Model:
    """NAFFT-Net: [N, H, W, 3] RGB in [0, 1] to the same shape, unclipped; any size.

    As reported, attention is one filter along the channels' means (ECA, Wang et al., CVPR 2020,
    without its sigmoid) that multiplies the map. With `faithful` it is dense over channels and
    replaces the map by one value per channel, unused weights are kept, and with `do_conv` the
    convolutions of the Fourier block pad the spectrum and so shift it by two.
    """
    check_blocks(width, encoder_blocks, middle_blocks, decoder_blocks)

    def skip(x: Tensor, level: int) -> Tensor:
        name = f"fftBlock.{level}.0"
        return _fft_block(x, name, shifted=do_conv and faithful) if fft_block else x

    style = _Style(do_conv=do_conv, faithful=faithful)
    counts = (width, encoder_blocks, middle_blocks, decoder_blocks)
    return u_net("nafftnet", *counts, style.block, skip)


@dataclass(frozen=True)
class _Style(Style):
    """NAFNet's block with another attention and, with `do_conv`, another depthwise convolution."""

    do_conv: bool = False
    faithful: bool = False

    def depthwise(self, x: Tensor, name: str) -> Tensor:
        if not self.do_conv:
            return super().depthwise(x, name)
        return DOConv2D(x.shape[-1], 3, groups=x.shape[-1], name=name)(x)

    def attend(self, x: Tensor, level: int, name: str) -> Tensor:
        pooled = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}.sca1")(x)
        taps = _taps(x.shape[-1])
        if self.faithful:
            return ReleasedAttention(taps, name=f"{name}.sca2")(pooled)  # [N, 1, 1, C]
        weights = ChannelFilter(taps, name=f"{name}.sca2")(pooled)
        return keras.layers.Multiply(name=f"{name}.sca")([x, weights])


class _OfTaps(keras.layers.Layer):
    """A layer of `kernel_size` taps that keeps the shape."""

    facts = LayerFacts(any_size=False)

    def __init__(self, kernel_size: int, **options: Any) -> None:
        super().__init__(**options)
        self.kernel_size = kernel_size

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable(package="lpie")
class ChannelFilter(_OfTaps):
    """One filter along the channels, zeros beyond them: [N, 1, 1, C] to the same."""

    def build(self, input_shape: tuple) -> None:
        self.kernel = self.add_weight((self.kernel_size, 1, 1), name="kernel")

    def call(self, x: Tensor) -> Tensor:
        line = keras.ops.reshape(x, (-1, x.shape[-1], 1))
        return keras.ops.reshape(
            keras.ops.conv(line, self.kernel, padding="same"), (-1, 1, 1, x.shape[-1])
        )


@keras.saving.register_keras_serializable(package="lpie")
class ReleasedAttention(_OfTaps):
    """The convolution along an axis of length one of the released scripts: [N, 1, 1, C] the same.

    Only its middle tap acts. NAFNet's own attention is kept beside it and not used there either;
    here its weights are not trained.
    """

    def build(self, input_shape: tuple) -> None:
        c = input_shape[-1]
        self.kernel = self.add_weight((self.kernel_size, c, c), name="kernel")
        self.unused_kernel = self.add_weight((1, 1, c, c), name="unused_kernel", trainable=False)
        self.unused_bias = self.add_weight(
            (c,), name="unused_bias", trainable=False, initializer="zeros"
        )

    def call(self, x: Tensor) -> Tensor:
        return keras.ops.matmul(x, self.kernel[self.kernel_size // 2])


def _taps(channels: int) -> int:
    """The length of ECA's filter."""
    taps = int(abs((math.log2(channels) + 1) / 2))
    return taps if taps % 2 else taps + 1


def _fft_block(x: Tensor, name: str, *, shifted: bool) -> Tensor:
    """x plus the inverse transform of its spectrum after two 1x1 convolutions."""
    spectrum = RealFFT2D(name=f"{name}.fft")(x)
    width = spectrum.shape[-1]
    for i in (0, 2):
        layer = f"{name}.main_fft.{i}"
        if shifted:
            spectrum = keras.layers.ZeroPadding2D(1, name=f"{layer}.pad")(spectrum)
            spectrum = DOConv2D(width, 1, use_bias=False, name=layer)(spectrum)
        else:
            spectrum = conv(width, 1, layer)(spectrum)
        if i == 0:
            spectrum = keras.layers.ReLU(name=f"{name}.main_fft.1")(spectrum)
    residual = InverseRealFFT2D(name=f"{name}.inverse")([spectrum, x])
    return keras.layers.Add(name=f"{name}.sum")([residual, x])
