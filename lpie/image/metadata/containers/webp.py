"""The chunks of WebP files."""

import struct
from collections.abc import Iterator

from lpie.image.metadata import rdf, texts
from lpie.image.metadata.metadata import Metadata, Native
from lpie.size import Size

ICC, EXIF, XMP, EXTENDED = b"ICCP", b"EXIF", b"XMP ", b"VP8X"
# Chunks that are the picture itself.
PICTURE = (EXTENDED, b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
# What the extended header says is there.
FLAGS = {ICC: 0x20, EXIF: 0x08, XMP: 0x04}
ALPHA = 0x10
# In the header of a lossless picture, behind a signature of 8 bits and two sides of 14.
LOSSLESS_ALPHA = 1 << 28


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of each chunk, until a damaged one."""
    at = 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + length > len(data):
            return
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def read(data: bytes) -> Metadata:
    """The metadata of a WebP file."""
    first: dict[bytes, bytes] = {}
    native: list[Native] = []
    lost: list[str] = []
    for name, content in chunks(data):
        if name in FLAGS:
            first.setdefault(name, content)
        elif name == b"C2PA":
            lost.append("content credentials")
        elif name not in PICTURE:
            native.append(Native(name.decode("latin-1"), content, "WebP chunk"))
        elif name != b"ANMF" and name not in first:
            first[name] = content[:16]
    return Metadata(
        exif=first.get(EXIF, b"").removeprefix(b"Exif\0\0"),
        xmp=rdf.plain(first.get(XMP, b"")),
        icc=first.get(ICC, b""),
        native=tuple(native),
        lost=tuple(lost),
        size=_size(first),
    )


def write(encoded: bytes, metadata: Metadata, *, same: bool) -> tuple[bytes, list[str]]:
    """(the WebP file `encoded` with `metadata`, what is lost).

    same: whether `metadata` was read from a WebP file.
    """
    lost: list[str] = []
    if not same:
        metadata, lost = texts.all_in_xmp(metadata)
    icc, names = metadata.profile_for("RGB")
    lost += names
    own = [chunk for chunk in chunks(encoded) if chunk[0] not in FLAGS]
    blocks = {ICC: icc, EXIF: metadata.exif, XMP: metadata.xmp}
    blocks = {name: block for name, block in blocks.items() if block}
    others = [(native.key.encode("latin-1"), native.data) for native in metadata.native if same]
    if not blocks and not others:
        return encoded, lost
    header = _extended(dict(reversed(own)), sum(FLAGS[name] for name in blocks))
    order = [(EXTENDED, header)]
    order += [(ICC, icc)] if icc else []
    order += [chunk for chunk in own if chunk[0] != EXTENDED]
    order += [(name, block) for name, block in blocks.items() if name != ICC] + others
    body = b"WEBP" + b"".join(packed(name, content) for name, content in order)
    return b"RIFF" + struct.pack("<I", len(body)) + body, lost


def _extended(own: dict[bytes, bytes], flags: int) -> bytes:
    """The extended header of a file; its first chunks are `own`."""
    if header := own.get(EXTENDED):
        kept = header[0] & ~sum(FLAGS.values())
        return bytes([kept | flags]) + header[1:10]
    size = _size(own) or Size(1, 1)
    if lossless := own.get(b"VP8L"):
        flags |= ALPHA if struct.unpack_from("<I", lossless, 1)[0] & LOSSLESS_ALPHA else 0
    sides = (struct.pack("<I", side - 1)[:3] for side in (size.width, size.height))
    return bytes([flags, 0, 0, 0]) + b"".join(sides)


def _size(first: dict[bytes, bytes]) -> Size | None:
    if len(header := first.get(EXTENDED, b"")) >= 10:
        width, height = (int.from_bytes(header[at : at + 3], "little") + 1 for at in (4, 7))
        return Size(height, width)
    if len(lossless := first.get(b"VP8L", b"")) >= 5:
        (packed,) = struct.unpack_from("<I", lossless, 1)
        return Size((packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1)
    if len(lossy := first.get(b"VP8 ", b"")) >= 10:
        width, height = struct.unpack_from("<HH", lossy, 6)
        return Size(height & 0x3FFF, width & 0x3FFF)
    return None


def packed(name: bytes, content: bytes) -> bytes:
    """A chunk with its length, padded to an even one."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
