"""TIFF files with the metadata that OpenCV leaves out."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

ICC, XMP, EXIF, GPS = 34675, 700, 34665, 34853
# Tags of the first directory: description, make, model, software, time, artist, copyright.
WORDS = (270, 271, 272, 305, 306, 315, 33432)


def read_metadata(path: Path) -> dict[str, bytes]:
    """The `exif`, `xmp` and `icc` of a TIFF file, EXIF as other formats carry it."""
    with Image.open(path) as image:
        icc, xmp = image.info.get("icc_profile"), image.info.get("xmp")
        theirs, exif = image.getexif(), Image.Exif()
        for tag in WORDS:
            if tag in theirs:
                exif[tag] = theirs[tag]
        for tag in (EXIF, GPS):
            if inner := theirs.get_ifd(tag):
                exif.get_ifd(tag).update(inner)
        metadata = {
            "icc": icc,
            "xmp": xmp,
            "exif": exif.tobytes().removeprefix(b"Exif\0\0") if len(exif) else None,
        }
    return {name: bytes(value) for name, value in metadata.items() if value}


def encode(pixels: NDArray, metadata: dict[str, bytes]) -> bytes:
    """A TIFF file of `pixels`, [H, W] grey, [H, W, 3] BGR or [H, W, 4] BGR and alpha."""
    colour = pixels.ndim == 3
    if colour:
        order = (2, 1, 0, 3)[: pixels.shape[2]]
        pixels = np.ascontiguousarray(pixels[..., order])
    exif = Image.Exif()
    exif.load(metadata.get("exif", b""))
    inner = {tag: exif.get_ifd(tag) for tag in (EXIF, GPS)}
    tags: list[tuple[int, Any, int, Any, bool]] = [
        (tag, "s", 0, str(exif[tag]), True) for tag in WORDS if tag in exif
    ]
    if xmp := metadata.get("xmp"):
        tags.append((XMP, "B", len(xmp), xmp, True))
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        pixels,
        photometric="rgb" if colour else "minisblack",
        extrasamples=["unassalpha"] if colour and pixels.shape[2] == 4 else None,
        compression="zlib",
        iccprofile=metadata.get("icc"),
        extratags=tags,
        metadata=None,
        software=False,
        byteorder="<",
    )
    return _with_directories(file.getvalue(), {k: dict(v) for k, v in inner.items() if v})


def _with_directories(data: bytes, inner: dict[int, dict[int, Any]]) -> bytes:
    """The TIFF file `data` with further directories, which tags of the first one point at.

    tifffile writes none of these: they and a new first directory come to the end of the file.
    """
    if not inner:
        return data
    file = bytearray(data)
    (start,) = struct.unpack_from("<I", file, 4)
    (count,) = struct.unpack_from("<H", file, start)
    entries = [bytes(file[at : at + 12]) for at in range(start + 2, start + 2 + 12 * count, 12)]
    for tag, values in inner.items():
        directory = TiffImagePlugin.ImageFileDirectory_v2(bytes(file[:8]), group=tag)
        for key, value in values.items():
            directory[key] = value
        file += b"\0" * (len(file) % 2)
        entries.append(struct.pack("<HHII", tag, 4, 1, len(file)))
        file += directory.tobytes(len(file))
    file += b"\0" * (len(file) % 2)
    struct.pack_into("<I", file, 4, len(file))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    file += struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0"
    return bytes(file)
