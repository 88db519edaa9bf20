"""The facts of Keras' own layers; see `lpie.models.graph.facts`."""

import math
from collections.abc import Callable, Sequence

from lpie.backend import keras
from lpie.models.graph.facts import LayerFacts, Shape, facts_of
from lpie.models.graph.reach import (
    TAPS,
    Reach,
    UnknownReach,
    enlarged,
    pair,
    spread,
    whole_map,
    window,
)


def _convolved(layer: keras.layers.Layer, source: Reach) -> Reach:
    k = source.axis
    return window(
        source,
        size=layer.kernel_size[k],
        step=layer.strides[k],
        dilation=layer.dilation_rate[k],
        padding=layer.padding,
    )


def _transposed(layer: keras.layers.Layer, source: Reach) -> Reach:
    if layer.output_padding is not None:
        raise UnknownReach
    k = source.axis
    return spread(
        source,
        size=layer.kernel_size[k],
        step=layer.strides[k],
        dilation=layer.dilation_rate[k],
        padding=layer.padding,
    )


def _pooled(layer: keras.layers.Layer, source: Reach) -> Reach:
    size, step = pair(layer.pool_size), pair(layer.strides or layer.pool_size)
    return window(source, size=size[source.axis], step=step[source.axis], padding=layer.padding)


def _upsampled(layer: keras.layers.Layer, source: Reach) -> Reach:
    taps = TAPS.get(layer.interpolation)
    if taps is None:
        raise UnknownReach
    return enlarged(layer.size[source.axis], source, taps=taps)


def _padded(layer: keras.layers.Layer, source: Reach) -> Reach:
    return source.moved(-layer.padding[source.axis][0])


def _cropped(layer: keras.layers.Layer, source: Reach) -> Reach:
    return source.moved(layer.cropping[source.axis][0])


def over_channels(layer: keras.layers.Layer, source: Reach) -> Reach | None:
    """The reach of a layer that computes along `layer.axis`: of one pixel, or of all."""
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    if any(axis not in (-1, 3) for axis in axes):
        return None
    return source


def _joined(layer: keras.layers.Layer, source: Reach) -> Reach:
    if layer.axis not in (-1, 3):
        raise UnknownReach
    return source


def _wrapped(layer: keras.layers.Layer) -> LayerFacts | None:
    """The facts of a wrapper of one layer, which has nothing of its own at inference."""
    inner = facts_of(layer.layer)
    if inner is None:
        return None
    return LayerFacts(
        reach=lambda wrapper, source: inner.reach(wrapper.layer, source),
        local=inner.local,
        any_size=inner.any_size,
    )


def _normalized(layer: keras.layers.Layer) -> LayerFacts:
    """Layer normalization, which may have factors of its own or none."""
    return LayerFacts(reach=over_channels, equalization="makes" if layer.scale else "none")


def _prelu(layer: keras.layers.Layer) -> LayerFacts:
    """PReLU, whose slopes may have a place each."""
    shared = {axis % 4 for axis in layer.shared_axes or ()} >= {1, 2}
    return LayerFacts(
        local=shared,
        any_size=shared,
        equalization="through" if shared else "none",
        twin=("shared_axes",),
    )


def _macs_of_output(layer: keras.layers.Layer, inputs: Sequence[Shape], output: Shape) -> int:
    return math.prod(output[:3]) * math.prod(layer.kernel.shape)


def _macs_of_input(layer: keras.layers.Layer, inputs: Sequence[Shape], output: Shape) -> int:
    return math.prod(inputs[0][:3]) * math.prod(layer.kernel.shape)


def _macs_of_separable(layer: keras.layers.Layer, inputs: Sequence[Shape], output: Shape) -> int:
    kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
    return math.prod(output[:3]) * sum(math.prod(kernel.shape) for kernel in kernels)


_CONVOLUTION = ("kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias")

_L = keras.layers
UPSAMPLING = LayerFacts(
    reach=_upsampled, equalization="through", moves="all", twin=("size", "interpolation")
)
KERAS_LAYERS: dict[type, LayerFacts | Callable[[keras.layers.Layer], LayerFacts | None]] = {
    _L.Activation: LayerFacts(equalization="through", twin=("activation",)),
    _L.Add: LayerFacts(equalization="through", twin=()),
    _L.Average: LayerFacts(),
    _L.AveragePooling2D: LayerFacts(reach=_pooled, twin=("pool_size", "strides", "padding")),
    _L.ActivityRegularization: LayerFacts(),
    _L.AlphaDropout: LayerFacts(),
    _L.BatchNormalization: LayerFacts(reach=over_channels),
    _L.Concatenate: LayerFacts(reach=_joined, equalization="join", moves="all", twin=()),
    _L.Conv2D: LayerFacts(
        reach=_convolved,
        macs=_macs_of_output,
        equalization="kernel",
        twin=("filters", "groups", *_CONVOLUTION),
    ),
    _L.Conv2DTranspose: LayerFacts(reach=_transposed, macs=_macs_of_input),
    _L.Cropping2D: LayerFacts(reach=_cropped, any_size=False),
    _L.Dense: LayerFacts(macs=_macs_of_output),
    _L.DepthwiseConv2D: LayerFacts(
        reach=_convolved, macs=_macs_of_output, equalization="kernel", twin=_CONVOLUTION
    ),
    _L.Dropout: LayerFacts(),
    _L.ELU: LayerFacts(twin=("alpha",)),
    _L.GaussianDropout: LayerFacts(),
    _L.GaussianNoise: LayerFacts(),
    _L.GlobalAveragePooling2D: LayerFacts(reach=whole_map, equalization="through"),
    _L.GlobalMaxPooling2D: LayerFacts(reach=whole_map, equalization="through"),
    _L.GroupNormalization: LayerFacts(reach=whole_map, any_size=False),
    _L.Identity: LayerFacts(),
    _L.InputLayer: LayerFacts(),
    _L.LayerNormalization: _normalized,
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
    _L.MultiHeadAttention: LayerFacts(reach=whole_map, any_size=False),
    _L.PReLU: _prelu,
    _L.RMSNormalization: LayerFacts(reach=over_channels),
    _L.ReLU: LayerFacts(equalization="through", twin=()),
    _L.Rescaling: LayerFacts(),
    _L.SeparableConv2D: LayerFacts(reach=_convolved, macs=_macs_of_separable),
    _L.Softmax: LayerFacts(reach=over_channels),
    _L.SpatialDropout2D: LayerFacts(),
    _L.SpectralNormalization: _wrapped,
    _L.Subtract: LayerFacts(),
    _L.UnitNormalization: LayerFacts(reach=over_channels),
    _L.UpSampling2D: UPSAMPLING,
    _L.ZeroPadding2D: LayerFacts(reach=_padded, any_size=False),
}


def is_function(operation: keras.Operation) -> bool:
    """Whether a step of a network is a function of `keras.ops` instead of a layer."""
    return isinstance(operation, keras.Operation) and not isinstance(operation, _L.Layer)
