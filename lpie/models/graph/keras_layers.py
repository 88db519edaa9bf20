"""The facts of Keras' own layers; see `lpie.models.graph.facts`."""

import math
from collections.abc import Sequence

from lpie.backend import keras
from lpie.models.graph.facts import LayerFacts, Reach, Shape, whole_map


def _convolved(layer: keras.layers.Layer, source: Reach) -> Reach:
    size, step = layer.kernel_size[0], layer.strides[0]
    span = (size - 1) * layer.dilation_rate[0]
    before = span // 2 if layer.padding == "same" and step == 1 else 0
    return source.wider(before, span - before).coarser(step)


def _transposed(layer: keras.layers.Layer, source: Reach) -> Reach:
    finer = source._replace(stride=source.stride / layer.strides[0])
    return finer.wider(layer.kernel_size[0], 0)


def _pooled(layer: keras.layers.Layer, source: Reach) -> Reach:
    return source.wider(0, layer.pool_size[0] - 1).coarser(layer.strides[0])


def enlarged(factor: int, source: Reach, *, bilinear: bool = False) -> Reach:
    """The reach of a map of `factor` times the size."""
    # Bilinear with half-pixel centres: a pixel mixes the map's pixel below and the one above.
    wide = source.wider(1, 1 if bilinear else 0)
    return wide._replace(stride=source.stride / factor)


def _upsampled(layer: keras.layers.Layer, source: Reach) -> Reach:
    return enlarged(layer.size[0], source, bilinear=layer.interpolation == "bilinear")


def _padded(layer: keras.layers.Layer, source: Reach) -> Reach:
    before = layer.padding[0][0] * source.stride
    return source._replace(low=source.low - before, high=source.high - before)


def _macs_of_output(layer: keras.layers.Layer, inputs: Sequence[Shape], output: Shape) -> int:
    return math.prod(output[:3]) * math.prod(layer.kernel.shape)


def _macs_of_input(layer: keras.layers.Layer, inputs: Sequence[Shape], output: Shape) -> int:
    return math.prod(inputs[0][:3]) * math.prod(layer.kernel.shape)


_CONVOLUTION = ("kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias")

_L = keras.layers
UPSAMPLING = LayerFacts(
    reach=_upsampled, equalization="through", moves="all", twin=("size", "interpolation")
)
KERAS_LAYERS: dict[type, LayerFacts] = {
    _L.Activation: LayerFacts(equalization="through", twin=("activation",)),
    _L.Add: LayerFacts(equalization="through", twin=()),
    _L.Average: LayerFacts(),
    _L.AveragePooling2D: LayerFacts(reach=_pooled),
    _L.BatchNormalization: LayerFacts(),
    _L.Concatenate: LayerFacts(equalization="join", moves="all", twin=()),
    _L.Conv2D: LayerFacts(
        reach=_convolved,
        macs=_macs_of_output,
        equalization="kernel",
        twin=("filters", "groups", *_CONVOLUTION),
    ),
    _L.Conv2DTranspose: LayerFacts(reach=_transposed, macs=_macs_of_input),
    _L.Dense: LayerFacts(macs=_macs_of_output),
    _L.DepthwiseConv2D: LayerFacts(
        reach=_convolved, macs=_macs_of_output, equalization="kernel", twin=_CONVOLUTION
    ),
    _L.Dropout: LayerFacts(),
    _L.ELU: LayerFacts(twin=("alpha",)),
    _L.GaussianNoise: LayerFacts(),
    _L.GlobalAveragePooling2D: LayerFacts(reach=whole_map, equalization="through"),
    _L.InputLayer: LayerFacts(),
    _L.LayerNormalization: LayerFacts(equalization="makes"),
    _L.LeakyReLU: LayerFacts(equalization="through", twin=("negative_slope",)),
    _L.MaxPooling2D: LayerFacts(
        reach=_pooled,
        equalization="through",
        moves="all",
        twin=("pool_size", "strides", "padding"),
    ),
    _L.Maximum: LayerFacts(),
    _L.Minimum: LayerFacts(),
    _L.Multiply: LayerFacts(equalization="gate", twin=()),
    _L.PReLU: LayerFacts(any_size=False),  # its slopes may have a place each
    _L.ReLU: LayerFacts(equalization="through", twin=()),
    _L.Rescaling: LayerFacts(),
    _L.SpatialDropout2D: LayerFacts(),
    _L.Subtract: LayerFacts(),
    _L.UpSampling2D: UPSAMPLING,
    _L.ZeroPadding2D: LayerFacts(reach=_padded, any_size=False),
}


def is_function(operation: keras.Operation) -> bool:
    """Whether a step of a network is a function of `keras.ops` instead of a layer."""
    return isinstance(operation, keras.Operation) and not isinstance(operation, _L.Layer)


def _shuffled(operation: keras.Operation, source: Reach) -> Reach | None:
    channels_last = operation.data_format == "channels_last"
    return enlarged(operation.block_size, source) if channels_last else None


def _joined(operation: keras.Operation, source: Reach) -> Reach | None:
    return source if operation.axis in (-1, 3) else None


# Functions of `keras.ops` in a network, by the name of their class, which is not public. They have
# neither weights nor a part in equalization.
OPERATIONS: dict[str, LayerFacts] = {
    "Absolute": LayerFacts(),
    "Add": LayerFacts(),
    "Cast": LayerFacts(),
    "Clip": LayerFacts(),
    "Concatenate": LayerFacts(reach=_joined),
    "DepthToSpace": LayerFacts(reach=_shuffled),
    "Divide": LayerFacts(),
    "Elu": LayerFacts(),
    "Exp": LayerFacts(),
    "Gelu": LayerFacts(),
    "HardSigmoid": LayerFacts(),
    "HardSilu": LayerFacts(),
    "LeakyRelu": LayerFacts(),
    "Maximum": LayerFacts(),
    "Minimum": LayerFacts(),
    "Multiply": LayerFacts(),
    "Negative": LayerFacts(),
    "Power": LayerFacts(),
    "Relu": LayerFacts(),
    "Relu6": LayerFacts(),
    "Sigmoid": LayerFacts(),
    "Silu": LayerFacts(),
    "Sqrt": LayerFacts(),
    "Square": LayerFacts(),
    "Subtract": LayerFacts(),
    "Tanh": LayerFacts(),
    "TrueDivide": LayerFacts(),
}
