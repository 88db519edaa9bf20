"""Depthwise over-parameterised convolution (DO-Conv; Cao et al., IEEE TIP 2022,
arXiv:2006.12030): more weights while training, folded into a plain convolution afterwards."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import Tensor, keras
from lpie.models.graph.facts import LayerFacts, Shape
from lpie.models.graph.reach import Reach
from lpie.models.graph.rebuild import exchanged


def _reach(layer: keras.layers.Layer, source: Reach) -> Reach:
    return source.wider(layer.kernel_size // 2, layer.kernel_size // 2)


def _macs(layer: keras.layers.Layer, inputs: Sequence[Shape], output: Shape) -> int:
    channels = inputs[0][-1] // layer.groups
    return math.prod(output) * channels * layer.kernel_size**2


@keras.saving.register_keras_serializable(package="lpie")
class DOConv2D(keras.layers.Layer):
    """A convolution whose kernel is the product of two: [N, H, W, C] to [N, H', W', filters].

    groups: 1, or C for a depthwise convolution, or between. The weights lie as in the released
    code: `w` [filters, C / groups, s], `d` and the fixed identity `d_identity` [C, k * k, s] with
    s = k * k; a kernel of 1x1 has `w` alone.
    """

    facts = LayerFacts(reach=_reach, macs=_macs)

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        groups: int = 1,
        use_bias: bool = True,
        activation: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.filters, self.kernel_size = filters, kernel_size
        self.groups, self.use_bias = groups, use_bias
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: tuple) -> None:
        area, channels = self.kernel_size**2, input_shape[-1]
        fan_in = channels // self.groups * area
        spread = keras.initializers.RandomUniform(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
        shape = (self.filters, channels // self.groups, area)
        self.w = self.add_weight(shape, initializer=spread, name="w")
        if area > 1:
            shape = (channels, area, area)
            self.d = self.add_weight(shape, initializer="zeros", name="d")
            identity = np.broadcast_to(np.eye(area, dtype=np.float32), shape)
            self.d_identity = self.add_weight(
                shape,
                trainable=False,
                name="d_identity",
                initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(identity, dtype),
            )
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), initializer=spread, name="bias")

    def kernel(self) -> Tensor:
        """The plain kernel, [k, k, C / groups, filters]."""
        size, area = self.kernel_size, self.kernel_size**2
        filters, share, _ = self.w.shape
        kernel = keras.ops.convert_to_tensor(self.w)
        if area > 1:
            # The released code lays the groups out anew, in memory's order.
            split = keras.ops.reshape(kernel, (filters // self.groups, share * self.groups, area))
            kernel = keras.ops.einsum("ims,ois->oim", self.d + self.d_identity, split)
        kernel = keras.ops.reshape(kernel, (filters, share, size, size))
        return keras.ops.transpose(kernel, (2, 3, 1, 0))

    def call(self, x: Tensor) -> Tensor:
        kernel = keras.ops.cast(self.kernel(), self.compute_dtype)
        if self.is_depthwise(x.shape[-1]):
            kernel = keras.ops.transpose(kernel, (0, 1, 3, 2))
            x = keras.ops.depthwise_conv(x, kernel, padding="same")
        else:
            x = keras.ops.conv(x, kernel, padding="same")
        if self.use_bias:
            x = x + keras.ops.cast(self.bias, x.dtype)
        return self.activation(x)

    def is_depthwise(self, channels: int) -> bool:
        return self.groups == channels == self.filters and channels > 1

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "groups": self.groups,
            "use_bias": self.use_bias,
            "activation": keras.activations.serialize(self.activation),
        }


def fold(model: keras.Model) -> keras.Model:
    """Replace over-parameterized convolutions (DO-Conv) by plain ones.

    The kernel of a DO-Conv is the product of two, K = D * W (Cao et al., IEEE TIP 2022,
    arXiv:2006.12030); here the product is computed once and kept.

    Args:
        model: A Keras network, for example of `build_model("lpienet", overparameterized=True)`.

    Returns:
        A network of the same outputs up to rounding (1e-5) and the same layer names, with fewer
        weights; `model` itself if it has no such convolution.
    """
    return exchanged(model, _plain, _plain_weights)


def overparameterize(model: keras.Model) -> keras.Model:
    """The same network with a `DOConv2D` for every convolution of more than one pixel."""
    return exchanged(model, _product, _product_weights)


def _plain(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    if not isinstance(layer, DOConv2D):
        return None
    options = {
        "kernel_size": layer.kernel_size,
        "padding": "same",
        "use_bias": layer.use_bias,
        "activation": layer.activation,
        "name": layer.name,
        "dtype": layer.dtype_policy,
    }
    if layer.is_depthwise(layer.input.shape[-1]):
        return keras.layers.DepthwiseConv2D(**options)
    return keras.layers.Conv2D(layer.filters, groups=layer.groups, **options)


def _plain_weights(source: keras.layers.Layer, layer: keras.layers.Layer) -> list[NDArray]:
    if not isinstance(source, DOConv2D):
        return source.get_weights()
    kernel = keras.ops.convert_to_numpy(source.kernel())
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        kernel = kernel.transpose(0, 1, 3, 2)
    bias = [keras.ops.convert_to_numpy(source.bias)] if source.use_bias else []
    return [kernel, *bias]


def _product(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    if not isinstance(layer, kinds) or layer.kernel_size == (1, 1) or layer.strides != (1, 1):
        return None
    channels = layer.input.shape[-1]
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return DOConv2D(
        channels if depthwise else layer.filters,
        layer.kernel_size[0],
        groups=channels if depthwise else layer.groups,
        use_bias=layer.use_bias,
        activation=layer.activation,
        name=layer.name,
        dtype=layer.dtype_policy,
    )


def _product_weights(source: keras.layers.Layer, layer: keras.layers.Layer) -> list[NDArray]:
    if not isinstance(layer, DOConv2D):
        return source.get_weights()
    kernel, *bias = source.get_weights()  # [k, k, C in, C out], depthwise [k, k, C, 1]
    if isinstance(source, keras.layers.DepthwiseConv2D):
        kernel = kernel.transpose(0, 1, 3, 2)
    w = kernel.transpose(3, 2, 0, 1).reshape(layer.w.shape)
    by_name = {"w": w, "bias": bias[0] if bias else None}
    return [
        by_name.get(weight.name, keras.ops.convert_to_numpy(weight)) for weight in layer.weights
    ]
