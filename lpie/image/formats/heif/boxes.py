"""The boxes of HEIC and AVIF files (ISO/IEC 14496-12), as far as decoding needs them."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0}  # and what precedes the boxes inside


class Box(NamedTuple):
    """A box: its data lie from `start` to `stop`."""

    kind: bytes
    start: int
    stop: int


def boxes(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[Box]:
    """All boxes, with those inside the ones that hold a picture's properties."""
    stop = len(data) if stop is None else stop
    while start + 8 <= stop:
        length, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if length == 1 and start + 16 <= stop:
            (length,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        end = stop if length == 0 else start + length
        if (length and length < head) or end > stop:
            return
        yield Box(kind, start + head, end)
        if kind in CONTAINERS:
            yield from boxes(data, start + head + CONTAINERS[kind], end)
        start = end


def transfer(data: bytes) -> int:
    """The TransferCharacteristics that the file says, 2 where it says none."""
    for box in boxes(data):
        if box.kind == b"colr" and data[box.start : box.start + 4] == b"nclx":
            return int.from_bytes(data[box.start + 6 : box.start + 8], "big")
    return 2


def is_identity(data: bytes) -> bool:
    """Whether colours are stored as RGB, as only files without loss do."""
    for box in boxes(data):
        if box.kind == b"colr" and data[box.start : box.start + 4] == b"nclx":
            return data[box.start + 8 : box.start + 10] == b"\0\0"
    return False


def profile(data: bytes) -> bytes:
    """The first ICC profile."""
    for box in boxes(data):
        if box.kind == b"colr" and data[box.start : box.start + 4] in (b"prof", b"rICC"):
            return data[box.start + 4 : box.stop]
    return b""
