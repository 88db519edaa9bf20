"""Photos in and out of files as they are stored: type, channels, frames, metadata and quality."""

import dataclasses
import importlib
import mmap
from pathlib import Path
from typing import Any

from lpie.errors import InputError
from lpie.image.fitting import fit
from lpie.image.formats.common import reading
from lpie.image.formats.kinds import NAMES, format_of, target_format
from lpie.image.metadata import embed, read_metadata
from lpie.image.metadata.exif import orientation
from lpie.image.samples import Header, Photo
from lpie.size import Size
from lpie.system.files import write_atomic

__all__ = [
    "MAX_MEGAPIXELS", "Header", "Photo", "decode_photo", "encode_photo",
    "read_header", "read_photo", "upright", "write_photo",
]  # fmt: skip

# A phone's largest photo has 200 MP.
MAX_MEGAPIXELS = 256.0
# Formats in which EXIF's orientation turns nothing: they have none, or say it by other means.
UPRIGHT = {"BMP", "GIF", "HEIF", "AVIF", "JXL"}
# Each format's module, which is loaded when it is needed.
MODULES = {
    "JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "TIFF": "tiff.reader", "BMP": "bmp", "GIF": "gif",
    "HEIF": "heif.heic", "AVIF": "heif.avif", "JXL": "jxl",
}  # fmt: skip


def read_header(path: Path) -> Header:
    """Read what a photo's file says about it, without decoding.

    Args:
        path: The file. Its first bytes say which format it has, not its name.

    Returns:
        Size, format and number of frames.

    Raises:
        InputError: The file is not there, is none that can be read, or is damaged.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file.")
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise InputError(f"{path} is not a readable image: it is empty.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _header(data, path)[1]


def read_photo(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> Photo:
    """Read a photo with all that its file holds.

    Args:
        path: The file. Its first bytes say which format it has, not its name.
        max_megapixels: Larger photos, all frames together, are refused before any decoding.

    Returns:
        The photo as it is stored: not turned, in its own type.

    Raises:
        InputError: The file cannot be read; the message says why.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file.")
    return decode_photo(path.read_bytes(), path, max_megapixels=max_megapixels)


def decode_photo(data: bytes, name: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> Photo:
    """Read a photo from the bytes of its file, as `read_photo` does; `name` is for messages."""
    kind, header = _header(data, name)
    megapixels = header.pixels / 1e6
    if megapixels > max_megapixels:
        frames = f" in {header.frames} frames" if header.frames > 1 else ""
        raise InputError(
            f"{name} is {header.width}x{header.height}{frames}, {megapixels:,.0f} megapixels; at "
            f"most {max_megapixels:g} are decoded. Raise `max_megapixels` if you trust it."
        )
    with reading(name):
        photo: Photo = _module(kind, name).decode(data, name)
        metadata = read_metadata(data, kind)
    return dataclasses.replace(photo, metadata=metadata, orientation=orientation(metadata.exif))


def write_photo(path: Path, photo: Photo, *, format: str | None = None) -> list[str]:
    """Write a photo with its metadata, whole or not at all.

    Args:
        path: The file.
        photo: What to write.
        format: As of `Header.format`; by default that of the name.

    Returns:
        What the file cannot hold, in words: `["16-bit depth"]`.

    Raises:
        InputError: The format cannot hold the photo.
    """
    data, lost = encode_photo(photo, format or target_format(path), path)
    write_atomic(path, data)
    return lost


def encode_photo(photo: Photo, format: str, name: Path) -> tuple[bytes, list[str]]:
    """The bytes of a photo's file, and what it cannot hold; `name` is for messages."""
    if format in UPRIGHT or (format == "TIFF" and photo.header.format != "TIFF"):
        photo = upright(photo)  # many readers of TIFF ignore the orientation
    fitted, lost = fit(photo, format, name)
    data: bytes = _module(format, name, writing=True).encode(fitted)
    data, more = embed(
        data,
        fitted.metadata,
        source=photo.header.format,
        target=format,
        size=Size(*fitted.pixels.shape[:2]),
        changes=photo.changes,
    )
    return data, [*lost, *more]


def upright(photo: Photo) -> Photo:
    """`photo` turned as it is shown, its orientation 1."""
    if all(picture.orientation == 1 for picture in photo.pictures):
        return photo
    return photo.turned()


def _header(data: Any, path: Path) -> tuple[str, Header]:
    kind = format_of(data[:64], path)
    with reading(path):
        return kind, _module(kind, path).read_header(data, path)


def _module(kind: str, path: Path, *, writing: bool = False) -> Any:
    if kind not in MODULES:
        raise InputError(f"{path} is {NAMES[kind]}, which is not restored yet.")
    name = "tiff.writer" if writing and kind == "TIFF" else MODULES[kind]
    return importlib.import_module(f"lpie.image.formats.{name}")
