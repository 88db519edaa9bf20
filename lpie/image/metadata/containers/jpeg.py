"""The segments of JPEG files."""

import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

from lpie.image.metadata import exif, iptc, rdf
from lpie.image.metadata.containers import multi_picture
from lpie.image.metadata.directories import Damaged
from lpie.image.metadata.metadata import MAX_PARTS, Metadata, Native, Text, decoded
from lpie.image.metadata.texts import COMMENT, as_comment, in_xmp
from lpie.size import Size

APP0, APP1, APP2, APP11, APP12, APP13, APP14, COM = 0xE0, 0xE1, 0xE2, 0xEB, 0xEC, 0xED, 0xEE, 0xFE
SOI, EOI, SOS = b"\xff\xd8", 0xD9, 0xDA
# The colours of so many components, where they are not RGB.
COLOURS = {1: "GRAY", 4: "CMYK"}
# The most bytes of a segment behind its length.
MOST = 65533
EXIF, ICC = b"Exif\0\0", b"ICC_PROFILE\0"
XMP, EXTENSION = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP, MPF, ISO_GAIN_MAP = b"Photoshop 3.0\0", b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0"
# Segments that say how the picture was encoded, or that hold a preview of it: (marker, start).
OF_THE_ENCODING = (
    (APP14, b"Adobe"),
    (APP12, b"Ducky"),
    (0xE4, b"SCALADO"),
    (0xE8, b""),  # SPIFF and its directory, JPEG-LS's transform
)
# Markers of segments; in JPEG-LS a byte after 0xFF that begins with 0 is data.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")


class Segments(NamedTuple):
    """A JPEG file's segments of metadata: (marker, content); its size, components and end."""

    metadata: list[tuple[int, bytes]]
    size: Size | None
    components: int
    end: int


def segments(data: bytes, *, start: int = 0) -> Segments:
    """The segments of the JPEG file that begins at `start`; a damaged one ends where it stops."""
    metadata: list[tuple[int, bytes]] = []
    size, components, at, count = None, 0, start + 2, 0
    while match := _MARKER.search(data, at):
        marker, at, count = match[0][1], match.end(), count + 1
        if marker == EOI:
            break
        if count > 2 * MAX_PARTS:
            return Segments(metadata, size, components, len(data))
        if marker == 0xD8:
            continue
        if at + 2 > len(data):
            return Segments(metadata, size, components, len(data))
        (length,) = struct.unpack_from(">H", data, at)
        content = data[at + 2 : at + length]
        if at + length > len(data):
            return Segments(metadata, size, components, len(data))
        if (0xE0 <= marker <= 0xEF or marker == COM) and len(metadata) < MAX_PARTS:
            metadata.append((marker, content))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(content) >= 6:
            size, components = Size(*struct.unpack_from(">HH", content, 1)), content[5]
        at += max(length, 2)
    else:
        at = len(data)
    return Segments(metadata, size, components, at)


def read(data: bytes) -> Metadata:
    """The metadata of a JPEG file, of the first picture in it."""
    parsed = segments(data)
    blocks: dict[str, list[bytes]] = {}
    native: list[Native] = []
    texts: list[Text] = []
    lost = ["further segments"] if len(parsed.metadata) == MAX_PARTS else []
    for marker, content in parsed.metadata:
        kind = _kind(marker, content)
        if kind in ("encoding", "JFXX"):
            lost += ["thumbnail"] * (kind == "JFXX")
        elif kind == "credentials":
            lost.append("content credentials")
        elif kind:
            blocks.setdefault(kind, []).append(content)
        else:
            native.append(Native(f"{marker:02X}", content, _loss(marker)))
        if marker == COM:
            texts.append(Text(COMMENT, decoded(content)))
    jfif = blocks.get("JFIF", [b""])[0]
    native = [Native("JFIF", jfif[:12] + b"\0\0")] * bool(jfif) + native
    lost += ["thumbnail"] * any(jfif[12:14])
    profile = _profile(blocks.get("ICC", []))
    if not profile:
        native += [Native("E2", content, "colour profile") for content in blocks.get("ICC", [])]
    resources = b"".join(part[len(PHOTOSHOP) :] for part in blocks.get("Photoshop", []))
    datasets, kept, names = iptc.parted(resources)
    packet, extension, others = _xmp(blocks)
    companions, missing = multi_picture.read(data, parsed.end, blocks, packet)
    native += [Native("ISO", content) for content in blocks.get("ISO", [])]
    return Metadata(
        exif=_exif(blocks.get("EXIF", [])),
        xmp=packet,
        xmp_extension=extension,
        icc=profile,
        photoshop=kept,
        iptc=datasets,
        texts=tuple(texts),
        dpi=_density(jfif),
        native=(*native, *others),
        companions=companions,
        lost=(*lost, *names, *missing),
        size=parsed.size,
    )


def write(encoded: bytes, metadata: Metadata, *, same: bool) -> tuple[bytes, list[str]]:
    """(the JPEG file `encoded` with `metadata`, what is lost).

    same: whether `metadata` was read from a JPEG file.
    """
    lost: list[str] = []
    if not same:
        metadata, lost = in_xmp(metadata, comments=False)
    parsed = segments(encoded)
    own = [(marker, content) for marker, content in parsed.metadata if _is_own(marker, content)]
    jfif = _jfif(own, metadata, same=same)
    parts: list[tuple[int, bytes]] = [(APP0, jfif)] if jfif else []
    block, names = _fitting(metadata.exif)
    lost += names
    parts += [(APP1, EXIF + block)] if block else []
    packets, names = _packets(metadata)
    lost += names
    parts += [(APP1, packet) for packet in packets]
    profile, names = metadata.profile_for(COLOURS.get(parsed.components, "RGB"))
    lost += names
    parts += _numbered(profile)
    resources = iptc.joined(metadata.iptc, metadata.photoshop)
    room = MOST - len(PHOTOSHOP)
    parts += [
        (APP13, PHOTOSHOP + resources[at : at + room]) for at in range(0, len(resources), room)
    ]
    if same:
        keys = [(native.key, native.data) for native in metadata.native if native.key != "JFIF"]
        parts += [(int(key, 16), data) for key, data in keys if key != "ISO"]
        parts += [(APP2, data) for key, data in keys if key == "ISO" and metadata.companions]
    else:
        parts += [
            (COM, segment) for text in metadata.texts for segment in _comment(as_comment(text))
        ]
    parts += [part for part in own if part[0] == APP14]
    head = SOI + _packed(parts)
    body = _without_metadata(encoded)
    return multi_picture.write(head, body, metadata.companions), lost


def _kind(marker: int, content: bytes) -> str:
    """What a segment of metadata is; empty for one that is carried as it is."""
    starts = {
        "JFIF": (APP0, b"JFIF\0"),
        "JFXX": (APP0, b"JFXX\0"),
        "EXIF": (APP1, b"Exif\0"),
        "XMP": (APP1, XMP),
        "extension": (APP1, EXTENSION),
        "ICC": (APP2, ICC),
        "MPF": (APP2, MPF),
        "ISO": (APP2, ISO_GAIN_MAP),
        "Photoshop": (APP13, PHOTOSHOP),
    }
    if any(marker == number and content.startswith(start) for number, start in OF_THE_ENCODING):
        return "encoding"
    if marker == APP11:  # of C2PA, which signs the bytes of the picture
        return "credentials" if b"jumb" in content[:64] else ""
    kinds = (name for name, (m, s) in starts.items() if marker == m and content.startswith(s))
    return next(kinds, "")


def _loss(marker: int) -> str:
    return "" if marker == COM else f"APP{marker - APP0} segment"


def _exif(parts: list[bytes]) -> bytes:
    """The EXIF structure; a second segment continues the first, unless it begins anew."""
    if not parts:
        return b""
    rest = [part[6:] for part in parts[1:] if part[6:8] not in (b"II", b"MM")]
    return b"".join([parts[0][6:], *rest])


def _profile(parts: list[bytes]) -> bytes:
    """The profile in numbered segments; empty where one is missing."""
    numbered = {part[12]: part[14:] for part in reversed(parts) if len(part) > 14}
    count = parts[0][13] if numbered and len(parts[0]) > 14 else 0
    if sorted(numbered) != list(range(1, count + 1)):
        return b""
    profile = b"".join(numbered[n] for n in sorted(numbered))
    return profile if profile[36:40] == b"acsp" else b""


def _numbered(profile: bytes) -> list[tuple[int, bytes]]:
    """The segments of a profile."""
    room = MOST - len(ICC) - 2
    segments = [profile[at : at + room] for at in range(0, len(profile), room)]
    return [
        (APP2, ICC + bytes([number, len(segments)]) + segment)
        for number, segment in enumerate(segments, 1)
    ]


def _xmp(blocks: dict[str, list[bytes]]) -> tuple[bytes, bytes, list[Native]]:
    """(the packet, its extension, segments of an extension that no packet belongs to)."""
    packet = rdf.plain(b"".join(blocks.get("XMP", [])[:1])[len(XMP) :])
    parts = blocks.get("extension", [])
    as_they_are = [Native("E1", part, "extended XMP") for part in parts]
    name = rdf.extension_name(packet) if parts else b""
    portions: dict[int, bytes] = {}
    length = 0
    for part in parts:
        at = len(EXTENSION)
        if part[at : at + 32] == name and len(part) > at + 40:
            length, offset = struct.unpack_from(">II", part, at + 32)
            portions[offset] = part[at + 40 :]
    extension = b"".join(portions[offset] for offset in sorted(portions))
    if not name or len(extension) != length or not rdf.readable(extension):
        return packet, b"", as_they_are
    return packet, extension, []


def _packets(metadata: Metadata) -> tuple[list[bytes], list[str]]:
    """(contents of the segments that hold XMP, what is lost)."""
    room = MOST - len(XMP)
    try:
        packet, extension = rdf.parted(metadata.xmp, metadata.xmp_extension, room)
    except Damaged:
        return [], ["XMP"]
    if not packet:
        return [], []
    room = MOST - len(EXTENSION) - 40
    head = EXTENSION + rdf.extension_name(packet)
    return [
        XMP + packet,
        *(
            head + struct.pack(">II", len(extension), at) + extension[at : at + room]
            for at in range(0, len(extension), room)
        ),
    ], []


def _density(jfif: bytes) -> tuple[float, float] | None:
    """The pixels an inch of a JFIF segment, or None."""
    if len(jfif) < 12:
        return None
    unit, x, y = struct.unpack_from(">BHH", jfif, 7)
    per_inch = {1: 1.0, 2: 2.54}.get(unit)
    return (x * per_inch, y * per_inch) if per_inch and x and y else None


def _jfif(own: Iterable[tuple[int, bytes]], metadata: Metadata, *, same: bool) -> bytes:
    """The JFIF segment: the photo's, or the encoder's with the photo's density."""
    if same:
        natives = (native.data for native in metadata.native if native.key == "JFIF")
        return next(natives, b"")
    jfif = next((content for marker, content in own if marker == APP0), b"")
    if len(jfif) < 14 or metadata.dpi is None:
        return jfif
    density = (min(max(round(value), 1), 65535) for value in metadata.dpi)
    return jfif[:7] + struct.pack(">BHH", 1, *density) + jfif[12:]


def _fitting(block: bytes) -> tuple[bytes, list[str]]:
    """(EXIF that fits in a segment, what is lost of it)."""
    room = MOST - len(EXIF)
    lost = []
    for part in ("thumbnail", "maker note"):
        if len(block) > room and exif.holds(block, part):
            lost.append(part)
            block = exif.smaller(block, note=part == "thumbnail")
    return (block, lost) if len(block) <= room else (b"", ["EXIF"])


def _comment(text: str) -> list[bytes]:
    encoded = text.encode()
    return [encoded[at : at + MOST] for at in range(0, len(encoded), MOST)]


def _is_own(marker: int, content: bytes) -> bool:
    """Whether a segment of the encoder's tells how to decode the picture."""
    return (marker, content[:5]) in ((APP0, b"JFIF\0"), (APP14, b"Adobe"))


def _packed(parts: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(
        struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in parts
    )


def _without_metadata(data: bytes) -> bytes:
    """What a JPEG file holds beside its metadata, without its start."""
    at = 2
    kept = []
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != SOS:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if not (0xE0 <= marker <= 0xEF or marker == COM):
            kept.append(data[at : at + 2 + length])
        at += 2 + length
    return b"".join([*kept, data[at:]])
