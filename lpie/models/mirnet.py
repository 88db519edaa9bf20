"""MIRNet (Zamir et al., "Learning Enriched Features for Real Image Restoration and Enhancement",
ECCV 2020, arXiv:2003.06792): parallel streams at several resolutions that exchange features.

Layers carry the names of the released PyTorch modules; those that the release shares are one layer
here: the attention unit of a level in all its columns, what resamples and fuses the streams, and
one PReLU slope in all attention units of the network.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lpie.backend import Tensor, keras
from lpie.errors import InputError
from lpie.models.graph.facts import LayerFacts
from lpie.models.layers import ChannelMax, ChannelMean, UpSampling2D

# The slope that all attention units share, by the first of its names.
SHARED_SLOPE = "body.0.body.0.blocks.0.0.body.1"


def mirnet(
    *, features: int = 64, groups: int = 3, blocks: int = 2, height: int = 3, width: int = 2
) -> keras.Model:
    """MIRNet: [N, H, W, 3] RGB in [0, 1] to the same shape, unclipped.

    H and W must be multiples of 2 ** (height - 1). groups: recursive residual groups, each of
    `blocks` multi-scale blocks with `height` streams of `width` columns.
    """
    numbers = {
        "features": features,
        "groups": groups,
        "blocks": blocks,
        "height": height,
        "width": width,
    }
    for name, value in numbers.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(f"`{name}` must be a positive whole number. Received: {value!r}.")
    layers = _Layers()
    image = keras.Input((None, None, 3), name="image")
    x = layers.conv(features, 3, "conv_in")(image)
    for g in range(groups):
        y = x
        for b in range(blocks):
            y = _Block(layers, f"body.{g}.body.{b}", features, height).apply(y, width)
        y = layers.conv(features, 3, f"body.{g}.body.{blocks}")(y)
        x = keras.layers.Add()([y, x])
    residual = layers.conv(3, 3, "conv_out")(x)
    # In float32 also where the layers before it are not: bfloat16 has too few levels for a photo.
    output = keras.layers.Add(name="output", dtype="float32")([residual, image])
    return keras.Model(image, output, name="mirnet")


@keras.saving.register_keras_serializable(package="lpie")
class BlurDown(keras.layers.Layer):
    """Every other pixel of the map blurred by [1, 2, 1]: [N, H, W, C] to half the size.

    The border is reflected, the edge itself not repeated.
    """

    facts = LayerFacts(reach=lambda layer, source: source.wider(1, 1).coarser(2))

    def call(self, x: Tensor) -> Tensor:
        channels = x.shape[-1]
        kernel = np.broadcast_to(blur_kernel()[:, :, None, None], (3, 3, channels, 1))
        # Not as a padding: XNNPACK knows no MIRROR_PAD, and NNAPI none before API 33.
        x = keras.ops.concatenate([x[:, 1:2], x, x[:, -2:-1]], axis=1)
        x = keras.ops.concatenate([x[:, :, 1:2], x, x[:, :, -2:-1]], axis=2)  # [N, H+2, W+2, C]
        kernel = keras.ops.cast(keras.ops.convert_to_tensor(kernel), x.dtype)
        return keras.ops.depthwise_conv(x, kernel, strides=2, padding="valid")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        n, h, w, c = input_shape
        return (n, *(s and -(-s // 2) for s in (h, w)), c)


def blur_kernel() -> np.ndarray:
    """[3, 3], of sum 1."""
    line = np.array([1, 2, 1], np.float32) / 4
    return np.outer(line, line)


@keras.saving.register_keras_serializable(package="lpie")
class DropFirst(keras.layers.Layer):
    """All but the first row and column, as PyTorch's padding cuts a transposed convolution."""

    facts = LayerFacts(reach=lambda layer, source: source.wider(-1, 1), any_size=False)

    def call(self, x: Tensor) -> Tensor:
        return x[:, 1:, 1:, :]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        n, h, w, c = input_shape
        return (n, *(s and s - 1 for s in (h, w)), c)


@keras.saving.register_keras_serializable(package="lpie")
class SelectiveSum(keras.layers.Layer):
    """The sum of L maps [N, H, W, C], weighted by the softmax of L more inputs [N, 1, 1, C]."""

    facts = LayerFacts(any_size=False)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        half = len(inputs) // 2
        # In four dimensions: delegates refuse five.
        logits = keras.ops.concatenate(inputs[half:], axis=2)  # [N, 1, L, C]
        weights = keras.ops.softmax(logits, axis=2)
        return sum(x * weights[:, :, i : i + 1] for i, x in enumerate(inputs[:half]))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return input_shape[0]


class _Layers:
    """Layers by name: the same name gives the same layer."""

    def __init__(self) -> None:
        self._layers: dict[str, keras.layers.Layer] = {}

    def conv(self, width: int, kernel: int, name: str) -> keras.layers.Layer:
        return self._once(
            name,
            lambda: keras.layers.Conv2D(width, kernel, padding="same", use_bias=False, name=name),
        )

    def transposed(self, width: int, kernel: int, name: str) -> keras.layers.Layer:
        """To twice the size."""
        layer = self._once(
            name,
            lambda: keras.layers.Conv2DTranspose(
                width, kernel, strides=2, use_bias=False, name=name
            ),
        )
        return lambda x: DropFirst()(layer(x))

    def prelu(self, name: str) -> keras.layers.Layer:
        """With one slope for all channels."""
        return self._once(
            name,
            lambda: keras.layers.PReLU(
                alpha_initializer=keras.initializers.Constant(0.25),
                shared_axes=[1, 2, 3],
                name=name,
            ),
        )

    def _once(self, name: str, make: Callable[[], keras.layers.Layer]) -> keras.layers.Layer:
        if name not in self._layers:
            self._layers[name] = make()
        return self._layers[name]


class _Block:
    """A multi-scale residual block: streams at 1, 1/2, 1/4, ... of the size."""

    def __init__(self, layers: _Layers, name: str, features: int, height: int) -> None:
        self._layers, self._name = layers, name
        self._features, self._height = features, height

    def apply(self, x: Tensor, width: int) -> Tensor:
        streams, y = [], x
        for level in range(self._height):
            if level:
                y = self._resampled(y, level - 1, level)
            y = self._attend(y, level)
            streams.append(y)
        for _ in range(1, width):
            streams = [
                self._attend(
                    self._fuse([self._resampled(s, i, j) for i, s in enumerate(streams)], j), j
                )
                for j in range(self._height)
            ]
        full = streams[:1]
        for i, stream in enumerate(streams[1:], 1):
            full.append(self._up(stream, i, f"{self._name}.last_up.{i}"))
        y = self._layers.conv(self._features, 3, f"{self._name}.conv_out")(self._fuse(full, 0))
        return keras.layers.Add()([y, x])

    def _resampled(self, x: Tensor, level: int, target: int) -> Tensor:
        channels, factor = self._features * 2**level, 2 ** abs(target - level)
        if target > level:
            return self._down(x, target - level, f"{self._name}.down.{channels}_{factor}")
        if target < level:
            return self._up(x, level - target, f"{self._name}.up.{channels}_{factor}")
        return x

    def _down(self, x: Tensor, times: int, name: str) -> Tensor:
        for i in range(times):
            top = self._top(x, f"{name}.body.{i}.top", self._layers.conv)
            top = BlurDown()(top)
            top = self._layers.conv(2 * x.shape[-1], 1, f"{name}.body.{i}.top.5")(top)
            bottom = BlurDown()(x)
            bottom = self._layers.conv(2 * x.shape[-1], 1, f"{name}.body.{i}.bot.1")(bottom)
            x = keras.layers.Add()([top, bottom])
        return x

    def _up(self, x: Tensor, times: int, name: str) -> Tensor:
        for i in range(times):
            top = self._top(x, f"{name}.body.{i}.top", self._layers.transposed)
            top = self._layers.conv(x.shape[-1] // 2, 1, f"{name}.body.{i}.top.4")(top)
            bottom = UpSampling2D(2, interpolation="bilinear")(x)
            bottom = self._layers.conv(x.shape[-1] // 2, 1, f"{name}.body.{i}.bot.1")(bottom)
            x = keras.layers.Add()([top, bottom])
        return x

    def _top(
        self, x: Tensor, name: str, second: Callable[[int, int, str], keras.layers.Layer]
    ) -> Tensor:
        width = x.shape[-1]
        x = self._layers.conv(width, 1, f"{name}.0")(x)
        x = self._layers.prelu(f"{name}.1")(x)
        x = second(width, 3, f"{name}.2")(x)
        return self._layers.prelu(f"{name}.3")(x)

    def _attend(self, x: Tensor, level: int) -> Tensor:
        """The dual attention unit: over channels and over space."""
        name, width = f"{self._name}.blocks.{level}.0", x.shape[-1]
        conv = self._layers.conv
        r = self._layers.prelu(SHARED_SLOPE)(conv(width, 3, f"{name}.body.0")(x))
        r = conv(width, 3, f"{name}.body.2")(r)
        gate = keras.layers.Concatenate()([ChannelMax()(r), ChannelMean()(r)])
        gate = _sigmoid(conv(1, 5, f"{name}.SA.spatial.conv")(gate))  # [N, H, W, 1]
        spatial = keras.layers.Multiply()([r, gate])
        gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(r)
        gate = keras.layers.ReLU()(conv(max(width // 8, 1), 1, f"{name}.CA.conv_du.0")(gate))
        gate = _sigmoid(conv(width, 1, f"{name}.CA.conv_du.2")(gate))  # [N, 1, 1, C]
        channel = keras.layers.Multiply()([r, gate])
        both = keras.layers.Concatenate()([spatial, channel])
        return keras.layers.Add()([x, conv(width, 1, f"{name}.conv1x1")(both)])

    def _fuse(self, maps: list[Tensor], level: int) -> Tensor:
        """Selective kernel feature fusion."""
        name, width = f"{self._name}.selective_kernel.{level}", maps[0].shape[-1]
        total = keras.layers.Add()(maps) if len(maps) > 1 else maps[0]
        z = keras.layers.GlobalAveragePooling2D(keepdims=True)(total)
        z = self._layers.conv(max(width // 8, 4), 1, f"{name}.conv_du.0")(z)
        z = self._layers.prelu(f"{name}.conv_du.1")(z)
        logits = [self._layers.conv(width, 1, f"{name}.fcs.{i}")(z) for i in range(len(maps))]
        return SelectiveSum()([*maps, *logits])


def _sigmoid(x: Tensor) -> Tensor:
    return keras.layers.Activation("sigmoid")(x)
