"""LPIENet-RT: a U-Net for real-time full HD on phones, after the idea of LPIENet.

All layers run at half resolution or less, on channels that are multiples of 8. The sizes become
five ops that every delegate takes, CONV_2D, DEPTHWISE_CONV_2D, ADD, SPACE_TO_DEPTH and
DEPTH_TO_SPACE; the options add MUL and LOGISTIC. No concatenation, no reduction, no ELU, nothing
global. How the sizes were chosen: docs/lpienet_rt.md.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from lpie.backend import Tensor, keras
from lpie.errors import InputError, unknown_name
from lpie.models.do_conv import overparameterize
from lpie.models.layers import PixelShuffle, PixelUnshuffle
from lpie.models.nafnet import check_blocks, conv

Size = Literal["s", "m", "l"]
Block = Literal["inverted", "residual", "fused"]
Activation = Literal["relu", "gate"]

SIZES: dict[str, dict[str, Any]] = {
    "s": {"widths": (24, 48, 64), "encoder": (0, 1), "middle": 4, "decoder": (1, 0)},
    "m": {"widths": (32, 56, 96), "encoder": (0, 2), "middle": 5, "decoder": (2, 1)},
    "l": {"widths": (64, 128, 192), "encoder": (1, 2), "middle": 4, "decoder": (2, 1)},
}


def lpienet_rt(
    *,
    size: Size = "m",
    trunk_scale: int = 2,
    widths: Sequence[int] | None = None,
    encoder_blocks: Sequence[int] | None = None,
    middle_blocks: int | None = None,
    decoder_blocks: Sequence[int] | None = None,
    block: Block | Sequence[Block] = "inverted",
    expansion: int | Sequence[int] = 2,
    kernel_size: int | Sequence[int] = 3,
    activation: Activation = "relu",
    attention: bool = False,
    overparameterized: bool = False,
) -> keras.Model:
    """LPIENet-RT: [N, H, W, 3] RGB in [0, 1] to the same shape, unclipped.

    H and W must be multiples of trunk_scale * 2 ** (len(widths) - 1). size: the defaults of
    `widths` and of the numbers of blocks; decoder_blocks, from the deepest level up, by default
    mirror encoder_blocks. trunk_scale: all layers but the last sum run at 1 / trunk_scale of the
    resolution, or less. block: `inverted` (depthwise convolution, 1x1 to `expansion` times the
    channels, activation, 1x1 back), `residual` (two convolutions) or `fused` (a convolution that
    expands, 1x1 back). block, expansion, kernel_size: one for all or one for each width.
    activation: ReLU, or the product of two convolutions. attention: a gate for each pixel and
    channel at the lowest level. overparameterized: with DO-Conv while training; `lpie.fold`, which
    export applies, takes it out.
    """
    if size not in tuple(SIZES):  # a tuple: a value of --set may be a list
        raise unknown_name("size", size, tuple(SIZES))
    of_size = SIZES[size]
    widths = of_size["widths"] if widths is None else widths
    kinds: list[Block] = _for_all("block", block, widths)
    expansions: list[int] = _for_all("expansion", expansion, widths)
    kernels: list[int] = _for_all("kernel_size", kernel_size, widths)
    for kind in kinds:
        if kind not in get_args(Block):
            raise unknown_name("block", kind, get_args(Block))
    if activation not in get_args(Activation):
        raise unknown_name("activation", activation, get_args(Activation))
    middle = of_size["middle"] if middle_blocks is None else middle_blocks
    if encoder_blocks is None:
        encoder, mirrored = of_size["encoder"], of_size["decoder"]
    else:
        encoder, mirrored = encoder_blocks, tuple(reversed(encoder_blocks))
    decoder = mirrored if decoder_blocks is None else decoder_blocks
    _check(trunk_scale, widths, encoder, middle, decoder, expansions, kernels)

    levels = list(zip(kinds, expansions, kernels, strict=True))

    def blocks(x: Tensor, count: int, level: int, name: str) -> Tensor:
        for i in range(count):
            x = _block(x, *levels[level], activation, f"{name}_block{i}")
        return x

    image = keras.Input((None, None, 3), name="image")
    # [N, H/s, W/s, 3 s^2]
    x = image if trunk_scale == 1 else PixelUnshuffle(trunk_scale, name="unshuffle")(image)
    x, skips = conv(widths[0], 3, "head")(x), []
    for i, count in enumerate(encoder):
        x = blocks(x, count, i, f"encoder{i}")
        skips.append(x)
        x = keras.layers.Conv2D(widths[i + 1], 2, strides=2, name=f"down{i}")(x)
    x = blocks(x, middle, len(encoder), "middle")
    x = _attention(x, "attention") if attention else x
    for i, count in enumerate(decoder):
        skip = skips.pop()
        x = conv(4 * skip.shape[-1], 1, f"up{i}")(x)
        x = PixelShuffle(2, name=f"up{i}_shuffle")(x)  # [N, 2H, 2W, C]
        x = keras.layers.Add(name=f"skip{i}")([x, skip])
        x = blocks(x, count, len(skips), f"decoder{i}")
    residual = conv(3 * trunk_scale**2, 3, "tail")(x)
    if trunk_scale > 1:
        residual = PixelShuffle(trunk_scale, name="shuffle")(residual)
    # In float32 also where the layers before it are not: bfloat16 has too few levels for a photo.
    output = keras.layers.Add(name="output", dtype="float32")([residual, image])
    model = keras.Model(image, output, name="lpienet_rt")
    return overparameterize(model) if overparameterized else model


def _block(x: Tensor, kind: str, expansion: int, kernel: int, activation: str, name: str) -> Tensor:
    """[N, H, W, C] to the same shape."""
    width = x.shape[-1]
    wide = expansion * width
    if kind == "residual":
        y = _activated(x, width, kernel, activation, name)
        y = conv(width, kernel, f"{name}_project")(y)
    elif kind == "fused":
        y = conv(width, 1, f"{name}_project")(_activated(x, wide, kernel, activation, name))
    else:
        y = keras.layers.DepthwiseConv2D(kernel, padding="same", name=f"{name}_depthwise")(x)
        y = conv(width, 1, f"{name}_project")(_activated(y, wide, 1, activation, name))
    return keras.layers.Add(name=f"{name}_sum")([x, y])


def _activated(x: Tensor, width: int, kernel: int, activation: str, name: str) -> Tensor:
    if activation == "relu":
        return conv(width, kernel, f"{name}_expand", activation="relu")(x)
    # Two convolutions, not one that is split: NNAPI has no SPLIT before API 29.
    halves = [conv(width // 2, kernel, f"{name}_{side}")(x) for side in ("value", "gate")]
    return keras.layers.Multiply(name=f"{name}_product")(halves)


def _attention(x: Tensor, name: str) -> Tensor:
    """Squeeze, excite and gate at every pixel, without pooling: local, so tiles stay exact."""
    width = x.shape[-1]
    gate = conv(max(width // 4 // 8 * 8, 8), 1, f"{name}_squeeze", activation="relu")(x)
    gate = conv(width, 1, f"{name}_excite", activation="sigmoid")(gate)
    return keras.layers.Multiply(name=f"{name}_gate")([x, gate])


def _check(
    trunk_scale: int,
    widths: Sequence[int],
    encoder: Sequence[int],
    middle: int,
    decoder: Sequence[int],
    expansions: Sequence[int],
    kernels: Sequence[int],
) -> None:
    if trunk_scale not in (1, 2, 4):
        raise InputError(f"`trunk_scale` must be 1, 2 or 4. Received: {trunk_scale!r}.")
    if len(widths) != len(encoder) + 1:
        raise InputError(
            "`widths` must be one longer than `encoder_blocks`. "
            f"Received: {tuple(widths)} and {tuple(encoder)}."
        )
    for width in widths:
        check_blocks(width, encoder, middle, decoder)
        if width % 8:
            raise InputError(f"Every width must be a multiple of 8. Received: {tuple(widths)}.")
    for expansion in expansions:
        if not isinstance(expansion, int) or expansion < 1:
            raise InputError(
                f"`expansion` must be a positive whole number. Received: {expansion!r}."
            )
    for kernel in kernels:
        if kernel not in (3, 5):
            raise InputError(f"`kernel_size` must be 3 or 5. Received: {kernel!r}.")


def _for_all(what: str, value: Any, widths: Sequence[int]) -> list[Any]:
    """`value`, one for all widths or one for each, as a list of one for each."""
    if not isinstance(value, (list, tuple)):
        return [value] * len(widths)
    if len(value) != len(widths):
        raise InputError(
            f"`{what}` must be one or as many as `widths`. "
            f"Received: {tuple(value)} and {tuple(widths)}."
        )
    return list(value)
