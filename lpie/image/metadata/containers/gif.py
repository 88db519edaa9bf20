"""The extensions of GIF files: comments, XMP and a profile."""

from collections.abc import Iterator

from lpie.image.metadata import rdf, texts
from lpie.image.metadata.metadata import Metadata, Text, decoded
from lpie.size import Size

EXTENSION, IMAGE, COMMENT, APPLICATION, PLAIN_TEXT = 0x21, 0x2C, 0xFE, 0xFF, 0x01
XMP, ICC = b"XMP DataXMP", b"ICCRGBG1012"
# XMP lies in the file as it is; this leads a reader that takes it for blocks to its end.
XMP_END = b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def read(data: bytes) -> Metadata:
    """The metadata of a GIF file."""
    packet, profile, lost = b"", b"", []
    comments = []
    for label, start, end in _extensions(data):
        name = data[start + 1 : start + 12] if label == APPLICATION else b""
        if label == COMMENT:
            comments.append(Text(texts.COMMENT, decoded(_joined(data, start))))
        elif name == XMP:
            packet = packet or data[start + 12 : end].removesuffix(XMP_END)
        elif name == ICC:
            profile = profile or _joined(data, start + 12)
        elif label == PLAIN_TEXT:
            lost.append("text")
    return Metadata(
        xmp=rdf.plain(packet),
        icc=profile,
        texts=tuple(comments),
        lost=tuple(lost),
        size=Size(*(int.from_bytes(data[at : at + 2], "little") for at in (8, 6))),
    )


def write(encoded: bytes, metadata: Metadata, *, same: bool) -> tuple[bytes, list[str]]:
    """(the GIF file `encoded` with `metadata`, what is lost).

    same: whether `metadata` was read from a GIF file.
    """
    held = {"EXIF": metadata.exif, "Photoshop data": metadata.photoshop}
    lost = [name for name, data in held.items() if data]
    lost += ["resolution"] if metadata.dpi and not metadata.exif else []
    if not same:
        metadata, names = texts.iptc_in_xmp(metadata)
        metadata, more = texts.in_xmp(metadata, comments=False)
        lost += [*names, *more]
    parts = []
    profile, names = metadata.profile_for("RGB")
    lost += names
    if profile:
        parts.append(bytes([EXTENSION, APPLICATION, 11]) + ICC + _blocks(profile))
    if b"\0" in metadata.xmp:  # where a GIF's blocks end
        lost.append("XMP")
    elif metadata.xmp:
        parts.append(bytes([EXTENSION, APPLICATION, 11]) + XMP + metadata.xmp + XMP_END)
    comments = (texts.as_comment(text).encode() for text in metadata.texts)
    parts += [bytes([EXTENSION, COMMENT]) + _blocks(comment) for comment in comments if comment]
    at = blocks_start(encoded)
    version = b"GIF89a" if parts else encoded[:6]  # which has extensions
    return b"".join([version, encoded[6:at], *parts, encoded[at:]]), lost


def blocks_start(data: bytes) -> int:
    """Where the blocks begin, behind the colours of all pictures."""
    flags = data[10]
    return 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)


def _extensions(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(label, start, end) of each extension's blocks, until the end or a damaged one."""
    at = blocks_start(data)
    while at + 1 < len(data):
        if data[at] == EXTENSION:
            end = blocks_end(data, at + 2)
            yield data[at + 1], at + 2, end
            at = end
        elif data[at] == IMAGE and at + 10 < len(data):
            flags = data[at + 9]
            at = blocks_end(data, at + 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0))
        else:
            return


def blocks_end(data: bytes, at: int) -> int:
    """The place behind blocks that begin at `at`."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1


def _joined(data: bytes, at: int) -> bytes:
    """The content of blocks that begin at `at`."""
    parts = []
    while at < len(data) and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += data[at] + 1
    return b"".join(parts)


def _blocks(content: bytes) -> bytes:
    blocks = (content[at : at + 255] for at in range(0, len(content), 255))
    return b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
