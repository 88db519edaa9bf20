"""AVIF files: 8 bits by Pillow, more by imagecodecs (the extra `photos`)."""

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from lpie.errors import InputError, LpieError
from lpie.image import curves
from lpie.image.colour import Colour, of_samples
from lpie.image.formats.common import available, damaged, needs_extra
from lpie.image.formats.heif import boxes
from lpie.image.samples import Header, Photo

QUALITY = 95
CHROMAS = {0: "444", 1: "422", 3: "420"}  # by the bits of av1C
TURNS = {1: 8, 2: 3, 3: 6}  # of irot, against the clock, as EXIF's orientation
MIRRORED = {1: {0: 4, 1: 2}, 8: {0: 5, 1: 7}, 3: {0: 2, 1: 4}, 6: {0: 7, 1: 5}}


@dataclass(frozen=True)
class Layout:
    """How the picture is stored: bits, chroma ("420", "422", "444"), whether nothing is lost."""

    bits: int
    chroma: str
    lossless: bool


def read_header(data: bytes, path: Path) -> Header:
    """The header of an AVIF file."""
    if data[8:12] == b"avis":
        raise InputError(f"{path} is an animated AVIF file. Convert it to WebP or PNG first.")
    held = {box.kind: box for box in reversed(list(boxes.boxes(data)))}
    if b"av1C" not in held or b"ispe" not in held:
        raise damaged(path, "it has no picture")
    sizes = [
        struct.unpack_from(">II", data, box.start + 4)
        for box in boxes.boxes(data)
        if box.kind == b"ispe"
    ]
    width, height = max(sizes)
    flags = data[held[b"av1C"].start + 2]
    bits = 8 + 2 * (flags >> 6 & 1) * (1 + (flags >> 5 & 1))
    chroma = "400" if flags & 0x10 else CHROMAS.get(flags >> 2 & 3, "444")
    layout = Layout(bits, chroma, boxes.is_identity(data))
    return Header(width, height, "AVIF", layout=layout)


def decode(data: bytes, path: Path) -> Photo:
    """The picture of an AVIF file, upright."""
    header = read_header(data, path)
    layout: Layout = header.layout
    samples = _samples(data, layout, path)
    if layout.chroma == "400" and samples.ndim == 3:
        samples = samples[..., ::3] if samples.shape[2] == 4 else samples[..., 0]
    usual = of_samples(samples)
    icc = boxes.profile(data)
    curve = curves.of_profile(icc) if icc else curves.of_code_point(boxes.transfer(data))
    high = float((1 << layout.bits) - 1)
    colour = Colour(usual.model, 0.0, high, alpha=usual.alpha, curve=curve)
    photo = Photo(samples, header, colour=colour, orientation=_orientation(data))
    upright = photo.turned().pixels
    header = Header(upright.shape[1], upright.shape[0], "AVIF", layout=layout)
    return Photo(upright, header, colour=colour)


def _samples(data: bytes, layout: Layout, path: Path) -> NDArray:
    if available("imagecodecs"):
        import imagecodecs

        return np.asarray(imagecodecs.avif_decode(data))
    if layout.bits > 8 or not features.check("avif"):
        raise needs_extra(path, f"an AVIF file of {layout.bits} bits")
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def _orientation(data: bytes) -> int:
    """What irot and imir of the first picture say, as EXIF's orientation."""
    held = {box.kind: box for box in reversed(list(boxes.boxes(data)))}
    turn = TURNS.get(data[held[b"irot"].start] & 3, 1) if b"irot" in held else 1
    return MIRRORED[turn][data[held[b"imir"].start] & 1] if b"imir" in held else turn


def encode(photo: Photo) -> bytes:
    """An AVIF file: without loss where the photo's was, else of quality 95."""
    samples = np.ascontiguousarray(photo.pixels)
    bits = int(photo.meaning.high).bit_length()
    layout = photo.header.layout if isinstance(photo.header.layout, Layout) else None
    chroma = "444" if photo.lossless or layout is None else layout.chroma
    height, width = samples.shape[:2]
    if not available("imagecodecs"):
        return _by_pillow(samples, bits, photo.lossless, chroma)
    import imagecodecs

    options: dict[str, Any] = {"level": 100 if photo.lossless else QUALITY, "speed": 6}
    if samples.ndim == 3 and samples.shape[2] > 2:
        options["pixelformat"] = chroma
    try:
        return bytes(imagecodecs.avif_encode(samples, bitspersample=bits, **options))
    except (ValueError, RuntimeError) as error:
        size = f"{width}x{height}"
        raise LpieError(f"{size} pixels could not be encoded as AVIF: {error}.") from None


def _by_pillow(samples: NDArray, bits: int, lossless: bool, chroma: str) -> bytes:
    if bits > 8 or lossless or not features.check("avif"):
        raise needs_extra(Path("OUT"), "an AVIF file without loss" if lossless else "an AVIF file")
    file = io.BytesIO()
    subsampling = ":".join(chroma) if chroma != "400" else "4:0:0"
    Image.fromarray(samples).save(file, "AVIF", quality=QUALITY, subsampling=subsampling)
    return file.getvalue()
