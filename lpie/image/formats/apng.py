"""Animated PNG files: each frame is read and written as a PNG file of its own."""

import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lpie.image.formats import png
from lpie.image.formats.animation import animated, rgba
from lpie.image.formats.common import damaged
from lpie.image.samples import Photo

NONE, BACKGROUND, PREVIOUS = range(3)  # what is done to a frame before the next one
OVER = 1


@dataclass(frozen=True)
class Control:
    """The fcTL chunk of a frame."""

    width: int
    height: int
    x: int
    y: int
    delay: int
    denominator: int
    disposal: int
    blend: int

    @property
    def duration_ms(self) -> float:
        """How long it is shown."""
        return 1000 * self.delay / (self.denominator or 100)


def decode(data: bytes, path: Path) -> Photo:
    """All frames of an animated PNG file as they are shown."""
    header = png.read_header(data, path)
    png.checked(data, path)
    frames, loops = _frames(data, path)
    if len(frames) != header.frames:
        raise damaged(path, "frames are missing")
    canvas: NDArray | None = None
    shown, durations = [], []
    for control, file in frames:
        part = rgba(png.decode(file, path).pixels)
        if canvas is None:
            canvas = np.zeros((header.height, header.width, 4), part.dtype)
        rows = slice(control.y, control.y + control.height)
        columns = slice(control.x, control.x + control.width)
        if part.shape != canvas[rows, columns].shape:
            raise damaged(path, "a frame lies outside")
        before = canvas[rows, columns].copy()
        canvas[rows, columns] = _over(part, before) if control.blend == OVER else part
        shown.append(canvas.copy())
        durations.append(control.duration_ms)
        if control.disposal != NONE:
            canvas[rows, columns] = before if control.disposal == PREVIOUS else 0
    plain = replace(header, layout=png.Layout(png.RGB_ALPHA, header.layout.depth))
    return animated(shown, durations, loops, plain)


def _frames(data: bytes, path: Path) -> tuple[list[tuple[Control, bytes]], int]:
    """(each frame's control and its PNG file, how often all are shown)."""
    shared: list[bytes] = []
    frames: list[tuple[Control, list[bytes]]] = []
    loops, ihdr = 0, b""
    for chunk in png.chunks(data, path):
        body = data[chunk.start : chunk.stop]
        if chunk.kind == b"IHDR":
            ihdr = body
        elif chunk.kind == b"acTL":
            loops = struct.unpack_from(">I", body, 4)[0]
        elif chunk.kind in (b"PLTE", b"tRNS"):
            shared.append(png.chunk_of(chunk.kind, body))
        elif chunk.kind == b"fcTL":
            frames.append((Control(*struct.unpack_from(">IIIIHHBB", body, 4)), []))
        elif chunk.kind in (b"IDAT", b"fdAT") and frames:
            frames[-1][1].append(body if chunk.kind == b"IDAT" else body[4:])
    files = []
    for control, parts in frames:
        head = struct.pack(">II", control.width, control.height) + ihdr[8:]
        idat = png.chunk_of(b"IDAT", b"".join(parts))
        whole = [png.chunk_of(b"IHDR", head), *shared, idat, png.chunk_of(b"IEND", b"")]
        files.append((control, png.SIGNATURE + b"".join(whole)))
    return files, loops


def _over(part: NDArray, below: NDArray) -> NDArray:
    """`part` over `below`, both with straight transparency."""
    high = np.iinfo(part.dtype).max
    share, under = (plane[..., 3:].astype(np.float64) / high for plane in (part, below))
    alpha = share + under * (1 - share)
    mixed = part[..., :3] * share + below[..., :3] * under * (1 - share)
    colours = np.divide(mixed, alpha, out=np.zeros_like(mixed), where=alpha > 0)
    return np.rint(np.concatenate([colours, alpha * high], axis=-1)).astype(part.dtype)


def encode(photo: Photo) -> bytes:
    """An animated PNG file whose frames are whole pictures."""
    parts: list[bytes] = []
    height, width = photo.pixels.shape[:2]
    number = 0
    for index, picture in enumerate(photo.pictures):
        data = png.encode(replace(picture, more=(), header=replace(picture.header, layout=None)))
        held = list(png.chunks(data, Path()))
        if index == 0:
            head = next(data[c.start - 8 : c.stop + 4] for c in held if c.kind == b"IHDR")
            animation = struct.pack(">II", len(photo.pictures), photo.loops)
            parts = [png.SIGNATURE, head, png.chunk_of(b"acTL", animation)]
        delay = _fraction(picture.duration_ms or 0)
        place = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, *delay, NONE, 0)
        parts.append(png.chunk_of(b"fcTL", place))
        number += 1
        for chunk in held:
            if chunk.kind == b"IDAT":
                body = data[chunk.start : chunk.stop]
                if index == 0:
                    parts.append(png.chunk_of(b"IDAT", body))
                else:
                    parts.append(png.chunk_of(b"fdAT", struct.pack(">I", number) + body))
                    number += 1
    return b"".join([*parts, png.chunk_of(b"IEND", b"")])


def _fraction(milliseconds: float) -> tuple[int, int]:
    """Seconds as a fraction whose numbers fit into 16 bits."""
    if milliseconds == round(milliseconds) and milliseconds < 65536:
        return int(milliseconds), 1000
    for denominator in (10000, 1000, 100, 10, 1):
        if milliseconds * denominator / 1000 < 65535.5:
            return round(milliseconds * denominator / 1000), denominator
    return 65535, 1
