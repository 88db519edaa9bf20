"""Graphs that compute the same and convert better. Each rewrite is exact."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lpie.backend import Tensor, keras
from lpie.models.graph.rebuild import exchanged
from lpie.models.layers import (
    ChannelMax,
    ChannelMean,
    PixelShuffle,
    PixelUnshuffle,
)


def detach_channel_max(model: keras.Model) -> keras.Model:
    """`model` with a unit depthwise convolution in front of every channel maximum.

    int8 REDUCE_MAX must have one scale for input and output, and TensorFlow's quantizer takes the
    output's: the map of maxima is seldom negative, so every negative feature that goes in is cut
    to zero, for all its other readers too. Behind a convolution the maximum cuts only a copy.
    Measured on LPIENet after 200 steps: int8 against float32 from 26.5 to 44.3 dB, correlation of
    the residual from 0.61 to 0.994, at about 3 % more time.
    """
    return exchanged(model, _detached)


def average_by_convolution(model: keras.Model) -> keras.Model:
    """`model` with layer normalisations whose means over channels are 1x1 convolutions.

    GPUs run MEAN in float16 as a sum that is divided afterwards: of squares near 175 ^ 2 it passes
    65504 from the third channel on, and NAFNet comes out as its input. A convolution by 1 / C adds
    up what is divided already. OpenGL has no mean over channels, TensorFlow's quantizer no NEG.
    """
    return exchanged(model, _averaging)


def shuffle_by_convolution(model: keras.Model) -> keras.Model:
    """`model` with shuffles of pixels as convolutions by ones and zeros.

    Runtimes have no int16 SPACE_TO_DEPTH or DEPTH_TO_SPACE.
    """
    return exchanged(model, _shuffling)


def mean_by_convolution(model: keras.Model) -> keras.Model:
    """`model` with means over channels as 1x1 convolutions with weights 1 / C."""
    return exchanged(model, _convolving)


def max_by_halves(model: keras.Model) -> keras.Model:
    """`model` with channel maxima as maxima of both halves of the channels, again and again.

    1x1 convolutions of ones and zeros pick the halves: SLICE holds a size that cannot be changed
    afterwards, RESHAPE and MAX_POOL_2D as well, and DEPTH_TO_SPACE before MAX_POOL_2D makes a
    map of one channel, which GPUs store as four.
    """
    return exchanged(model, _halving)


def upsample_by_means(model: keras.Model) -> keras.Model:
    """`model` with bilinear enlargement to twice the size by copies and means of three pixels."""
    return exchanged(model, _copying)


def enlarge_by_resizing(model: keras.Model) -> keras.Model:
    """`model` with enlargements by copied pixels as one op, which can be resized afterwards.

    Keras repeats rows and columns by ops that hold the size of the image.
    """
    return exchanged(model, _nearest)


def prelu_by_convolution(model: keras.Model) -> keras.Model:
    """`model` with each PReLU as a sum of two products: max(x, 0) (1 - slope) + x slope.

    XNNPACK has no int8 PRELU, which splits the graph: a network of 5 then takes longer in int8 than
    in float16. A depthwise convolution with ReLU makes the first product, where no slope is above
    1; where one is, the layer stays.
    """
    return exchanged(model, _as_sum)


def of_scaled_channels(layer: keras.layers.Layer, factors: Sequence[float]) -> keras.layers.Layer:
    """What stands for the channel mean or maximum `layer` where channels want `factors` before."""
    kind = _DetachedChannelMax if isinstance(layer, ChannelMax) else _ChannelMeanConvolution
    return kind(factors, name=layer.name)


class _ConvolutionShuffle(keras.layers.Layer):
    """`PixelShuffle`, or what undoes it, as a convolution."""

    def __init__(self, factor: int, *, down: bool, **options: Any) -> None:
        super().__init__(**options)
        self.factor, self.down = factor, down

    def call(self, x: Tensor) -> Tensor:
        factor = self.factor
        few = x.shape[-1] if self.down else x.shape[-1] // factor**2
        kernel = np.eye(factor**2 * few, dtype=np.float32).reshape(factor, factor, few, -1)
        apply = keras.ops.conv if self.down else keras.ops.conv_transpose
        return apply(x, kernel, strides=factor, padding="valid")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        kind = PixelUnshuffle if self.down else PixelShuffle
        return kind(self.factor).compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "down": self.down}


class _ConvolutionNorm(keras.layers.Layer):
    """Layer normalisation over channels: [N, H, W, C] to the same."""

    def __init__(self, epsilon: float, *, scale: bool, center: bool, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon, self.scale, self.center = epsilon, scale, center

    def build(self, input_shape: tuple) -> None:
        channels = (input_shape[-1],)
        self.gamma = self.add_weight(channels, name="gamma") if self.scale else None
        self.beta = self.add_weight(channels, name="beta") if self.center else None

    def call(self, x: Tensor) -> Tensor:
        channels = x.shape[-1]
        share = np.full((1, 1, channels, 1), 1 / channels, np.float32)
        centred = x - keras.ops.conv(x, share)
        variance = keras.ops.conv(centred * centred, share)
        y = centred * keras.ops.rsqrt(variance + self.epsilon)
        y = y if self.gamma is None else y * self.gamma
        return y if self.beta is None else y + self.beta

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"epsilon": self.epsilon, "scale": self.scale, "center": self.center}
        return {**super().get_config(), **own}


# No subclass of what it stands for: it would be exchanged again.
class _OverChannels(keras.layers.Layer):
    """[N, H, W, C], each channel times its factor, 1 unless given, to [N, H, W, 1]."""

    def __init__(self, factors: Sequence[float] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.factors = factors

    def kernel(self, channels: int) -> Tensor:
        """[1, 1, C, 1] float32."""
        return np.full((1, 1, channels, 1), np.reshape(self.factors or 1, (-1, 1)), np.float32)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factors": self.factors}


class _ChannelMeanConvolution(_OverChannels):
    """Channel mean by a convolution."""

    def call(self, x: Tensor) -> Tensor:
        return keras.ops.conv(x, self.kernel(x.shape[-1]) / np.float32(x.shape[-1]))


class _DetachedChannelMax(_OverChannels):
    """Channel maximum of a copy."""

    def call(self, x: Tensor) -> Tensor:
        copy = keras.ops.depthwise_conv(x, self.kernel(x.shape[-1]))
        return keras.ops.max(copy, axis=-1, keepdims=True)


class _HalvingMax(keras.layers.Layer):
    """Channel maximum of pairs: [N, H, W, C] to [N, H, W, 1]."""

    def call(self, x: Tensor) -> Tensor:
        while (channels := x.shape[-1]) > 1:
            half = -(-channels // 2)  # of an odd number both have the one in the middle
            unit = np.eye(channels, dtype=np.float32)[None, None]
            halves = unit[..., :half], unit[..., -half:]
            x = keras.ops.maximum(*(keras.ops.conv(x, kernel) for kernel in halves))
        return x

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], 1)


class _SumPReLU(keras.layers.Layer):
    """PReLU of slopes [C] up to 1: [N, H, W, C] to the same."""

    def build(self, input_shape: tuple) -> None:
        self.slopes = self.add_weight((1, 1, input_shape[-1]), name="slopes")

    def call(self, x: Tensor) -> Tensor:
        rest = keras.ops.expand_dims(1 - self.slopes, -1)  # [1, 1, C, 1]
        return keras.ops.relu(keras.ops.depthwise_conv(x, rest)) + x * self.slopes

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape


class _NearestUpSampling2D(keras.layers.Layer):
    """Enlargement by copied pixels: [N, H, W, C] to [N, h H, w W, C]."""

    def __init__(self, size: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.size = tuple(size)

    def call(self, x: Tensor) -> Tensor:
        size = tuple(n * factor for n, factor in zip(x.shape[1:3], self.size, strict=True))
        return keras.ops.image.resize(x, size, "nearest", data_format="channels_last")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        n, h, w, c = input_shape
        return (n, *(s and s * factor for s, factor in zip((h, w), self.size, strict=True)), c)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


class _MeanUpSampling2D(keras.layers.Layer):
    """Bilinear enlargement with half-pixel centres: [N, H, W, C] to [N, 2 H, 2 W, C].

    Each pixel copied to two, (a, a, b, b), a mean of three is (2 a + b) / 3; bilinear is
    (3 a + b) / 4, so 3 / 4 of the mean and 1 / 4 of the copy. Means leave out what lies outside,
    which is what clamping to the border comes to. The factors 3 / 4 of both directions come first,
    where the map is small.
    """

    def call(self, x: Tensor) -> Tensor:
        copies = keras.ops.concatenate([x * (9 / 16)] * 4, axis=-1)
        x = keras.ops.depth_to_space(copies, 2, data_format="channels_last")
        for window in ((1, 3), (3, 1)):
            x = keras.ops.average_pool(x, window, strides=1, padding="same") + x * (1 / 3)
        return x

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        n, h, w, c = input_shape
        return (n, *(s and 2 * s for s in (h, w)), c)


def _detached(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    return _DetachedChannelMax(name=layer.name) if isinstance(layer, ChannelMax) else None


def _averaging(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    if type(layer) is not keras.layers.LayerNormalization or layer.rms_scaling:
        return None
    if layer.axis not in (-1, 3, [-1], [3]):
        return None
    return _ConvolutionNorm(layer.epsilon, scale=layer.scale, center=layer.center, name=layer.name)


def _shuffling(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    if not isinstance(layer, PixelShuffle):
        return None
    down = isinstance(layer, PixelUnshuffle)
    return _ConvolutionShuffle(layer.factor, down=down, name=layer.name)


def _convolving(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    if not isinstance(layer, ChannelMean):
        return None
    return _ChannelMeanConvolution(name=layer.name)


def _halving(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    return _HalvingMax(name=layer.name) if isinstance(layer, ChannelMax) else None


def _as_sum(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    if type(layer) is not keras.layers.PReLU or layer.alpha.shape[:-1] != (1, 1):
        return None
    if keras.ops.convert_to_numpy(layer.alpha).max() > 1:
        return None
    return _SumPReLU(name=layer.name)


def _nearest(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    if not isinstance(layer, keras.layers.UpSampling2D) or layer.interpolation != "nearest":
        return None
    return _NearestUpSampling2D(layer.size, name=layer.name)


def _copying(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    enlarges = isinstance(layer, keras.layers.UpSampling2D)
    if not enlarges or (layer.interpolation, tuple(layer.size)) != ("bilinear", (2, 2)):
        return None
    return _MeanUpSampling2D(name=layer.name)
