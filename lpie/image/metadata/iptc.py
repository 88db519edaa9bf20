"""Photoshop's resources, in which JPEG and TIFF files carry IPTC, and IPTC's texts."""

import struct
from collections.abc import Iterator, Mapping

from lpie.image.metadata.metadata import decoded

IPTC, CHARACTER_SET = 1028, (1, 90)
# Thumbnails of both kinds, and the quality of the JPEG file that was.
THUMBNAILS, JPEG_QUALITY = (1033, 1036), 1030
# Photoshop's and its partners' signatures.
SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
# IIM datasets and the XMP properties that hold the same (IPTC Photo Metadata Standard).
PROPERTIES: Mapping[tuple[int, int], tuple[str, str]] = {
    (2, 5): ("dc", "title"),
    (2, 10): ("photoshop", "Urgency"),
    (2, 15): ("photoshop", "Category"),
    (2, 20): ("photoshop", "SupplementalCategories"),
    (2, 25): ("dc", "subject"),
    (2, 40): ("photoshop", "Instructions"),
    (2, 55): ("photoshop", "DateCreated"),
    (2, 80): ("dc", "creator"),
    (2, 85): ("photoshop", "AuthorsPosition"),
    (2, 90): ("photoshop", "City"),
    (2, 92): ("Iptc4xmpCore", "Location"),
    (2, 95): ("photoshop", "State"),
    (2, 100): ("Iptc4xmpCore", "CountryCode"),
    (2, 101): ("photoshop", "Country"),
    (2, 103): ("photoshop", "TransmissionReference"),
    (2, 105): ("photoshop", "Headline"),
    (2, 110): ("photoshop", "Credit"),
    (2, 115): ("photoshop", "Source"),
    (2, 116): ("dc", "rights"),
    (2, 120): ("dc", "description"),
    (2, 122): ("photoshop", "CaptionWriter"),
}
# A preview of the picture: its format, its version and its data.
PREVIEW = ((2, 200), (2, 201), (2, 202))
# What says how the other datasets are written, or is XMP's own business.
SILENT = ((2, 0), (1, 0), CHARACTER_SET)


def resources(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, content, the whole resource) of each of Photoshop's resources in `data`."""
    at = 0
    while at + 12 <= len(data) and data[at : at + 4] in SIGNATURES:
        (number,) = struct.unpack_from(">H", data, at + 4)
        start = at + 6 + (data[at + 6] + 2) // 2 * 2
        if start + 4 > len(data):
            return
        (length,) = struct.unpack_from(">I", data, start)
        end = start + 4 + length
        if end > len(data):
            return
        yield number, data[start + 4 : end], data[at:end] + b"\0" * (length % 2)
        at = end + length % 2


def parted(data: bytes) -> tuple[bytes, bytes, list[str]]:
    """(IPTC, the resources that stay true, what is lost) of Photoshop's resources."""
    iptc, kept, lost = b"", [], []
    for number, content, whole in resources(data):
        if number == IPTC and not iptc:
            iptc = content
        elif number in THUMBNAILS:
            lost.append("thumbnail")
        elif number not in (IPTC, JPEG_QUALITY):
            kept.append(whole)
    return iptc, b"".join(kept), lost


def joined(iptc: bytes, kept: bytes) -> bytes:
    """Photoshop's resources with IPTC as the first."""
    if not iptc:
        return kept
    head = b"8BIM" + struct.pack(">HHI", IPTC, 0, len(iptc))
    return head + iptc + b"\0" * (len(iptc) % 2) + kept


def datasets(iptc: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(record, number, content) of each of IPTC's datasets."""
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == 0x1C:
        record, number, length = struct.unpack_from(">BBH", iptc, at + 1)
        start = at + 5
        if length & 0x8000:  # the length of the length
            start += length & 0x7FFF
            length = int.from_bytes(iptc[at + 5 : start][:8])
        if start + length > len(iptc):
            return
        yield record, number, iptc[start : start + length]
        at = start + length


def without_preview(iptc: bytes) -> tuple[bytes, list[str]]:
    """(IPTC's datasets without a preview of the picture, what is lost)."""
    parts = list(datasets(iptc))
    if not any(key[:2] in PREVIEW for key in parts):
        return iptc, []
    kept = [
        struct.pack(">BBBH", 0x1C, record, number, len(content)) + content
        for record, number, content in parts
        if (record, number) not in PREVIEW and len(content) < 0x8000
    ]
    return b"".join(kept), ["preview"]


def as_properties(iptc: bytes) -> tuple[dict[tuple[str, str], list[str]], bool]:
    """({(prefix, name): values} of XMP with IPTC's texts, whether some have no property)."""
    properties: dict[tuple[str, str], list[str]] = {}
    left = False
    for record, number, content in datasets(iptc):
        if name := PROPERTIES.get((record, number)):
            properties.setdefault(name, []).append(decoded(content))
        elif (record, number) not in SILENT:
            left = True
    return properties, left
