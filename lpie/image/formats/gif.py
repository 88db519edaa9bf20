"""GIF files: Pillow decodes the frames as they are shown, and packs each one's indices."""

import io
import itertools
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lpie.errors import LpieError
from lpie.image.formats import animation
from lpie.image.formats.common import damaged
from lpie.image.metadata.containers.gif import blocks_end, blocks_start
from lpie.image.samples import Header, Photo

COLOURS = 256
BLOCK, EXTENSION, TRAILER = 0x2C, 0x21, 0x3B
KEEP, CLEAR = 1, 2  # what is done to a frame before the next one
LOOP = b"NETSCAPE2.0"


@dataclass(frozen=True)
class Indexed:
    """A part of a frame in its own palette: `transparent` is the index of what shows through."""

    indices: NDArray
    palette: NDArray
    transparent: int | None
    left: int = 0
    top: int = 0


def read_header(data: bytes, path: Path) -> Header:
    """The header of a GIF file, its frames counted without decoding them."""
    if len(data) < 14:
        raise damaged(path, "the file ends too early")
    width, height = struct.unpack_from("<HH", data, 6)
    if not width or not height:
        raise damaged(path, "it has no pixels")
    frames = _count(data, blocks_start(data), path)
    return Header(width, height, "GIF", frames, layout="GIF")


def _count(data: bytes, at: int, path: Path) -> int:
    frames = 0
    while at < len(data):
        kind = data[at]
        if kind == TRAILER:
            break
        if kind == BLOCK and at + 10 <= len(data):
            frames += 1
            at += 10 + (3 << (data[at + 9] & 7) + 1) * (data[at + 9] >> 7) + 1
        elif kind == EXTENSION:
            at += 2
        else:
            raise damaged(path)
        at = blocks_end(data, at)
    if not frames or at >= len(data):
        raise damaged(path, "the file ends too early")
    return frames


def decode(data: bytes, path: Path) -> Photo:
    """All frames of a GIF file as they are shown, in RGB or RGBA."""
    header = read_header(data, path)
    return animation.decoded(data, header, loops=1 if header.frames > 1 else 0)


def encode(photo: Photo) -> bytes:
    """A GIF file: each frame holds what changed since the one before, exact up to 255 colours."""
    pictures = photo.pictures
    height, width = photo.pixels.shape[:2]
    if max(height, width) > 65535:
        raise LpieError(f"{width}x{height} pixels are too many for GIF: it holds 65535x65535.")
    frames = [_rgba(picture.pixels) for picture in pictures]
    clears = any(
        np.any((before[..., 3] > 0) & (after[..., 3] == 0))
        for before, after in itertools.pairwise(frames)
    )
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0x70, 0, 0)]
    if len(frames) > 1 and photo.loops != 1:
        parts.append(b"\x21\xff\x0b" + LOOP + struct.pack("<BBHB", 3, 1, photo.loops, 0))
    shown: NDArray | None = None
    for picture, frame in zip(pictures, frames, strict=True):
        indexed, shown = _difference(frame, None if clears else shown)
        delay = min(round((picture.duration_ms or 0) / 10), 65535)
        parts.append(_frame(indexed, delay, CLEAR if clears else KEEP))
    return b"".join([*parts, bytes([TRAILER])])


def _rgba(pixels: NDArray) -> NDArray:
    """[H, W, 4]: a pixel is either shown or not."""
    planes = animation.rgba(pixels)
    planes[..., 3] = np.where(planes[..., 3] >= 128, 255, 0)
    return planes


def _difference(frame: NDArray, shown: NDArray | None) -> tuple[Indexed, NDArray]:
    """(what turns `shown` into `frame`, what is shown then)."""
    opaque = frame[..., 3] > 0
    changed = opaque if shown is None else opaque & np.any(frame != shown, axis=-1)
    if shown is None:
        rows, columns = slice(0, frame.shape[0]), slice(0, frame.shape[1])
    else:
        rows, columns = _box(changed)
    part, mask = frame[rows, columns, :3], changed[rows, columns]
    indexed = _indexed(part, mask)
    result = np.zeros_like(frame) if shown is None else shown.copy()
    colours = np.concatenate([indexed.palette, np.full((len(indexed.palette), 1), 255)], axis=1)
    seen = indexed.indices != (-1 if indexed.transparent is None else indexed.transparent)
    result[rows, columns][seen] = colours[indexed.indices[seen]]
    return (
        Indexed(indexed.indices, indexed.palette, indexed.transparent, columns.start, rows.start),
        result,
    )


def _box(changed: NDArray) -> tuple[slice, slice]:
    """The rows and columns of what changed; one pixel where nothing did."""
    sides = []
    for axis in (1, 0):
        at = np.flatnonzero(changed.any(axis=axis))
        sides.append(slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(0, 1))
    return sides[0], sides[1]


def _indexed(part: NDArray, mask: NDArray) -> Indexed:
    """`part` [h, w, 3] where `mask` is set, in a palette: exact where there are few colours."""
    most = COLOURS if mask.all() else COLOURS - 1
    keys = part.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    colours, inverse = np.unique(keys[mask], return_inverse=True)
    indices = np.zeros(mask.shape, np.uint8)
    if len(colours) <= most:
        palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=-1)
        indices[mask] = inverse
    else:
        image = Image.fromarray(np.ascontiguousarray(part))
        reduced = image.quantize(most, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        reduced = image.quantize(palette=reduced, dither=Image.Dither.FLOYDSTEINBERG)
        palette = np.array(reduced.getpalette("RGB"), np.uint8).reshape(-1, 3)[:most]
        indices[mask] = np.asarray(reduced)[mask]
    palette = palette.astype(np.uint8).reshape(-1, 3)
    if mask.all():
        return Indexed(indices, palette, None)
    indices[~mask] = len(palette)
    return Indexed(indices, np.vstack([palette, [[0, 0, 0]]]).astype(np.uint8), len(palette))


def _frame(frame: Indexed, delay: int, disposal: int) -> bytes:
    """A frame's control block, descriptor, palette and packed indices."""
    shown = frame.transparent is not None
    control = struct.pack(
        "<BBBBHBB", EXTENSION, 0xF9, 4, disposal << 2 | shown, delay, frame.transparent or 0, 0
    )
    bits = max((len(frame.palette) - 1).bit_length(), 1)
    table = np.zeros((1 << bits, 3), np.uint8)
    table[: len(frame.palette)] = frame.palette
    height, width = frame.indices.shape
    place = struct.pack("<BHHHHB", BLOCK, frame.left, frame.top, width, height, 0x80 | bits - 1)
    return control + place + table.tobytes() + _packed(frame.indices)


def _packed(indices: NDArray) -> bytes:
    """The LZW data of a picture, which Pillow writes: what stands behind its descriptor."""
    image = Image.fromarray(np.ascontiguousarray(indices))
    file = io.BytesIO()
    image.save(file, "GIF", optimize=False, interlace=False)
    data = file.getvalue()
    at = blocks_start(data)
    while data[at] == EXTENSION:
        at = blocks_end(data, at + 2)
    flags = data[at + 9]
    return data[at + 10 + (3 << (flags & 7) + 1) * (flags >> 7) : -1]
