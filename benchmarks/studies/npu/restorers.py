"""Networks from image to image that others published latencies of, with random weights."""

from lpie.benchmarks.studies.npu.builder import Activation, Builder, Value


def quicksrnet(
    b: Builder, channels: int, layers: int, scale: int = 4, *, anchored: bool = False
) -> Value:
    """QuickSRNet (arXiv 2303.04336): convolutions clipped from both sides, and depth to space."""
    x = b.conv(b.input, channels, 3, activation="relu6")
    for _ in range(layers):
        x = b.conv(x, channels, 3, activation="relu6")
    if not anchored:
        return b.depth_to_space(b.conv(x, 3 * scale**2, 3, activation="relu6"), scale)
    anchor = b.conv(b.input, 3 * scale**2, 1)
    x = b.add(anchor, b.conv(x, 3 * scale**2, 3), activation="relu6")
    return b.depth_to_space(x, scale)


def sesr(b: Builder, blocks: int = 5, channels: int = 16, scale: int = 4) -> Value:
    """SESR (arXiv 2103.09404) as it was published: with 256 channels inside each block."""

    def wide(x: Value, outputs: int, kernel: int) -> Value:
        return b.conv(b.conv(x, 256, kernel), outputs, 1)

    first = b.activate(wide(b.input, channels, 5), "relu")
    x = first
    for _ in range(blocks):
        x = b.add(x, wide(x, channels, 3), activation="relu")
    x = wide(b.add(x, first), 3 * scale**2, 5)
    return b.depth_to_space(b.add(x, b.conv(b.input, 3 * scale**2, 1)), scale)


def xlsr(b: Builder, scale: int = 4) -> Value:
    """XLSR (arXiv 2105.10288): convolutions in four groups, then across them; clipped last."""
    x = b.conv(b.conv(b.input, 32, 3, activation="relu"), 32, 1)
    for _ in range(3):
        x = b.conv(b.conv(x, 32, 3, groups=4, activation="relu"), 32, 1)
    x = b.concat([x, b.conv(b.input, 16, 3)])
    x = b.conv(b.conv(x, 32, 1, activation="relu"), 3 * scale**2, 3)
    return b.activate(b.depth_to_space(x, scale), "relu6")


def srvgg(b: Builder, channels: int = 64, layers: int = 32, scale: int = 4) -> Value:
    """Real-ESRGAN's compact network, general x4v3 (arXiv 2107.10833)."""
    x = b.conv(b.input, channels, 3, activation="prelu")
    for _ in range(layers):
        x = b.conv(x, channels, 3, activation="prelu")
    x = b.depth_to_space(b.conv(x, 3 * scale**2, 3), scale)
    return b.add(x, b.resize(b.input, x.height, x.width, "nearest"))


def rrdb(b: Builder, blocks: int = 23, channels: int = 64, growth: int = 32) -> Value:
    """ESRGAN's generator, x4 (arXiv 1809.00219), which Real-ESRGAN x4plus has too."""
    first = b.conv(b.input, channels, 3)
    x = first
    for _ in range(blocks):
        y = x
        for _ in range(3):
            y = b.add(b.scaled(_dense(b, y, channels, growth), 0.2), y)
        x = b.add(b.scaled(y, 0.2), x)
    x = b.add(b.conv(x, channels, 3), first)
    leaky: Activation = "leaky"
    for _ in range(2):
        x = b.resize(x, 2 * x.height, 2 * x.width, "nearest")
        x = b.conv(x, channels, 3, activation=leaky)
    return b.conv(b.conv(x, channels, 3, activation=leaky), 3, 3)


def _dense(b: Builder, x: Value, channels: int, growth: int) -> Value:
    parts = [x]
    for _ in range(4):
        joined = x if len(parts) == 1 else b.concat(parts)
        parts.append(b.conv(joined, growth, 3, activation="leaky"))
    return b.conv(b.concat(parts), channels, 3)


def unet(b: Builder, width: int = 64, classes: int = 2) -> Value:
    """U-Net (arXiv 1505.04597) with padded and transposed convolutions, 31 M parameters."""

    def double(x: Value, channels: int) -> Value:
        return b.conv(b.conv(x, channels, activation="relu"), channels, activation="relu")

    skips = [double(b.input, width)]
    for level in range(1, 5):
        skips.append(double(b.pool(skips[-1], "MaxPool", 2, 2), width << level))
    x = skips.pop()
    for skip in reversed(skips):
        x = double(b.concat([skip, b.enlarge(x, skip.channels)]), skip.channels)
    return b.conv(x, classes, 1)
