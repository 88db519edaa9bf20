"""PNG files: chunks are checked before decoding; OpenCV decodes, palettes and bits by Pillow."""

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lpie.errors import LpieError
from lpie.image import curves
from lpie.image.colour import Colour, of_samples
from lpie.image.formats.common import damaged
from lpie.image.samples import Header, Photo

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16),
          RGB_ALPHA: (8, 16)}  # fmt: skip
LEVEL = 6  # of zlib, in the files that are written here and not by OpenCV


class Chunk(NamedTuple):
    """One chunk of a file: `start` and `stop` are those of its data."""

    kind: bytes
    start: int
    stop: int


@dataclass(frozen=True)
class Layout:
    """How the picture is stored: PNG's colour type and bits, and the colour that is transparent."""

    kind: int
    depth: int
    palette: NDArray | None = None
    key: tuple[int, ...] = ()
    loops: int = 0


def chunks(data: bytes, path: Path) -> Iterator[Chunk]:
    """The chunks up to the last one; an error where the file ends before."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            break
        yield Chunk(kind, at + 8, at + 8 + length)
        if kind == b"IEND":
            return
        at += 12 + length
    raise damaged(path, "the file ends too early")


def read_header(data: bytes, path: Path) -> Header:
    """The header of a PNG file, animated or not."""
    width, height, depth, kind = _ihdr(data, path)
    frames = 1
    for chunk in chunks(data, path):
        if chunk.kind == b"acTL":
            frames = max(struct.unpack_from(">I", data, chunk.start)[0], 1)
        if chunk.kind == b"IDAT":
            break
    return Header(width, height, "PNG", frames, Layout(kind, depth))


def decode(data: bytes, path: Path) -> Photo:
    """The picture of a PNG file, or all frames of an animated one."""
    if read_header(data, path).frames > 1:
        from lpie.image.formats import apng

        return apng.decode(data, path)
    width, height, depth, kind = _ihdr(data, path)
    held = checked(data, path)
    key = _key(data, held.get(b"tRNS"), kind)
    if kind == PALETTE:
        samples, palette = _palette(data)
        layout = Layout(kind, depth, palette)
    else:
        samples = _samples(data, kind, depth, key)
        layout = Layout(kind, depth, key=key)
    if samples.shape[:2] != (height, width):
        raise damaged(path)
    header = Header(width, height, "PNG", layout=layout)
    return Photo(samples, header, colour=_colour(samples, data, held))


def _ihdr(data: bytes, path: Path) -> tuple[int, int, int, int]:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise damaged(path, "it has no header")
    width, height, depth, kind = struct.unpack_from(">IIBB", data, 16)
    if not width or not height or depth not in DEPTHS.get(kind, ()):
        raise damaged(path, "its header is not valid")
    return width, height, depth, kind


def checked(data: bytes, path: Path) -> dict[bytes, Chunk]:
    """The first chunk of each kind; an error where the checksum of one that counts is wrong."""
    held: dict[bytes, Chunk] = {}
    for chunk in chunks(data, path):
        held.setdefault(chunk.kind, chunk)
        (expected,) = struct.unpack_from(">I", data, chunk.stop)
        counts = not chunk.kind[0] & 32 or chunk.kind == b"tRNS"
        if counts and zlib.crc32(memoryview(data)[chunk.start - 4 : chunk.stop]) != expected:
            raise damaged(path, f"the checksum of {chunk.kind.decode('latin-1')} is wrong")
    if b"IDAT" not in held:
        raise damaged(path, "it has no picture")
    return held


def _key(data: bytes, chunk: Chunk | None, kind: int) -> tuple[int, ...]:
    if chunk is None or kind not in (GREY, RGB):
        return ()
    count = 1 if kind == GREY else 3
    if chunk.stop - chunk.start < 2 * count:
        return ()
    return struct.unpack_from(f">{count}H", data, chunk.start)


def _samples(data: bytes, kind: int, depth: int, key: tuple[int, ...]) -> NDArray:
    if depth < 8:
        samples = _low_bits(data, depth)
    else:
        plain = without(data, {b"tRNS", b"acTL"})
        decoded = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_UNCHANGED)
        if decoded is None:
            raise ValueError("the picture cannot be decoded")
        samples = _in_order(decoded, kind)
    return with_key(samples, key, depth) if key else samples


def _in_order(decoded: NDArray, kind: int) -> NDArray:
    """OpenCV's BGR as RGB, its grey with alpha as two channels."""
    if decoded.ndim == 2:
        return decoded
    if kind == GREY_ALPHA:
        return np.ascontiguousarray(decoded[..., 2:])
    if decoded.shape[2] == 3:
        return decoded[..., ::-1]
    return cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGBA)


def _low_bits(data: bytes, depth: int) -> NDArray:
    with Image.open(io.BytesIO(data)) as image:
        levels = image.convert("L")
    return np.asarray(levels)


def with_key(samples: NDArray, key: tuple[int, ...], depth: int) -> NDArray:
    """`samples` with a channel of transparency: none where all colours are those of the key."""
    high = np.iinfo(samples.dtype).max
    colour = np.array(key) * (high // ((1 << depth) - 1) if depth < 8 else 1)
    planes = samples[..., None] if samples.ndim == 2 else samples
    alpha = np.where((planes == colour).all(axis=-1), 0, high).astype(samples.dtype)
    return np.concatenate([planes, alpha[..., None]], axis=-1)


def _palette(data: bytes) -> tuple[NDArray, NDArray]:
    """RGB or RGBA, and the palette in the same channels."""
    with Image.open(io.BytesIO(data)) as image:
        indices, info = np.asarray(image), image.info.get("transparency")
        table = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    full = np.zeros((256, 3), np.uint8)
    full[: len(table)] = table[:256]
    if info is not None:
        alphas = np.full(256, 255, np.uint8)
        if isinstance(info, bytes):
            alphas[: len(info)] = np.frombuffer(info, np.uint8)[:256]
        else:
            alphas[info] = 0
        full = np.column_stack([full, alphas])
    return full[indices], full[: max(len(table), int(indices.max()) + 1)]


def _colour(samples: NDArray, data: bytes, held: dict[bytes, Chunk]) -> Colour:
    usual = of_samples(samples)
    return Colour(usual.model, usual.low, usual.high, usual.alpha, curve=_curve(data, held))


def _curve(data: bytes, held: dict[bytes, Chunk]) -> curves.Curve | None:
    """By the chunk that counts (PNG, third edition, 4.3): cICP, then iCCP, sRGB and gAMA."""
    if chunk := held.get(b"cICP"):
        return curves.of_code_point(data[chunk.start + 1]) if chunk.stop > chunk.start + 1 else None
    if chunk := held.get(b"iCCP"):
        return curves.of_profile(_profile(data[chunk.start : chunk.stop]))
    if b"sRGB" in held or b"gAMA" not in held:
        return None
    chunk = held[b"gAMA"]
    value = int.from_bytes(data[chunk.start : chunk.stop], "big")
    return curves.gamma(100000 / value) if value else None


def _profile(chunk: bytes) -> bytes:
    packed = chunk.partition(b"\0")[2][1:]
    try:
        return zlib.decompressobj().decompress(packed, 1 << 24)
    except zlib.error:
        return b""


def without(data: bytes, kinds: set[bytes]) -> bytes:
    """The file without the chunks of `kinds`; the same object where it has none of them."""
    held = list(chunks(data, Path()))
    if not any(chunk.kind in kinds for chunk in held):
        return data
    kept = [data[c.start - 8 : c.stop + 4] for c in held if c.kind not in kinds]
    return b"".join([SIGNATURE, *kept])


def encode(photo: Photo) -> bytes:
    """A PNG file: uint8 or uint16, grey or RGB, with or without transparency; animated."""
    if photo.more:
        from lpie.image.formats import apng

        return apng.encode(photo)
    samples, layout = photo.pixels, photo.header.layout
    known = layout if isinstance(layout, Layout) else None
    if known and known.palette is not None:
        indices = _indices(samples, known.palette)
        if indices is not None:
            return _with_palette(indices, known)
    if known and known.key and (bare := _without_alpha(samples, known)) is not None:
        return _written(bare, known.kind, known.depth, {b"tRNS": _shorts(known.key)})
    if known and known.kind == GREY and known.depth < 8 and samples.ndim == 2:
        levels = _reduced(samples, known.depth)
        if levels is not None:
            return _written(levels, GREY, known.depth)
    if samples.ndim == 3 and samples.shape[2] == 2:
        return _written(samples, GREY_ALPHA, samples.dtype.itemsize * 8)
    data = written(".png", photo, [])
    if data is None:
        raise LpieError(f"{samples.shape[1]}x{samples.shape[0]} pixels are too many for PNG.")
    return data


def written(suffix: str, photo: Photo, parameters: Sequence[int]) -> bytes | None:
    """The file that OpenCV writes; None where it refuses."""
    with contextlib.suppress(cv2.error):
        done, data = cv2.imencode(suffix, bgr(photo.pixels), list(parameters))
        if done:
            return data.tobytes()
    return None


def bgr(samples: NDArray) -> NDArray:
    """RGB in the order that OpenCV writes; nothing is copied where it lies so in memory."""
    if samples.ndim == 2:
        return np.ascontiguousarray(samples)
    if samples.shape[2] == 3:
        return np.ascontiguousarray(samples[..., ::-1])
    return cv2.cvtColor(np.ascontiguousarray(samples), cv2.COLOR_RGBA2BGRA)


def _indices(samples: NDArray, palette: NDArray) -> NDArray | None:
    from lpie.image.formats.tiff.writer import indices_of

    return indices_of(samples, palette)


def _with_palette(indices: NDArray, layout: Layout) -> bytes:
    assert layout.palette is not None
    more = {b"PLTE": layout.palette[:, :3].tobytes()}
    if layout.palette.shape[1] == 4:
        more[b"tRNS"] = layout.palette[:, 3].tobytes()
    return _written(indices.astype(np.uint8), PALETTE, layout.depth, more)


def _without_alpha(samples: NDArray, layout: Layout) -> NDArray | None:
    """The colours alone, where the key tells the same transparency; in the key's own bits."""
    high = np.iinfo(samples.dtype).max
    colours, alpha = samples[..., :-1], samples[..., -1]
    planes: NDArray | None = colours[..., 0] if layout.kind == GREY else colours
    if layout.depth < 8 and (planes := _reduced(colours[..., 0], layout.depth)) is None:
        return None
    assert planes is not None
    key = np.array(layout.key, samples.dtype)
    same = (planes == key[0]) if planes.ndim == 2 else (planes == key).all(axis=-1)
    planes = np.where((alpha == 0)[..., None] if planes.ndim == 3 else alpha == 0, key, planes)
    return planes if np.array_equal(np.where(alpha == 0, True, same), alpha < high) else None


def _reduced(samples: NDArray, depth: int) -> NDArray | None:
    """Levels of `depth` bits, where `samples` (8 bits) are nothing but those."""
    step = 255 // ((1 << depth) - 1)
    levels = samples // step
    return levels if np.array_equal(levels * step, samples) else None


def _shorts(values: tuple[int, ...]) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def _written(
    samples: NDArray, kind: int, depth: int, more: dict[bytes, bytes] | None = None
) -> bytes:
    """A PNG file, for what neither OpenCV nor Pillow writes. Each row is filtered by "Up"."""
    height, width = samples.shape[:2]
    rows = np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder(">"))).view(np.uint8)
    rows = rows.reshape(height, -1)
    if depth < 8:
        rows = _packed(rows, depth)
    filtered = np.full((height, rows.shape[1] + 1), 2, np.uint8)
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0), **(more or {})}
    parts |= {b"IDAT": zlib.compress(filtered.data, LEVEL), b"IEND": b""}
    return SIGNATURE + b"".join(chunk_of(name, body) for name, body in parts.items())


def _packed(rows: NDArray, depth: int) -> NDArray:
    per = 8 // depth
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % per))).reshape(len(rows), -1, per)
    shifts = np.arange(per - 1, -1, -1, dtype=np.uint8) * np.uint8(depth)
    return np.bitwise_or.reduce(padded << shifts, axis=-1).astype(np.uint8)


def chunk_of(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
