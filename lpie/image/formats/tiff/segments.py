"""Pictures inside strips and tiles of TIFF files: they must not be larger than these."""

import struct
from collections.abc import Callable
from pathlib import Path

import tifffile

from lpie.image.formats import jpeg, jxl, png, webp
from lpie.image.formats.common import damaged
from lpie.image.samples import Header

ROOM = 64  # px by which a picture may exceed its tile: JPEG's blocks


def _jpeg2000(data: bytes, path: Path) -> Header:
    """By the SIZ marker of the codestream, which may lie in a JP2 file."""
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or at + 24 > len(data):
        raise damaged(path, "a strip or tile has no header")
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    return Header(right - left, bottom - top, "JPEG 2000")


READERS: dict[int, Callable[[bytes, Path], Header]] = {
    6: jpeg.read_header, 7: jpeg.read_header, 33007: jpeg.read_header, 34892: jpeg.read_header,
    34933: png.read_header, 50001: webp.read_header, 50002: jxl.read_header,
    52546: jxl.read_header, 33003: _jpeg2000, 33004: _jpeg2000, 33005: _jpeg2000,
    34712: _jpeg2000,
}  # fmt: skip


def check(page: tifffile.TiffPage, data: bytes, path: Path) -> None:
    """Refuse a page whose strips or tiles hold pictures that are larger than it says."""
    read = READERS.get(int(page.compression))
    if read is None or (page.compression == 6 and 513 in page.tags):
        return
    width = page.tilewidth if page.is_tiled else page.imagewidth
    height = page.tilelength if page.is_tiled else page.rowsperstrip
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if count:
            inner = read(data[start : start + count], path)
            if inner.width > width + ROOM or inner.height > max(height, page.imagelength) + ROOM:
                size = f"{inner.width}x{inner.height}"
                raise damaged(path, f"a strip or tile of {width}x{height} holds {size}")
