"""JPEG XL files, by imagecodecs (the extra `photos`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lpie.errors import InputError, LpieError
from lpie.image import curves
from lpie.image.colour import Colour
from lpie.image.formats.common import available, damaged, needs_extra
from lpie.image.samples import Header, Photo

START = b"\xff\x0a"
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
DISTANCE, EFFORT = 0.3, 5  # below 1, what is just not seen; as JPEG's quality of 95
ALPHA, SPOT, CFA = 0, 2, 5
D65, SRGB_PRIMARIES, SRGB_TRANSFER = 1, 1, 13
ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
TRANSFERS = range(2, 18)  # the numbers of the third form


@dataclass(frozen=True)
class Layout:
    """How the picture is stored: bits, whether as floats, and whether nothing is lost.

    transfer: its curve, by its number in ITU-T H.273. at: the bit of the header where that stands.
    """

    bits: int
    floats: bool
    lossless: bool
    transfer: int = SRGB_TRANSFER
    at: int = 0


class Bits:
    """A reader of bits, the lowest of each byte first (ISO/IEC 18181-1, annex B)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = self._count = 8 * len(data)

    @property
    def position(self) -> int:
        """How many bits were read."""
        return self._count - self._left

    def u(self, count: int) -> int:
        """The next `count` bits."""
        if count > self._left:
            raise ValueError("the header is cut")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def u32(self, *choices: tuple[int, int]) -> int:
        """One of four forms: a number, and how many bits are added to it."""
        least, count = choices[self.u(2)]
        return least + self.u(count)


def read_header(data: bytes, path: Path) -> Header:
    """The header of a JPEG XL file."""
    start = _codestream(data, path)
    bits = Bits(start)
    bits.u(16)
    width, height = _size(bits)
    layout = _metadata(bits, path)
    return Header(width, height, "JXL", layout=layout)


def _codestream(data: bytes, path: Path) -> bytes:
    """The first bytes of the picture, in a container or not."""
    if data[:2] == START:
        return data[:512]
    at, head = 0, b""
    while at + 8 <= len(data) and len(head) < 512:
        length, kind = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8])
        start = at + 8
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = len(data) if length == 0 else at + length
        if kind == b"jxlc":
            return data[start : min(start + 512, end)]
        if kind == b"jxlp":
            head += data[start + 4 : min(start + 516, end)]
        if end <= at:
            break
        at = end
    if head[:2] != START:
        raise damaged(path, "it has no picture")
    return head


def _size(bits: Bits) -> tuple[int, int]:
    small = bits.u(1)
    sides = ((1, 9), (1, 13), (1, 18), (1, 30))
    height = (bits.u(5) + 1) * 8 if small else bits.u32(*sides)
    ratio = bits.u(3)
    if ratio:
        above, below = RATIOS[ratio - 1]
        return height * above // below, height
    return (bits.u(5) + 1) * 8 if small else bits.u32(*sides), height


def _metadata(bits: Bits, path: Path) -> Layout:
    if bits.u(1):
        return Layout(8, False, False)
    if bits.u(1):
        bits.u(3)  # the orientation, which the decoder applies
        if bits.u(1):
            _size(bits)
        if bits.u(1):
            _preview(bits)
        if bits.u(1):
            raise InputError(
                f"{path} is an animated JPEG XL file. Convert it to WebP or PNG first."
            )
    floats, depth = _depth(bits)
    bits.u(1)
    for _ in range(bits.u32((0, 0), (1, 0), (2, 4), (1, 12))):
        _extra_channel(bits, path)
    lossy = bits.u(1)
    transfer, at = _transfer(bits)
    if transfer is None:
        raise InputError(
            f"{path} has a colour profile other than sRGB, which the JPEG XL library does not hand "
            "out. Convert it to TIFF or PNG first."
        )
    return Layout(depth, floats, not lossy, transfer, at)


def _transfer(bits: Bits) -> tuple[int | None, int]:
    """(the transfer curve of the ColourEncoding that follows, the bit at which it stands).

    None where its primaries are not those of sRGB.
    """
    if bits.u(1):
        return SRGB_TRANSFER, 0
    if bits.u(1):
        return None, 0  # an ICC profile
    space, white = bits.u32(*ENUM), bits.u32(*ENUM)
    if space > 1 or white != D65 or (space == 0 and bits.u32(*ENUM) != SRGB_PRIMARIES):
        return None, 0
    if bits.u(1):  # a gamma
        return None, 0
    at = bits.position
    return bits.u32(*ENUM), at


def _with_transfer(data: bytes, code: int) -> bytes:
    """The file with another transfer curve, whose number takes as many bits."""
    layout: Layout = read_header(data, Path()).layout
    if layout.transfer == code or not layout.at:
        return data
    start = data.index(START, data.find(b"jxlc") + 4 if data[:2] != START else 0)
    value = int.from_bytes(data[start : start + 64], "little")
    kept = value & ~(0xF << layout.at + 2)
    patched = (kept | code - 2 << layout.at + 2).to_bytes(64, "little")
    return data[:start] + patched + data[start + 64 :]


def _preview(bits: Bits) -> None:
    eighths = bits.u(1)
    sides = (
        ((16, 0), (32, 0), (1, 5), (33, 9)) if eighths else ((1, 6), (65, 8), (321, 10), (1345, 12))
    )
    bits.u32(*sides)
    if not bits.u(3):
        bits.u32(*sides)


def _depth(bits: Bits) -> tuple[bool, int]:
    if bits.u(1):
        depth = bits.u32((32, 0), (16, 0), (24, 0), (1, 6))
        bits.u(4)
        return True, depth
    return False, bits.u32((8, 0), (10, 0), (12, 0), (1, 6))


def _extra_channel(bits: Bits, path: Path) -> None:
    if bits.u(1):
        return
    kind = bits.u32((0, 0), (1, 0), (2, 4), (18, 6))
    _depth(bits)
    bits.u32((0, 0), (3, 0), (4, 0), (1, 3))
    bits.u(8 * bits.u32((0, 0), (0, 4), (16, 5), (48, 10)))
    if kind == ALPHA and bits.u(1):
        raise InputError(
            f"{path} has colours that are multiplied by their transparency, which is not restored "
            "in JPEG XL. Convert it to PNG first."
        )
    if kind == SPOT:
        bits.u(64)
    if kind == CFA:
        bits.u32((1, 0), (0, 2), (3, 4), (19, 8))


def decode(data: bytes, path: Path) -> Photo:
    """The picture of a JPEG XL file, upright."""
    header = read_header(data, path)
    if not available("imagecodecs"):
        raise needs_extra(path, "a JPEG XL file")
    import imagecodecs

    samples = np.asarray(imagecodecs.jpegxl_decode(data))
    channels = samples.shape[2] if samples.ndim == 3 else 1
    if samples.ndim > 3 or channels > 4:
        raise InputError(f"{path} has channels beside colours and transparency. Convert it first.")
    high = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    colour = Colour(
        "rgb" if channels > 2 else "grey",
        0.0,
        high,
        alpha=channels - 1 if channels in (2, 4) else None,
        curve=curves.of_code_point(header.layout.transfer),
    )
    header = Header(samples.shape[1], samples.shape[0], "JXL", layout=header.layout)
    return Photo(samples, header, colour=colour)


def encode(photo: Photo) -> bytes:
    """A JPEG XL file: without loss where the photo's was, else as JPEG's quality of 95."""
    if not available("imagecodecs"):
        raise needs_extra(Path("OUT"), "a JPEG XL file")
    import imagecodecs

    if photo.metadata.icc and not curves.is_srgb(photo.metadata.icc):
        raise InputError(
            "The JPEG XL library cannot write the photo's colour profile, which is not sRGB. "
            "Choose a name in .avif, .tif or .png."
        )
    samples = np.ascontiguousarray(photo.pixels)
    layout = photo.header.layout
    transfer = layout.transfer if isinstance(layout, Layout) else SRGB_TRANSFER
    if transfer not in TRANSFERS:
        raise InputError("The JPEG XL library cannot write the photo's HDR curve. Choose .png.")
    if samples.dtype == np.uint8 and transfer != SRGB_TRANSFER:
        samples = samples.astype(np.uint16) * 257  # 8 bits are always written as sRGB
    exact = photo.lossless or samples.dtype != np.uint8
    options: dict[str, Any] = {"lossless": True} if exact else {"distance": DISTANCE}
    height, width = samples.shape[:2]
    try:
        data = bytes(
            imagecodecs.jpegxl_encode(samples, usecontainer=True, effort=EFFORT, **options)
        )
    except (ValueError, RuntimeError) as error:
        raise LpieError(
            f"{width}x{height} pixels could not be encoded as JPEG XL: {error}."
        ) from None
    return _with_transfer(data, transfer) if samples.dtype != np.uint8 else data
