"""The small layers that Keras lacks; the `facts` of each are all that other files know of it."""

from typing import Any, Literal

from lpie.backend import Tensor, keras
from lpie.models.graph.facts import LayerFacts
from lpie.models.graph.keras_layers import UPSAMPLING
from lpie.models.graph.reach import Reach, enlarged


def _tensorflow() -> Any:
    import tensorflow

    return tensorflow


@keras.saving.register_keras_serializable(package="lpie")
class ChannelMean(keras.layers.Layer):
    """Mean over channels: [N, H, W, C] to [N, H, W, 1]."""

    facts = LayerFacts(
        equalization="reads",
        twin=lambda layer, x: _tensorflow().reduce_mean(x, -1, keepdims=True),
    )

    def call(self, x: Tensor) -> Tensor:
        return keras.ops.mean(x, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable(package="lpie")
class ChannelMax(keras.layers.Layer):
    """Maximum over channels: [N, H, W, C] to [N, H, W, 1]."""

    facts = LayerFacts(
        equalization="reads",
        twin=lambda layer, x: _tensorflow().reduce_max(x, -1, keepdims=True),
    )

    def call(self, x: Tensor) -> Tensor:
        return keras.ops.max(x, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable(package="lpie")
class ChannelScale(keras.layers.Layer):
    """A learned factor for each channel, zero at the start: [N, H, W, C] to the same."""

    facts = LayerFacts()

    def build(self, input_shape: tuple) -> None:
        self.scale = self.add_weight((input_shape[-1],), initializer="zeros", name="scale")

    def call(self, x: Tensor) -> Tensor:
        return x * self.scale

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape


GateActivation = Literal["simple", "swiglu", "geglu", "reglu"]


@keras.saving.register_keras_serializable(package="lpie")
class Gate(keras.layers.Layer):
    """The product of both halves of the channels: [N, H, W, 2C] to [N, H, W, C].

    `simple` is that of NAFNet. In the others the first half passes an activation before (Shazeer,
    "GLU Variants Improve Transformer", 2020): SiLU, GELU (exact) or ReLU.
    """

    facts = LayerFacts()

    def __init__(self, activation: GateActivation = "simple", **options: Any) -> None:
        super().__init__(**options)
        self.activation = activation

    def call(self, x: Tensor) -> Tensor:
        first, second = keras.ops.split(x, 2, axis=-1)
        if self.activation == "swiglu":
            first = keras.ops.silu(first)
        elif self.activation == "geglu":
            first = keras.ops.gelu(first, approximate=False)
        elif self.activation == "reglu":
            first = keras.ops.relu(first)
        return first * second

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], input_shape[-1] // 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation}


@keras.saving.register_keras_serializable(package="lpie")
class PixelShuffle(keras.layers.Layer):
    """Depth to space: [N, H, W, factor^2 C] to [N, factor H, factor W, C].

    TensorFlow's order of channels: (dy * factor + dx) * C + c.
    """

    facts = LayerFacts(
        reach=lambda layer, source: enlarged(layer.factor, source),
        equalization="shuffle",
        moves="all",
        twin=lambda layer, x: _tensorflow().nn.depth_to_space(x, layer.factor),
    )

    def __init__(self, factor: int, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Tensor) -> Tensor:
        return keras.ops.depth_to_space(x, self.factor, data_format="channels_last")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        n, h, w, c = input_shape
        return (n, *(s and s * self.factor for s in (h, w)), c // self.factor**2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="lpie")
class PixelUnshuffle(PixelShuffle):
    """Space to depth, what undoes `PixelShuffle`: [N, H, W, C] to [N, H/f, W/f, f^2 C]."""

    facts = LayerFacts(
        reach=lambda layer, source: source.wider(0, layer.factor - 1).coarser(layer.factor),
        equalization="shuffle",
        moves="all",
        twin=lambda layer, x: _tensorflow().nn.space_to_depth(x, layer.factor),
    )

    def call(self, x: Tensor) -> Tensor:
        return keras.ops.space_to_depth(x, self.factor, data_format="channels_last")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        n, h, w, c = input_shape
        return (n, *(s and s // self.factor for s in (h, w)), c * self.factor**2)


@keras.saving.register_keras_serializable(package="lpie")
class PadToMultiple(keras.layers.Layer):
    """Zeros at the bottom and right, up to a multiple: [N, H, W, C] to [N, H', W', C]."""

    # The twin takes only images that need no padding.
    facts = LayerFacts(pads=True, equalization="through", moves="all", twin=lambda layer, x: x)

    def __init__(self, multiple: int, **options: Any) -> None:
        super().__init__(**options)
        self.multiple = multiple

    def call(self, x: Tensor) -> Tensor:
        _, h, w, _ = keras.ops.shape(x)
        bottom, right = -h % self.multiple, -w % self.multiple
        if isinstance(bottom, int) and isinstance(right, int) and not bottom + right:
            return x
        return keras.ops.pad(x, [[0, 0], [0, bottom], [0, right], [0, 0]])

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        n, h, w, c = input_shape
        return (n, *(s and -(-s // self.multiple) * self.multiple for s in (h, w)), c)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable(package="lpie")
class CropLike(keras.layers.Layer):
    """The top left part of the first map, as large as the second."""

    # In the twin both maps are of one size.
    facts = LayerFacts(equalization="first", moves="first", twin=lambda layer, maps: maps[0])

    def call(self, maps: Tensor) -> Tensor:
        x, reference = maps
        _, h, w, _ = keras.ops.shape(reference)
        return x[:, :h, :w, :]

    def compute_output_shape(self, input_shape: Any) -> tuple:
        x, reference = input_shape
        return (*reference[:3], x[3])


@keras.saving.register_keras_serializable(package="lpie")
class LocalAveragePooling2D(keras.layers.Layer):
    """The mean over a window around each pixel, moved inside at the border: [N, H, W, C] the same.

    A map smaller than the window is averaged as a whole. Sums are running ones, so that the cost
    does not grow with the window.
    """

    @staticmethod
    def _reach(layer: keras.layers.Layer, source: Reach) -> Reach:
        reach = max(layer.window)  # at the border the window lies on one side
        return source.wider(reach, reach)

    facts = LayerFacts(reach=_reach, local=False, any_size=False)

    def __init__(self, window: tuple[int, int], **options: Any) -> None:
        super().__init__(**options)
        self.window = tuple(window)

    def call(self, x: Tensor) -> Tensor:
        # Running sums of what is near zero round less.
        mean = keras.ops.mean(x, axis=(1, 2), keepdims=True)
        return _box_mean(_box_mean(x - mean, self.window[0], 1), self.window[1], 2) + mean

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "window": self.window}


def _box_mean(x: Tensor, window: int, axis: int) -> Tensor:
    size = keras.ops.shape(x)[axis]
    window = min(window, size) if isinstance(size, int) else keras.ops.minimum(window, size)
    padding = [[0, 0]] * 4
    padding[axis] = [1, 0]
    sums = keras.ops.pad(keras.ops.cumsum(x, axis=axis), padding)
    first = keras.ops.clip(keras.ops.arange(size) - (window - 1) // 2, 0, size - window)
    total = keras.ops.take(sums, first + window, axis=axis) - keras.ops.take(sums, first, axis=axis)
    return total / keras.ops.cast(window, x.dtype)


@keras.saving.register_keras_serializable(package="lpie")
class UpSampling2D(keras.layers.UpSampling2D):
    """Keras' layer, of which bilinear interpolation fails in a graph of unknown size.

    Keras 3.15 compares the size with zero, which TensorFlow does not know while it traces. Without
    this, `fit` and `predict` fail as soon as they have seen images of two sizes.
    """

    facts = UPSAMPLING

    def call(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        if keras.backend.backend() != "tensorflow" or (height and width):
            return super().call(x)
        import tensorflow as tf

        size = tf.shape(x)[1:3] * tf.constant(self.size)
        return tf.cast(tf.image.resize(x, size, self.interpolation), x.dtype)
