"""BMP files, by Pillow: 1 to 32 bits, palettes, run lengths and bit fields."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lpie.errors import LpieError
from lpie.image.formats.common import damaged
from lpie.image.formats.png import written
from lpie.image.samples import Header, Photo


def read_header(data: bytes, path: Path) -> Header:
    """The header of a BMP file."""
    with Image.open(io.BytesIO(data)) as image:
        return Header(*image.size, "BMP")


def decode(data: bytes, path: Path) -> Photo:
    """The picture of a BMP file: grey where its palette is, else RGB or RGBA."""
    with Image.open(io.BytesIO(data)) as image:
        header = Header(*image.size, "BMP", layout=image.mode)
        image.load()
        if image.mode in ("1", "L"):
            samples = np.asarray(image.convert("L"))
        else:
            samples = np.asarray(image.convert("RGBA" if "A" in image.mode else "RGB"))
    if not samples.size:
        raise damaged(path)
    return Photo(samples, header)


def encode(photo: Photo) -> bytes:
    """A BMP file of 8-bit grey, RGB or RGBA."""
    samples = photo.pixels
    if photo.meaning.alpha is not None:  # Pillow writes it, but says nowhere that it is there
        colours = np.broadcast_to(samples[..., :-1], (*samples.shape[:2], 3))
        rgba = np.concatenate([colours, samples[..., -1:]], axis=-1)
        data = written(".bmp", replace(photo, pixels=rgba), [])
        if data is None:
            raise LpieError(f"{samples.shape[1]}x{samples.shape[0]} pixels are too many for BMP.")
        return data
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(samples))
    if photo.header.layout == "1" and set(np.unique(photo.pixels)) <= {0, 255}:
        image = image.convert("1")
    image.save(file, "BMP")
    return file.getvalue()
