"""Further pictures in a JPEG file, which its MPF segment lists: gain maps, views and previews.

MPF is CIPA DC-007; Ultra HDR's gain maps follow Android's format and ISO 21496-1.
"""

import re
import struct
from collections.abc import Mapping, Sequence

from lpie.image.metadata.directories import (
    LONG,
    UNDEFINED,
    Damaged,
    Entry,
    Layout,
    directory_bytes,
    integer,
    layout_of,
    read_directory,
)
from lpie.image.metadata.metadata import Companion

VERSION, NUMBER, ENTRIES = 0xB000, 0xB001, 0xB002
PRIMARY, TYPE_MASK, PREVIEW = 0x030000, 0xFFFFFF, 0x010000
_GAIN_MAP = re.compile(rb"hdr-gain-map/1\.0|HDRGainMap|urn:iso:std:iso:ts:21496:-1", re.IGNORECASE)


def read(
    data: bytes, end: int, blocks: Mapping[str, Sequence[bytes]], packet: bytes
) -> tuple[tuple[Companion, ...], list[str]]:
    """(the pictures behind the first one, which ends at `end`; what else is there and is lost)."""
    companions: list[Companion] = []
    lost: list[str] = []
    behind = end
    promised = _GAIN_MAP.search(packet) is not None
    for kind, start, length in _listed(data, blocks.get("MPF", ())):
        picture = data[start : start + length]
        if start < end or len(picture) < length or picture[:2] != b"\xff\xd8":
            continue
        behind = max(behind, start + length)
        if kind & 0xFF0000 == PREVIEW:
            lost.append("preview")
            continue
        gain_map = _GAIN_MAP.search(picture, 0, 65536) is not None
        companions.append(Companion(kind, picture, gain_map))
    if promised and not any(other.gain_map for other in companions):
        # The first writers of gain maps say so in the first picture only.
        first = next((n for n, other in enumerate(companions) if other.type == 0), None)
        if first is not None:
            companions[first] = companions[first]._replace(gain_map=True)
    return tuple(companions), [*lost, *_rest(data, end, behind, bool(companions or lost))]


def _rest(data: bytes, end: int, behind: int, listed: bool) -> list[str]:
    """What lies behind the pictures."""
    if data.find(b"ftyp", behind) >= 0:
        return ["motion video"]
    if not listed and data.find(b"\xff\xd8\xff", end) >= 0:
        return ["second picture"]
    return ["data behind the picture"] if data[behind:].strip(b"\0\r\n \xff") else []


def _listed(data: bytes, blocks: Sequence[bytes]) -> list[tuple[int, int, int]]:
    """(type, start, length) of the pictures that the index lists, without the first."""
    if not blocks:
        return []
    index = blocks[0][4:]
    base = data.find(index)
    try:
        layout = layout_of(index)
        entries, _ = read_directory(index, layout, layout.first)
    except Damaged:
        return []
    value = next((entry.value for entry in entries if entry.tag == ENTRIES), b"")
    rows = struct.iter_unpack(f"{layout.order}IIIHH", value[: len(value) // 16 * 16])
    return [(row[0] & TYPE_MASK, base + row[2], row[1]) for row in rows if row[2]]


def write(head: bytes, body: bytes, companions: Sequence[Companion]) -> bytes:
    """A JPEG file of its segments of metadata, the rest, and further pictures with an index."""
    if not companions:
        return head + body
    base = len(head) + 8  # behind the marker, the length and "MPF"
    first = len(head) + len(_index(base, companions, base)) + len(body)
    return b"".join(
        [head, _index(first, companions, base), body, *(other.data for other in companions)]
    )


def _index(first: int, companions: Sequence[Companion], base: int) -> bytes:
    """The MPF segment; `first` is the length of the first picture, offsets count from `base`."""
    rows, at = [struct.pack("<IIIHH", PRIMARY, first, 0, 0, 0)], first
    for other in companions:
        rows.append(struct.pack("<IIIHH", other.type, len(other.data), at - base, 0, 0))
        at += len(other.data)
    value = b"".join(rows)
    entries = [
        Entry(VERSION, UNDEFINED, 4, b"0100"),
        integer(NUMBER, LONG, len(rows)),
        Entry(ENTRIES, UNDEFINED, len(value), value),
    ]
    content = b"MPF\0II*\0\x08\0\0\0" + directory_bytes(entries, Layout("<", False, 8), 8)
    return struct.pack(">BBH", 0xFF, 0xE2, len(content) + 2) + content
