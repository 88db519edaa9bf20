"""Well-known classifiers, as torchvision builds them, with random weights."""

import math
from collections.abc import Sequence

from lpie.benchmarks.studies.npu.builder import Activation, Builder, Value


def resnet(
    b: Builder,
    blocks: Sequence[int],
    *,
    bottleneck: bool = True,
    groups: int = 1,
    width: int = 64,
    dilated: bool = False,
) -> Value:
    """ResNet's features (arXiv 1512.03385), with ResNeXt's groups and Wide ResNet's width."""
    x = b.conv(b.input, 64, 7, step=2, activation="relu")
    x = b.pool(x, "MaxPool", 3, 2, 1)
    gap = 1
    for stage, count in enumerate(blocks):
        planes, step = 64 << stage, 1 if stage == 0 else 2
        first_gap = gap
        if dilated and stage > 1:
            step, gap = 1, gap * 2
        for number in range(count):
            inner = planes * width // 64 * groups
            x = _residual(
                b,
                x,
                inner if bottleneck else planes,
                planes * (4 if bottleneck else 1),
                step=step if number == 0 else 1,
                gap=first_gap if number == 0 else gap,
                groups=groups,
                bottleneck=bottleneck,
            )
    return x


def _residual(
    b: Builder,
    x: Value,
    inner: int,
    channels: int,
    *,
    step: int,
    gap: int,
    groups: int,
    bottleneck: bool,
) -> Value:
    if bottleneck:
        y = b.conv(x, inner, 1, activation="relu")
        y = b.conv(y, inner, 3, step=step, gap=gap, groups=groups, activation="relu")
        y = b.conv(y, channels, 1)
    else:
        y = b.conv(x, inner, 3, step=step, activation="relu")
        y = b.conv(y, channels, 3)
    if step > 1 or x.channels != channels:
        x = b.conv(x, channels, 1, step=step)
    return b.add(y, x, activation="relu")


def fcn_resnet50(b: Builder) -> Value:
    """FCN on a dilated ResNet-50, for 21 classes of pixels (arXiv 1411.4038)."""
    x = resnet(b, (3, 4, 6, 3), dilated=True)
    x = b.conv(x, 512, 3, activation="relu")
    return b.resize(b.conv(x, 21, 1), b.input.height, b.input.width)


def googlenet(b: Builder) -> Value:
    """GoogLeNet (arXiv 1409.4842)."""
    x = b.conv(b.input, 64, 7, step=2, activation="relu")
    x = b.pool(x, "MaxPool", 3, 2, ceil=True)
    x = b.conv(b.conv(x, 64, 1, activation="relu"), 192, 3, activation="relu")
    x = b.pool(x, "MaxPool", 3, 2, ceil=True)
    table = (
        (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128), (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
    )  # fmt: skip
    for number, (a, b1, b3, c1, c3, d) in enumerate(table):
        parts = [
            b.conv(x, a, 1, activation="relu"),
            b.conv(b.conv(x, b1, 1, activation="relu"), b3, 3, activation="relu"),
            b.conv(b.conv(x, c1, 1, activation="relu"), c3, 3, activation="relu"),
            b.conv(b.pool(x, "MaxPool", 3, 1, 1), d, 1, activation="relu"),
        ]
        x = b.concat(parts)
        if number == 1:
            x = b.pool(x, "MaxPool", 3, 2, ceil=True)
        if number == 6:
            x = b.pool(x, "MaxPool", 2, 2, ceil=True)
    return b.classes(x)


def squeezenet(b: Builder) -> Value:
    """SqueezeNet 1.1 (arXiv 1602.07360)."""
    x = b.conv(b.input, 64, 3, step=2, valid=True, activation="relu")
    x = b.pool(x, "MaxPool", 3, 2, ceil=True)
    for number, (inner, outer) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    ):
        y = b.conv(x, inner, 1, activation="relu")
        parts = [b.conv(y, outer, 1, activation="relu"), b.conv(y, outer, 3, activation="relu")]
        x = b.concat(parts)
        if number in (1, 3):
            x = b.pool(x, "MaxPool", 3, 2, ceil=True)
    return b.mean(b.conv(x, 1000, 1, activation="relu"))


def densenet121(b: Builder) -> Value:
    """DenseNet-121 (arXiv 1608.06993); normalization before a ReLU is a 1x1 product and sum."""
    x = b.conv(b.input, 64, 7, step=2, activation="relu")
    x = b.pool(x, "MaxPool", 3, 2, 1)
    for stage, count in enumerate((6, 12, 24, 16)):
        for _ in range(count):
            y = b.conv(_normalized(b, x), 128, 1, activation="relu")
            x = b.concat([x, b.conv(y, 32, 3)])
        if stage < 3:
            x = b.conv(_normalized(b, x), x.channels // 2, 1)
            x = b.pool(x, "AveragePool", 2, 2)
    return b.classes(_normalized(b, x))


def _normalized(b: Builder, x: Value) -> Value:
    return b.normalize(x, activation="relu")


def inception_v3(b: Builder) -> Value:
    """Inception v3 (arXiv 1512.00567)."""

    def conv(x: Value, channels: int, kernel: int | tuple[int, int], **options: int) -> Value:
        return b.conv(x, channels, kernel, activation="relu", **options)

    def valid(x: Value, channels: int, kernel: int, step: int = 1) -> Value:
        return b.conv(x, channels, kernel, step=step, valid=True, activation="relu")

    x = conv(valid(valid(b.input, 32, 3, 2), 32, 3), 64, 3)
    x = b.pool(x, "MaxPool", 3, 2)
    x = b.pool(valid(valid(x, 80, 1), 192, 3), "MaxPool", 3, 2)
    for pooled in (32, 64, 64):
        near = conv(conv(x, 48, 1), 64, 5)
        far = conv(conv(conv(x, 64, 1), 96, 3), 96, 3)
        mean = conv(b.pool(x, "AveragePool", 3, 1, 1), pooled, 1)
        x = b.concat([conv(x, 64, 1), near, far, mean])
    far = valid(conv(conv(x, 64, 1), 96, 3), 96, 3, 2)
    x = b.concat([valid(x, 384, 3, 2), far, b.pool(x, "MaxPool", 3, 2)])
    for c in (128, 160, 160, 192):
        near = conv(conv(conv(x, c, 1), c, (1, 7)), 192, (7, 1))
        far = conv(conv(conv(x, c, 1), c, (7, 1)), c, (1, 7))
        far = conv(conv(far, c, (7, 1)), 192, (1, 7))
        mean = conv(b.pool(x, "AveragePool", 3, 1, 1), 192, 1)
        x = b.concat([conv(x, 192, 1), near, far, mean])
    far = valid(conv(conv(conv(x, 192, 1), 192, (1, 7)), 192, (7, 1)), 192, 3, 2)
    near = valid(conv(x, 192, 1), 320, 3, 2)
    x = b.concat([near, far, b.pool(x, "MaxPool", 3, 2)])
    for _ in range(2):
        near = conv(x, 384, 1)
        far = conv(conv(x, 448, 1), 384, 3)
        parts = [conv(side, 384, k) for side in (near, far) for k in ((1, 3), (3, 1))]
        mean = conv(b.pool(x, "AveragePool", 3, 1, 1), 192, 1)
        x = b.concat([conv(x, 320, 1), *parts, mean])
    return b.classes(x)


def _rounded_8(channels: float) -> int:
    """The multiple of 8 that is nearest, at most a tenth below (MobileNet's rule)."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def inverted(
    b: Builder,
    x: Value,
    inner: int,
    channels: int,
    kernel: int,
    step: int,
    activation: Activation,
    *,
    squeeze: int = 0,
    gate: str = "HardSigmoid",
    gate_activation: Activation = "relu",
) -> Value:
    """An inverted residual block. squeeze: channels of squeeze and excitation, if any."""
    y = x if inner == x.channels else b.conv(x, inner, 1, activation=activation)
    y = b.conv(y, inner, kernel, step=step, groups=inner, activation=activation)
    if squeeze:
        z = b.conv(b.mean(y), squeeze, 1, activation=gate_activation)
        y = b.times(y, b.function(b.conv(z, inner, 1), gate))
    y = b.conv(y, channels, 1)
    return b.add(y, x) if step == 1 and x.channels == channels else y


def mobilenet_v2(b: Builder) -> Value:
    """MobileNetV2 (arXiv 1801.04381)."""
    x = b.conv(b.input, 32, 3, step=2, activation="relu6")
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
             (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip
    for grow, channels, count, step in table:
        for k in range(count):
            x = inverted(b, x, x.channels * grow, channels, 3, step if k == 0 else 1, "relu6")
    return b.classes(b.conv(x, 1280, 1, activation="relu6"))


def mnasnet05(b: Builder) -> Value:
    """MnasNet of half width (arXiv 1807.11626)."""
    x = b.conv(b.input, 16, 3, step=2, activation="relu")
    x = b.conv(x, 16, 3, groups=16, activation="relu")
    x = b.conv(x, 8, 1)
    table = ((3, 16, 3, 2, 3), (3, 24, 3, 2, 5), (6, 40, 3, 2, 5), (6, 48, 2, 1, 3),
             (6, 96, 4, 2, 5), (6, 160, 1, 1, 3))  # fmt: skip
    for grow, channels, count, step, kernel in table:
        for k in range(count):
            first = step if k == 0 else 1
            x = inverted(b, x, x.channels * grow, channels, kernel, first, "relu")
    return b.classes(b.conv(x, 1280, 1, activation="relu"))


MOBILENET_V3_LARGE = (
    (3, 16, 16, 0, "relu", 1), (3, 64, 24, 0, "relu", 2), (3, 72, 24, 0, "relu", 1),
    (5, 72, 40, 1, "relu", 2), (5, 120, 40, 1, "relu", 1), (5, 120, 40, 1, "relu", 1),
    (3, 240, 80, 0, "hswish", 2), (3, 200, 80, 0, "hswish", 1), (3, 184, 80, 0, "hswish", 1),
    (3, 184, 80, 0, "hswish", 1), (3, 480, 112, 1, "hswish", 1), (3, 672, 112, 1, "hswish", 1),
    (5, 672, 160, 1, "hswish", 2), (5, 960, 160, 1, "hswish", 1), (5, 960, 160, 1, "hswish", 1),
)  # fmt: skip
MOBILENET_V3_SMALL = (
    (3, 16, 16, 1, "relu", 2), (3, 72, 24, 0, "relu", 2), (3, 88, 24, 0, "relu", 1),
    (5, 96, 40, 1, "hswish", 2), (5, 240, 40, 1, "hswish", 1), (5, 240, 40, 1, "hswish", 1),
    (5, 120, 48, 1, "hswish", 1), (5, 144, 48, 1, "hswish", 1), (5, 288, 96, 1, "hswish", 2),
    (5, 576, 96, 1, "hswish", 1), (5, 576, 96, 1, "hswish", 1),
)  # fmt: skip


def mobilenet_v3(
    b: Builder, table: Sequence[tuple[int, int, int, int, Activation, int]], last: int
) -> Value:
    """MobileNetV3 (arXiv 1905.02244)."""
    x = b.conv(b.input, 16, 3, step=2, activation="hswish")
    for kernel, inner, channels, excited, activation, step in table:
        squeeze = _rounded_8(inner / 4) if excited else 0
        x = inverted(b, x, inner, channels, kernel, step, activation, squeeze=squeeze)
    x = b.mean(b.conv(x, 6 * x.channels, 1, activation="hswish"))
    return b.classes(b.conv(x, last, 1, activation="hswish"))


def efficientnet(b: Builder, width: float, depth: float) -> Value:
    """EfficientNet (arXiv 1905.11946), scaled from B0."""
    x = b.conv(b.input, _rounded_8(32 * width), 3, step=2, activation="silu")
    table = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
             (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))  # fmt: skip
    for grow, base, count, step, kernel in table:
        channels = _rounded_8(base * width)
        for k in range(math.ceil(count * depth)):
            x = _efficient(b, x, grow, channels, kernel, step if k == 0 else 1)
    return b.classes(b.conv(x, 4 * x.channels, 1, activation="silu"))


def _efficient(b: Builder, x: Value, grow: int, channels: int, kernel: int, step: int) -> Value:
    return inverted(
        b, x, x.channels * grow, channels, kernel, step, "silu",
        squeeze=max(1, x.channels // 4), gate="Sigmoid", gate_activation="silu",
    )  # fmt: skip


def efficientnet_v2_s(b: Builder) -> Value:
    """EfficientNetV2-S (arXiv 2104.00298)."""
    x = b.conv(b.input, 24, 3, step=2, activation="silu")
    for grow, channels, count, step in ((1, 24, 2, 1), (4, 48, 4, 2), (4, 64, 4, 2)):
        for k in range(count):
            first = step if k == 0 else 1
            y = b.conv(x, x.channels * grow, 3, step=first, activation="silu")
            y = y if grow == 1 else b.conv(y, channels, 1)
            x = b.add(y, x) if first == 1 and x.channels == channels else y
    for grow, channels, count, step in ((4, 128, 6, 2), (6, 160, 9, 1), (6, 256, 15, 2)):
        for k in range(count):
            x = _efficient(b, x, grow, channels, 3, step if k == 0 else 1)
    return b.classes(b.conv(x, 1280, 1, activation="silu"))
