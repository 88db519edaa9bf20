"""LZW in TIFF files without the extra `photos`: by the libtiff inside Pillow, strip by strip."""

import io
import struct

import numpy as np
import tifffile
from PIL import Image

LZW = 5


def unpacked(data: bytes) -> bytes:
    """The TIFF file with its LZW strips and tiles as plain bytes, which come to its end."""
    file = io.BytesIO(data)
    with tifffile.TiffFile(file) as opened:
        for page in opened.pages:
            if not isinstance(page, tifffile.TiffPage) or page.compression != LZW:
                continue
            offsets, counts = [], []
            segments = zip(page.dataoffsets, page.databytecounts, strict=True)
            for index, (start, count) in enumerate(segments):
                plain = _decoded(data[start : start + count], _length(page, index))
                offsets.append(file.seek(0, io.SEEK_END))
                counts.append(len(plain))
                file.write(plain)
            tiled = page.is_tiled
            page.tags[324 if tiled else 273].overwrite(
                offsets, dtype="Q" if page.parent.is_bigtiff else "I"
            )
            page.tags[325 if tiled else 279].overwrite(counts, dtype="I")
            page.tags[259].overwrite(1)
    return file.getvalue()


def _length(page: tifffile.TiffPage, index: int) -> int:
    """The bytes of a whole strip or tile."""
    samples = 1 if page.planarconfig == 2 else page.samplesperpixel
    if page.is_tiled:
        rows, width = page.tilelength, page.tilewidth
    else:
        per = page.rowsperstrip
        strips = -(-page.imagelength // per)
        rows, width = min(per, page.imagelength - index % strips * per), page.imagewidth
    return rows * (-(-width * samples * page.bitspersample // 8))


def _decoded(segment: bytes, length: int) -> bytes:
    """LZW data as the single row of a grey picture, whose bytes are what they hold."""
    entries = (
        (256, 4, length), (257, 4, 1), (258, 3, 8), (259, 3, LZW), (262, 3, 1),
        (273, 4, 0), (277, 3, 1), (278, 4, 1), (279, 4, len(segment)),
    )  # fmt: skip
    start = 8 + 2 + 12 * len(entries) + 4
    directory = b"".join(
        struct.pack("<HHII", tag, kind, 1, start if tag == 273 else value)
        for tag, kind, value in entries
    )
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    file = io.BytesIO(head + directory + b"\0\0\0\0" + segment)
    with Image.open(file) as image:
        return np.asarray(image).tobytes()
