"""Decodes the files of a data set to [H, W, 3] uint8 RGB."""

import contextlib
import io
import struct
import threading
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from lpie.data.datasets.archives import Source
from lpie.data.datasets.pairing import Pair
from lpie.data.datasets.sidd_blocks import load_blocks
from lpie.data.sources import Photo
from lpie.errors import InputError
from lpie.image.image import to_uint8
from lpie.system.quiet import quiet

Image = NDArray[np.uint8]

# Phones reach 200 million; decoded this takes 0.8 GB.
MOST_PIXELS = 2**28
# How many bytes of a file hold its size; a JPEG may have a preview and a colour profile first.
HEAD_BYTES = {".png": 32, ".npy": 512, ".jpg": 2**18, ".jpeg": 2**18}
PNG = b"\x89PNG\r\n\x1a\n"


class Reader:
    """Decodes the photos of a source; keeps SIDD's .mat files open. For several threads."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._blocks: dict[str, NDArray[np.uint8]] = {}
        self._lock = threading.Lock()

    def photo(self, pair: Pair) -> Photo:
        """(target, degraded or None); an `InputError` names what cannot be decoded."""
        degraded = None if pair.degraded is None else self._image(pair.degraded, pair.block)
        return self._image(pair.target, pair.block), degraded

    def size(self, name: str, block: tuple[int, int] | None) -> tuple[int, int]:
        """(height, width) before any turn by EXIF, decoding the file only where it must."""
        suffix = _suffix(name)
        if block is None and suffix in HEAD_BYTES:
            head = self.source.read(name, HEAD_BYTES[suffix])
            shape = _npy_header(head)[0] if suffix == ".npy" else image_size(head)
            if len(shape) >= 2:
                return shape[0], shape[1]
        h, w, _ = self._image(name, block).shape
        return h, w

    def _image(self, name: str, block: tuple[int, int] | None) -> Image:
        if block is not None:
            return self._mat(name)[block]
        decode = decode_hdr if _suffix(name) == ".npy" else decode_image
        return decode(self.source.read(name), self.source.where(name))

    def _mat(self, name: str) -> NDArray[np.uint8]:
        with self._lock:
            if name not in self._blocks:
                self._blocks[name] = load_blocks(self.source, name)
            return self._blocks[name]


def decode_image(data: bytes, where: str) -> Image:
    """The photo in the bytes of an image file, turned upright as its EXIF orientation says."""
    h, w = image_size(data) or (0, 0)
    if h * w > MOST_PIXELS:
        raise InputError(f"{where} ({w}x{h}) has more than {MOST_PIXELS / 1e6:.0f} million pixels.")
    whole = _looks_whole(data)
    # Messages of the libraries about a bad file are hidden, but only there: hiding them hides the
    # progress bar too.
    with contextlib.nullcontext() if whole else quiet():
        try:
            bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        except cv2.error:
            bgr = None
    # Older releases of OpenCV return the readable part of a truncated PNG.
    if bgr is None or (data.startswith(PNG) and not whole):
        raise InputError(
            f"{where} is not a readable image: empty, truncated, damaged or too large."
        )
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def decode_hdr(data: bytes, where: str) -> Image:
    """The photo in the bytes of an HDR .npy ([H, W, 3] floats, linear), tone-mapped x / (x + 0.25).

    That is the mapping in which the under-display camera challenge measures.
    """
    shape, dtype, start = _npy_header(data)
    if len(shape) != 3 or shape[2] != 3 or np.dtype(dtype).kind != "f":
        received = f"{dtype} {list(shape)}" if shape else "no .npy header"
        raise InputError(f"{where} must hold floats of shape [H, W, 3]. Received: {received}.")
    if len(data) - start != np.prod(shape, dtype=object) * np.dtype(dtype).itemsize:
        raise InputError(f"{where} is truncated or damaged: it is not as long as its header says.")
    x = np.load(io.BytesIO(data), allow_pickle=False).astype(np.float32)
    if not (np.isfinite(x).all() and x.min(initial=0) >= 0):
        raise InputError(f"{where} holds NaN, infinite or negative values, which no light has.")
    return to_uint8(x / (x + np.float32(0.25)))


def image_size(head: bytes) -> tuple[int, ...]:
    """(height, width) in the first bytes of a PNG or JPEG file; empty where it is not there."""
    if head.startswith(PNG) and head[12:16] == b"IHDR" and len(head) >= 24:
        w, h = struct.unpack(">II", head[16:24])
        return h, w
    return _jpeg_size(head) if head.startswith(b"\xff\xd8") else ()


def _jpeg_size(head: bytes) -> tuple[int, ...]:
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        marker, length = struct.unpack(">BH", head[position + 1 : position + 4])
        # The frame headers SOF0 to SOF15; the three others in that range are tables.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return struct.unpack(">HH", head[position + 5 : position + 9])
        position += 1 if marker == 0xFF else 2 + length
    return ()


def _npy_header(head: bytes) -> tuple[tuple[int, ...], str, int]:
    """(shape, dtype, where the values start); an empty shape when there is no header."""
    file = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(file)
    except (ValueError, KeyError, EOFError, RecursionError, MemoryError):
        return (), "", 0
    return shape, str(dtype), file.tell()


def _looks_whole(data: bytes) -> bool:
    """Whether a PNG has all its chunks undamaged, or a JPEG an end; False of other formats."""
    if data.startswith(PNG):
        return _png_is_whole(memoryview(data))
    # Phones append more pictures, so that the end need not be the last thing in the file.
    return data.startswith(b"\xff\xd8") and b"\xff\xd9" in data[-(2**16) :]


def _png_is_whole(data: memoryview) -> bool:
    position = len(PNG)
    while position + 12 <= len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        end = position + 12 + length
        if data[end - 4 : end] != struct.pack(">I", zlib.crc32(data[position + 4 : end - 4])):
            return False
        if bytes(data[position + 4 : position + 8]) == b"IEND":
            return True
        position = end
    return False


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2].lower()}"
