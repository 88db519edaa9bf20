"""HEIC files, by pillow-heif (the extra `photos`)."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lpie.errors import LpieError
from lpie.image import curves
from lpie.image.colour import Colour
from lpie.image.formats.common import available, needs_extra
from lpie.image.formats.heif import boxes
from lpie.image.samples import Header, Photo

QUALITY = 95
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Layout:
    """How the picture is stored: bits, chroma (420, 422, 444) and whether nothing is lost."""

    bits: int
    chroma: int
    lossless: bool


def read_header(data: bytes, path: Path) -> Header:
    """The header of a HEIC file; of several pictures, the primary one."""
    primary = _opened(data, path)
    bits, chroma = primary.info["bit_depth"], primary.info.get("chroma", 444)
    width, height = primary.size
    layout = Layout(bits, chroma, boxes.is_identity(data))
    return Header(width, height, "HEIF", layout=layout)


def decode(data: bytes, path: Path) -> Photo:
    """The primary picture of a HEIC file, upright."""
    header = read_header(data, path)
    image = _opened(data, path)
    samples = np.asarray(image)
    bits = header.layout.bits
    if samples.dtype == np.uint16:
        samples = samples >> (16 - bits)  # which pillow-heif filled from the top
    channels = 1 if image.mode.startswith("L") else 3
    planes = samples.shape[2] if samples.ndim == 3 else 1
    icc = boxes.profile(data)
    curve = curves.of_profile(icc) if icc else curves.of_code_point(boxes.transfer(data))
    colour = Colour(
        "grey" if channels == 1 else "rgb",
        0.0,
        float((1 << bits) - 1),
        alpha=channels if planes > channels else None,
        curve=curve,
    )
    header = Header(samples.shape[1], samples.shape[0], "HEIF", layout=header.layout)
    return Photo(samples, header, colour=colour)


def _opened(data: bytes, path: Path) -> Any:
    if not available("pillow_heif"):
        raise needs_extra(path, "a HEIC file")
    import pillow_heif

    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    return file[file.primary_index]


def encode(photo: Photo) -> bytes:
    """A HEIC file: without loss where the photo's was, else of quality 95."""
    if not available("pillow_heif"):
        raise needs_extra(Path("OUT"), "a HEIC file")
    import pillow_heif

    samples = np.ascontiguousarray(photo.pixels)
    layout = photo.header.layout if isinstance(photo.header.layout, Layout) else None
    channels = samples.shape[2] if samples.ndim == 3 else 1
    mode = MODES[channels]
    bits = int(photo.meaning.high).bit_length()
    if samples.dtype == np.uint16:
        samples, mode = samples << (16 - bits), f"{mode};16"
    options: dict[str, Any] = {"quality": QUALITY, "chroma": layout.chroma if layout else 444}
    if photo.lossless:
        options = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    height, width = samples.shape[:2]
    file, settings = io.BytesIO(), pillow_heif.options
    kept, settings.SAVE_HDR_TO_12_BIT = settings.SAVE_HDR_TO_12_BIT, bits > 10
    try:
        image = pillow_heif.from_bytes(mode, (width, height), samples.tobytes())
        image.save(file, **options)
    except (ValueError, RuntimeError, OSError) as error:
        size = f"{width}x{height}"
        raise LpieError(f"{size} pixels could not be encoded as HEIC: {error}.") from None
    finally:
        settings.SAVE_HDR_TO_12_BIT = kept
    return file.getvalue()
