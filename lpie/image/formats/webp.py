"""WebP files: pictures by OpenCV, the frames of animations by Pillow."""

import io
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lpie.errors import LpieError
from lpie.image import curves
from lpie.image.colour import Colour, of_samples
from lpie.image.formats import animation
from lpie.image.formats.common import damaged
from lpie.image.formats.png import written
from lpie.image.metadata.containers.webp import packed
from lpie.image.samples import Header, Photo

QUALITY, LOSSLESS = 95, 101  # OpenCV's number for lossless


@dataclass(frozen=True)
class Layout:
    """Whether the picture is stored without loss."""

    lossless: bool


def chunks(data: bytes) -> dict[bytes, tuple[int, int]]:
    """Where the data of the first chunk of each kind begin and end."""
    held: dict[bytes, tuple[int, int]] = {}
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        held.setdefault(bytes(data[at : at + 4]), (at + 8, at + 8 + length))
        at += 8 + length + length % 2
    return held


def read_header(data: bytes, path: Path) -> Header:
    """The header of a WebP file, animated or not."""
    held = chunks(data)
    frames = 1
    if b"VP8X" in held:
        start, _ = held[b"VP8X"]
        size = (int.from_bytes(data[start + at : start + at + 3], "little") + 1 for at in (4, 7))
        if b"ANMF" in held:
            frames = _frames(data)
    elif b"VP8L" in held:
        bits = int.from_bytes(data[held[b"VP8L"][0] + 1 : held[b"VP8L"][0] + 5], "little")
        size = ((bits >> shift & 0x3FFF) + 1 for shift in (0, 14))
    elif b"VP8 " in held:
        start = held[b"VP8 "][0] + 6
        size = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (start, start + 2))
    else:
        raise damaged(path, "it has no picture")
    width, height = size
    return Header(width, height, "WEBP", frames, Layout(b"VP8L" in held))


def _frames(data: bytes) -> int:
    count, at = 0, 12
    while at + 8 <= len(data):
        count += data[at : at + 4] == b"ANMF"
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return count


def decode(data: bytes, path: Path) -> Photo:
    """The picture of a WebP file, or all frames of an animated one."""
    header = read_header(data, path)
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise damaged(path, "the file ends too early")
    if header.frames > 1:
        lossless = b"VP8L" in data and b"VP8 " not in data
        return animation.decoded(data, replace(header, layout=Layout(lossless)), loops=0)
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.shape[:2] != (header.height, header.width):
        raise damaged(path)
    alpha = samples.shape[2] == 4
    samples = cv2.cvtColor(samples, cv2.COLOR_BGRA2RGBA) if alpha else samples[..., ::-1]
    start, stop = chunks(data).get(b"ICCP", (0, 0))
    usual = of_samples(samples)
    curve = curves.of_profile(data[start:stop])
    colour = Colour(usual.model, usual.low, usual.high, usual.alpha, curve=curve)
    return Photo(samples, header, colour=colour)


def encode(photo: Photo) -> bytes:
    """A WebP file, lossless where the photo's was, else of quality 95; animated."""
    if photo.more:
        return encode_animation(photo)
    lossless = photo.lossless
    height, width = photo.pixels.shape[:2]
    quality = LOSSLESS if lossless else QUALITY
    if lossless and photo.meaning.alpha is not None:
        return _exact(photo)
    data = written(".webp", photo, [cv2.IMWRITE_WEBP_QUALITY, quality])
    if data is None:
        raise LpieError(f"{width}x{height} pixels are too many for WebP: it holds 16383x16383.")
    return data


def _exact(photo: Photo) -> bytes:
    """Without loss, what is transparent too."""
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(photo.pixels))
    image.save(file, "WEBP", lossless=True, exact=True, quality=80, method=4)
    return file.getvalue()


def encode_animation(photo: Photo) -> bytes:
    """An animated WebP file whose frames are whole pictures."""
    height, width = photo.pixels.shape[:2]
    alpha = photo.meaning.alpha is not None
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    parts = [packed(b"VP8X", bytes([0x02 | 0x10 * alpha, 0, 0, 0]) + sides)]
    parts.append(packed(b"ANIM", bytes(4) + struct.pack("<H", photo.loops)))
    for picture in photo.pictures:
        data = encode(replace(picture, more=()))
        start = 30 if data[12:16] == b"VP8X" else 12
        duration = min(round(picture.duration_ms or 0), 0xFFFFFF).to_bytes(3, "little")
        place = bytes(6) + sides + duration + b"\x02"  # not blended with what was there
        parts.append(packed(b"ANMF", place + data[start:]))
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
