"""LPIENet (Conde et al., "Perceptual Image Enhancement for Smartphone Real-Time Applications",
WACV 2023, arXiv:2210.13552): a U-Net of inverted-residual-attention blocks.

Three variants share the skeleton and, but for `paper`, the parameters:

* `keras`: the notebook that the authors released.
* `pytorch`: the PyTorch file beside it. Same count, a different function: no ReLU after the
  stage's convolution, and the second half of a block starts from the sum.
* `paper`: the figure of the paper. Channel attention is a squeeze-and-excite over space, so this
  variant is not local and cannot be tiled exactly.
"""

from collections.abc import Sequence
from typing import Literal, get_args

from lpie.backend import Tensor, keras
from lpie.errors import InputError, unknown_name
from lpie.models.do_conv import overparameterize
from lpie.models.layers import ChannelMax, ChannelMean, UpSampling2D

Variant = Literal["keras", "pytorch", "paper"]
Activation = Literal["elu", "relu", "leaky_relu"]


def lpienet(
    *,
    encoder_widths: Sequence[int] = (16, 32, 64),
    decoder_widths: Sequence[int] = (32, 16),
    activation: Activation | None = None,
    variant: Variant = "keras",
    overparameterized: bool = False,
) -> keras.Model:
    """LPIENet: [N, H, W, 3] RGB in [0, 1] to the same shape, unclipped.

    H and W must be multiples of 2 ** (len(encoder_widths) - 1). `activation` is that of the
    inverted residual blocks: "elu" by default, as released, and "relu" in the paper's figure.
    overparameterized: with DO-Conv while training; `lpie.fold`, which export applies, takes it out.
    """
    activation = activation or ("relu" if variant == "paper" else "elu")
    _check(encoder_widths, decoder_widths, activation, variant)
    stage = _paper_stage if variant == "paper" else _released_stage
    image = keras.Input((None, None, 3), name="image")
    x, skips = image, []
    for i, width in enumerate(encoder_widths):
        if i:
            x = keras.layers.MaxPooling2D(2, name=f"encoder{i}_down")(x)  # [N, H/2, W/2, C]
        x = stage(x, width, activation, variant, f"encoder{i}")
        skips.append(x)
    skips.pop()
    for i, width in enumerate(decoder_widths):
        x = stage(x, width, activation, variant, f"decoder{i}")
        x = UpSampling2D(2, interpolation="bilinear", name=f"decoder{i}_up")(x)
        x = keras.layers.Concatenate(name=f"decoder{i}_skip")([x, skips.pop()])
    tail = _paper_tail if variant == "paper" else _released_tail
    residual = tail(x, activation)  # [N, H, W, 3]
    # In float32 also where the layers before it are not: bfloat16 has too few levels for a photo.
    output = keras.layers.Add(name="output", dtype="float32")([residual, image])
    model = keras.Model(image, output, name="lpienet")
    return overparameterize(model) if overparameterized else model


def _check(
    encoder_widths: Sequence[int], decoder_widths: Sequence[int], activation: str, variant: str
) -> None:
    if variant not in get_args(Variant):
        raise unknown_name("variant", variant, get_args(Variant))
    if activation not in get_args(Activation):
        raise unknown_name("activation", activation, get_args(Activation))
    widths = [*encoder_widths, *decoder_widths]
    if len(encoder_widths) < 2 or len(decoder_widths) != len(encoder_widths) - 1:
        raise InputError(
            "`decoder_widths` must be one shorter than `encoder_widths`, which needs two or more. "
            f"Received: encoder_widths={tuple(encoder_widths)}, "
            f"decoder_widths={tuple(decoder_widths)}."
        )
    if any(not isinstance(w, int) or w < 1 for w in widths):
        raise InputError(f"Every width must be a positive whole number. Received: {widths}.")


def _released_stage(x: Tensor, width: int, activation: str, variant: str, name: str) -> Tensor:
    """Convolution, two base blocks, attention."""
    relu = "relu" if variant == "keras" else None
    x = _conv(width, 3, f"{name}_conv", activation=relu)(x)
    for block in ("block1", "block2"):
        x = _base_block(x, width, activation, variant, f"{name}_{block}")
    return _attention(x, width, f"{name}_attention")


def _base_block(x: Tensor, width: int, activation: str, variant: str, name: str) -> Tensor:
    m = _conv(width, 1, f"{name}_conv0")(x)
    m = _depthwise(f"{name}_depthwise")(m)
    m = _activation(activation, f"{name}_act0")(m)
    m = _conv(width, 1, f"{name}_conv1")(m)
    y = keras.layers.Add(name=f"{name}_sum0")([m, x])
    # The notebook continues from m, the PyTorch file from y: not the same function.
    t = _conv(width, 1, f"{name}_conv2")(m if variant == "keras" else y)
    t = _activation(activation, f"{name}_act1")(t)
    t = _conv(width, 1, f"{name}_conv3")(t)
    return keras.layers.Add(name=f"{name}_sum1")([t, y])


def _attention(x: Tensor, width: int, name: str) -> Tensor:
    """Two gates from the channel mean and maximum of each pixel; no pooling over space."""
    mean = ChannelMean(name=f"{name}_mean")(x)  # [N, H, W, 1]
    peak = ChannelMax(name=f"{name}_max")(x)  # [N, H, W, 1]
    gate = keras.layers.Concatenate(name=f"{name}_maps")([mean, peak])
    gate = _conv(width, 3, f"{name}_spatial", activation="sigmoid")(gate)
    spatial = keras.layers.Multiply(name=f"{name}_spatial_gate")([x, gate])
    gate = _conv(width, 1, f"{name}_channel0", activation="relu")(mean)
    gate = _conv(width, 1, f"{name}_channel1", activation="sigmoid")(gate)
    channel = keras.layers.Multiply(name=f"{name}_channel_gate")([x, gate])
    both = keras.layers.Concatenate(name=f"{name}_both")([spatial, channel])  # [N, H, W, 2C]
    return keras.layers.Add(name=f"{name}_sum")([x, _conv(width, 1, f"{name}_out")(both)])


def _released_tail(x: Tensor, activation: str) -> Tensor:
    """Inverse block to three channels, then a sigmoid gate of 7x7, 5x5 and 3x3 convolutions."""
    m = _conv(3, 1, "inverse_conv0")(x)
    m = _depthwise("inverse_depthwise")(m)
    m = _activation(activation, "inverse_act")(m)
    m = _conv(3, 1, "inverse_conv1")(m)
    r = _conv(3, 1, "inverse_conv2", activation="relu")(x)
    z = keras.layers.Add(name="inverse_sum")([m, r])
    f = _conv(3, 7, "tail_conv0", activation="relu")(z)
    f = _conv(3, 5, "tail_conv1", activation="relu")(f)
    f = _conv(3, 3, "tail_conv2", activation="sigmoid")(f)
    return keras.layers.Multiply(name="tail_gate")([z, f])


def _paper_stage(x: Tensor, width: int, activation: str, variant: str, name: str) -> Tensor:
    """The figure's IRA block: two inverted residual blocks, then both attentions side by side.

    The figure draws no convolution that changes the width; a 1x1 does it where widths differ.
    """
    if x.shape[-1] != width:
        x = _conv(width, 1, f"{name}_conv")(x)
    y = x
    for block in ("block1", "block2"):
        y = _base_block(y, width, activation, variant, f"{name}_{block}")
    attention = f"{name}_attention"
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{attention}_pool")(y)
    gate = _conv(width, 1, f"{attention}_channel0", activation="relu")(pooled)
    gate = _conv(width, 1, f"{attention}_channel1", activation="sigmoid")(gate)  # [N, 1, 1, C]
    channel = keras.layers.Multiply(name=f"{attention}_channel_gate")([y, gate])
    maps = [
        ChannelMean(name=f"{attention}_mean")(y),
        ChannelMax(name=f"{attention}_max")(y),
    ]
    maps = keras.layers.Concatenate(name=f"{attention}_maps")(maps)
    gate = _conv(1, 3, f"{attention}_spatial", activation="sigmoid")(maps)  # [N, H, W, 1]
    spatial = keras.layers.Multiply(name=f"{attention}_spatial_gate")([y, gate])
    both = keras.layers.Concatenate(name=f"{attention}_both")([channel, spatial])
    gate = _conv(width, 1, f"{attention}_out", activation="sigmoid")(both)
    gated = keras.layers.Multiply(name=f"{attention}_gate")([y, gate])
    return keras.layers.Add(name=f"{attention}_sum")([gated, x])


def _paper_tail(x: Tensor, activation: str) -> Tensor:
    del activation
    return _conv(3, 3, "tail_conv")(x)


def _conv(
    width: int, kernel: int, name: str, *, activation: str | None = None
) -> keras.layers.Layer:
    return keras.layers.Conv2D(width, kernel, padding="same", activation=activation, name=name)


def _depthwise(name: str) -> keras.layers.Layer:
    return keras.layers.DepthwiseConv2D(3, padding="same", name=name)


def _activation(activation: str, name: str) -> keras.layers.Layer:
    if activation == "leaky_relu":
        # 0.2 in TensorFlow's function, 0.3 in old Keras, 0.01 in PyTorch: written out.
        return keras.layers.LeakyReLU(negative_slope=0.2, name=name)
    return keras.layers.Activation(activation, name=name)
