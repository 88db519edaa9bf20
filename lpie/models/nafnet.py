"""NAFNet and its relatives (Chen et al., "Simple Baselines for Image Restoration", ECCV 2022,
arXiv:2204.04676): U-Nets whose blocks have no activation (`naf`), GELU (`baseline`) or ReLU
(`plain`).

Layers carry the names of the released PyTorch modules. With `train_size` the global pooling
becomes the local one of Chu et al., "Improving Image Restoration by Revisiting Global Information
Aggregation", ECCV 2022, arXiv:2112.04491 (TLC), with the same weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lpie.backend import Tensor, keras
from lpie.errors import InputError, unknown_name
from lpie.models.layers import (
    ChannelScale,
    CropLike,
    Gate,
    GateActivation,
    LocalAveragePooling2D,
    PadToMultiple,
    PixelShuffle,
)

Block = Literal["naf", "baseline", "plain"]


def nafnet(
    *,
    width: int = 32,
    encoder_blocks: Sequence[int] = (2, 2, 4, 8),
    middle_blocks: int = 12,
    decoder_blocks: Sequence[int] = (2, 2, 2, 2),
    block: Block = "naf",
    gate: GateActivation = "simple",
    depthwise_expand: int | None = None,
    ffn_expand: int = 2,
    train_size: int | tuple[int, int] | None = None,
    skip_init: bool = True,
    dropout: float = 0.0,
) -> keras.Model:
    """NAFNet: [N, H, W, 3] RGB in [0, 1] to the same shape, unclipped; any size.

    An input is padded with zeros at the bottom and right to a multiple of 2 ** levels, as in the
    released code. depthwise_expand: 2 for `naf`, by default 1 for the others. gate: what the
    first half of the channels passes before it multiplies the second (`naf` alone). train_size:
    pixels, one number or (height, width); pooling windows then are 1.5 times the map at that
    size. skip_init: factors that start at zero on both shortcuts of a block (not in `plain`).
    """
    check_blocks(width, encoder_blocks, middle_blocks, decoder_blocks)
    for what, value, valid in (
        ("block", block, get_args(Block)),
        ("gate", gate, get_args(GateActivation)),
    ):
        if value not in valid:
            raise unknown_name(what, value, valid)
    if depthwise_expand is None:
        depthwise_expand = 2 if block == "naf" else 1
    windows = tuple(_windows(train_size, len(encoder_blocks)))
    style = Style(block, gate, depthwise_expand, ffn_expand, skip_init, dropout, windows)
    return u_net("nafnet", width, encoder_blocks, middle_blocks, decoder_blocks, style.block)


def u_net(
    name: str,
    width: int,
    encoder_blocks: Sequence[int],
    middle_blocks: int,
    decoder_blocks: Sequence[int],
    block: Callable[[Tensor, int, str], Tensor],
    skip: Callable[[Tensor, int], Tensor] = lambda x, level: x,
) -> keras.Model:
    """NAFNet's skeleton; `block(x, level, name)` and `skip(x, level)` fill it."""
    levels = len(encoder_blocks)

    def blocks(x: Tensor, count: int, level: int, name: str) -> Tensor:
        for i in range(count):
            x = block(x, level, f"{name}.{i}")
        return x

    image = keras.Input((None, None, 3), name="image")
    padded = PadToMultiple(2**levels, name="pad")(image)
    x, skips = conv(width, 3, "intro")(padded), []
    for level, count in enumerate(encoder_blocks):
        x = blocks(x, count, level, f"encoders.{level}")
        skips.append(skip(x, level))
        down = keras.layers.Conv2D(2 * x.shape[-1], 2, strides=2, name=f"downs.{level}")
        x = down(x)  # [N, H/2, W/2, 2C]
    x = blocks(x, middle_blocks, levels, "middle_blks")
    for i, count in enumerate(decoder_blocks):
        x = conv(2 * x.shape[-1], 1, f"ups.{i}.0", use_bias=False)(x)
        x = PixelShuffle(2, name=f"ups.{i}.1")(x)  # [N, 2H, 2W, C/2]
        x = keras.layers.Add(name=f"skips.{i}")([x, skips.pop()])
        x = blocks(x, count, levels - 1 - i, f"decoders.{i}")
    residual = CropLike(name="crop")([conv(3, 3, "ending")(x), image])
    # In float32 also where the layers before it are not: bfloat16 has too few levels for a photo.
    output = keras.layers.Add(name="output", dtype="float32")([residual, image])
    return keras.Model(image, output, name=name)


@dataclass(frozen=True)
class Style:
    """What all blocks of a network share; `windows` of local pooling by level, None for global."""

    kind: Block = "naf"
    gate: GateActivation = "simple"
    depthwise_expand: int = 2
    ffn_expand: int = 2
    skip_init: bool = True
    dropout: float = 0.0
    windows: tuple[tuple[int, int] | None, ...] = ()

    def block(self, x: Tensor, level: int, name: str) -> Tensor:
        """[N, H, W, C] to the same shape."""
        width = x.shape[-1]
        t = self._norm(x, f"{name}.norm1")
        t = conv(width * self.depthwise_expand, 1, f"{name}.conv1")(t)
        t = self.depthwise(t, f"{name}.conv2")
        t = self._activate(t, f"{name}.sg")
        t = self.attend(t, level, name)
        y = self._shortcut(x, conv(width, 1, f"{name}.conv3")(t), "1", "beta", name)
        t = self._norm(y, f"{name}.norm2")
        t = conv(width * self.ffn_expand, 1, f"{name}.conv4")(t)
        t = self._activate(t, f"{name}.sg2")
        return self._shortcut(y, conv(width, 1, f"{name}.conv5")(t), "2", "gamma", name)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        if self.kind == "plain":
            return x
        return keras.layers.LayerNormalization(epsilon=1e-6, name=name)(x)

    def _activate(self, x: Tensor, name: str) -> Tensor:
        if self.kind == "naf":
            return Gate(self.gate, name=name)(x)
        if self.kind == "plain":
            return keras.layers.ReLU(name=name)(x)
        return keras.layers.Activation(exact_gelu, name=name)(x)

    def depthwise(self, x: Tensor, name: str) -> Tensor:
        return keras.layers.DepthwiseConv2D(3, padding="same", name=name)(x)

    def attend(self, x: Tensor, level: int, name: str) -> Tensor:
        if self.kind == "plain":
            return x
        width = x.shape[-1]
        kind = "sca" if self.kind == "naf" else "se"
        weights = _pool(x, self.windows[level], f"{name}.{kind}.0")
        if kind == "se":
            weights = conv(width // 2, 1, f"{name}.se.1", activation="relu")(weights)
            weights = conv(width, 1, f"{name}.se.3", activation="sigmoid")(weights)
        else:
            weights = conv(width, 1, f"{name}.sca.1")(weights)
        return keras.layers.Multiply(name=f"{name}.{kind}")([x, weights])

    def _shortcut(self, x: Tensor, y: Tensor, number: str, factor: str, name: str) -> Tensor:
        if self.dropout:
            y = keras.layers.Dropout(self.dropout, name=f"{name}.dropout{number}")(y)
        if self.skip_init and self.kind != "plain":
            y = ChannelScale(name=f"{name}.{factor}")(y)
        return keras.layers.Add(name=f"{name}.sum{number}")([x, y])


@keras.saving.register_keras_serializable(package="lpie")
def exact_gelu(x: Tensor) -> Tensor:
    """GELU by the error function, not the tanh formula."""
    return keras.ops.gelu(x, approximate=False)


def conv(width: int, kernel: int, name: str, **options: Any) -> keras.layers.Layer:
    return keras.layers.Conv2D(width, kernel, padding="same", name=name, **options)


def _pool(x: Tensor, window: tuple[int, int] | None, name: str) -> Tensor:
    """The mean over the map, [N, 1, 1, C], or over a window around each pixel, [N, H, W, C]."""
    if window is None:
        return keras.layers.GlobalAveragePooling2D(keepdims=True, name=name)(x)
    return LocalAveragePooling2D(window, name=name)(x)


def _windows(train_size: Any, levels: int) -> list[tuple[int, int] | None]:
    """The pooling window of every level, 1.5 times its map at training size."""
    if train_size is None:
        return [None] * (levels + 1)
    sizes = (train_size, train_size) if isinstance(train_size, int) else tuple(train_size)
    if len(sizes) != 2 or any(not isinstance(s, int) or s < 2 for s in sizes):
        raise InputError(
            "`train_size` must be one or two whole numbers of pixels above 1. "
            f"Received: {train_size!r}."
        )
    windows: list[tuple[int, int] | None] = []
    for level in range(levels + 1):
        height, width = (
            # The map at this level is that of the padded image.
            max(-(-size // 2**levels) * 2 ** (levels - level) * int(1.5 * size) // size, 1)
            for size in sizes
        )
        windows.append((height, width))
    return windows


def check_blocks(
    width: int, encoder_blocks: Sequence[int], middle_blocks: int, decoder_blocks: Sequence[int]
) -> None:
    """Raise an `InputError` for what no U-Net can be built of."""
    counts = [*encoder_blocks, middle_blocks, *decoder_blocks]
    if len(encoder_blocks) != len(decoder_blocks):
        raise InputError(
            "`encoder_blocks` and `decoder_blocks` must be equally long, one number per level. "
            f"Received: {tuple(encoder_blocks)} and {tuple(decoder_blocks)}."
        )
    if any(not isinstance(count, int) or count < 0 for count in counts):
        raise InputError(f"A number of blocks must be 0 or more. Received: {counts}.")
    if not isinstance(width, int) or width < 1:
        raise InputError(f"`width` must be a positive whole number. Received: {width!r}.")
