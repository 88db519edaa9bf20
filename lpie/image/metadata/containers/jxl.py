"""The boxes of JPEG XL files. Their profiles lie in the picture itself: the encoder writes them."""

import struct
from collections.abc import Iterator

from lpie.image.metadata import exif, rdf, texts, xmp
from lpie.image.metadata.metadata import Metadata, Native

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
FILE_TYPE = b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
CODESTREAM = b"\xff\x0a"
EXIF, XMP, CREDENTIALS, COMPRESSED = b"Exif", b"xml ", b"jumb", b"brob"
# The picture, its level, its index, its frames' gain map, and what would give back a JPEG file.
PICTURE = (b"JXL ", b"ftyp", b"jxlc", b"jxlp", b"jxll", b"jxli", b"jbrd")


def boxes(data: bytes, at: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of each box, until a damaged one; the last may go on to the file's end."""
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = len(data) if length == 0 else at + length
        if end < start or end > len(data):
            return
        yield name, data[start:end]
        at = end


def read(data: bytes) -> Metadata:
    """The metadata of a JPEG XL file, without its profile."""
    first: dict[bytes, bytes] = {}
    native: list[Native] = []
    lost: list[str] = []
    for name, content in boxes(data) if data.startswith(SIGNATURE) else ():
        if name in (EXIF, XMP):
            first.setdefault(name, content)
        elif name == CREDENTIALS:
            lost.append("content credentials")
        elif name == b"jhgm":
            lost.append("gain map")
        elif name == COMPRESSED:
            kind = {EXIF: "EXIF", XMP: "XMP"}.get(content[:4], "JPEG XL box")
            native.append(Native("brob", content, kind))
        elif name not in PICTURE:
            native.append(Native(name.decode("latin-1"), content, "JPEG XL box"))
    block = first.get(EXIF, b"")
    start = int.from_bytes(block[:4])  # where the TIFF structure begins
    return Metadata(
        exif=exif.upright(block[4 + start :].removeprefix(b"Exif\0\0")),
        xmp=xmp.upright(rdf.plain(first.get(XMP, b""))),
        native=tuple(native),
        lost=tuple(lost),
    )


def write(encoded: bytes, metadata: Metadata, *, same: bool) -> tuple[bytes, list[str]]:
    """(the JPEG XL file `encoded` with `metadata`, what is lost); its encoder wrote the profile.

    same: whether `metadata` was read from a JPEG XL file.
    """
    lost: list[str] = []
    if not same:
        metadata, lost = texts.all_in_xmp(metadata)
    parts = [(EXIF, bytes(4) + metadata.exif)] if metadata.exif else []
    parts += [(XMP, metadata.xmp)] if metadata.xmp else []
    parts += [(native.key.encode("latin-1"), native.data) for native in metadata.native if same]
    if not parts:
        return encoded, lost
    if encoded.startswith(CODESTREAM):
        encoded = SIGNATURE + FILE_TYPE + _packed(b"jxlc", encoded)
    own = [box for box in boxes(encoded) if box[0] not in (EXIF, XMP)]
    return b"".join(_packed(name, content) for name, content in [*own, *parts]), lost


def _packed(name: bytes, content: bytes) -> bytes:
    if len(content) + 8 >= 1 << 32:
        return struct.pack(">I4sQ", 1, name, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, name) + content
