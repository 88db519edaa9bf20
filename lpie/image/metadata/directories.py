"""TIFF directories, which TIFF files, EXIF and MPF consist of: reading and writing them."""

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

# The bytes of a value of each type; 129 is EXIF 3's UTF-8.
WIDTHS = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
    16: 8, 17: 8, 18: 8, 129: 1,
}  # fmt: skip
# How wide the numbers are that a type consists of, for the byte order.
NUMBERS = {5: 4, 10: 4}
INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16
# Real directories have dozens of entries.
MAX_VALUES = 2**28


class Damaged(ValueError):
    """A structure that contradicts itself or the length of its file."""


class Layout(NamedTuple):
    """A TIFF structure's byte order ("<" or ">"), whether it is a BigTIFF, its first directory."""

    order: str
    big: bool
    first: int

    @property
    def pointer(self) -> int:
        """The bytes of an offset, and of a value that lies inside its entry."""
        return 8 if self.big else 4


class Entry(NamedTuple):
    """An entry of a directory: `length` values in the byte order `order`, which lay at `at`."""

    tag: int
    type: int
    length: int
    value: bytes
    order: str = "<"
    at: int = 0

    def integers(self) -> tuple[int, ...]:
        """Its values; empty when they are no whole numbers."""
        letter = INTEGERS.get(self.type)
        return struct.unpack(f"{self.order}{self.length}{letter}", self.value) if letter else ()

    def in_order(self, order: str) -> bytes:
        """Its value in another byte order."""
        width = NUMBERS.get(self.type, WIDTHS[self.type])
        if order == self.order or width == 1:
            return self.value
        return b"".join(
            self.value[at : at + width][::-1] for at in range(0, len(self.value), width)
        )


def integer(tag: int, type: int, *values: int) -> Entry:
    """An entry of whole numbers."""
    letter = INTEGERS[type]
    return Entry(tag, type, len(values), struct.pack(f"<{len(values)}{letter}", *values))


def layout_of(data: bytes | bytearray) -> Layout:
    """The layout of the TIFF structure `data`, or `Damaged`."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 8:
        raise Damaged("no TIFF header")
    (magic,) = struct.unpack_from(f"{order}H", data, 2)
    if magic == 43 and len(data) >= 16:
        return Layout(order, True, *struct.unpack_from(f"{order}Q", data, 8))
    if magic != 42:
        raise Damaged("no TIFF header")
    return Layout(order, False, *struct.unpack_from(f"{order}I", data, 4))


def entry_places(data: bytes | bytearray, layout: Layout, at: int) -> tuple[list[int], int, int]:
    """(where the entries of the directory at `at` lie, where its next one is named, that one)."""
    order, big, _ = layout
    try:
        (count,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, at)
        start, width = at + (8 if big else 2), 20 if big else 12
        end = start + count * width
        if end > len(data):
            raise Damaged("a directory exceeds the file")
        following = 0
        if end + layout.pointer <= len(data):  # some writers leave the last 0 out
            (following,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, end)
    except struct.error:
        raise Damaged("a directory lies outside the file") from None
    return list(range(start, end, width)), end, following


def entry_at(
    data: bytes | bytearray, layout: Layout, place: int, most: int = MAX_VALUES
) -> Entry | None:
    """The entry at `place`, or None.

    None where its type is unknown, its value lies outside the file or exceeds `most` bytes.
    """
    order, big, _ = layout
    tag, kind, count = struct.unpack_from(f"{order}HH{'Q' if big else 'I'}", data, place)
    at = place + (12 if big else 8)
    length = WIDTHS.get(kind, 0) * count
    if length > layout.pointer:
        (at,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, at)
    if not 0 < length <= most or at + length > len(data):
        return None
    return Entry(tag, kind, count, bytes(data[at : at + length]), order, at)


def read_directory(data: bytes, layout: Layout, at: int) -> tuple[list[Entry], int]:
    """(the entries of the directory at `at` that can be read, the place of the next or 0).

    All values together are at most as large as the file: entries may not share a large one.
    """
    places, _, following = entry_places(data, layout, at)
    entries, left = [], len(data)
    for place in places:
        if entry := entry_at(data, layout, place, left):
            left -= len(entry.value)
            entries.append(entry)
    return entries, following


def directory_bytes(
    entries: list[Entry],
    layout: Layout,
    at: int,
    following: int = 0,
    stored: Mapping[int, int] = MappingProxyType({}),
) -> bytes:
    """A directory that begins at `at`, sorted by tags, and behind it the values of its entries.

    following: where the next directory begins. stored: where the values of some tags lie already.
    """
    order, big, _ = layout
    letter = "Q" if big else "I"
    entries = sorted({entry.tag: entry for entry in entries}.values())
    head = struct.pack(f"{order}{'Q' if big else 'H'}", len(entries))
    behind = at + len(head) + len(entries) * (20 if big else 12) + layout.pointer
    rows, values = [], bytearray()
    for entry in entries:
        value = entry.in_order(order)
        if len(value) > layout.pointer:
            place = stored.get(entry.tag, behind + len(values))
            if entry.tag not in stored:
                values += value + b"\0" * (len(value) % 2)
            value = struct.pack(f"{order}{letter}", place)
        row = struct.pack(f"{order}HH{letter}", entry.tag, entry.type, entry.length)
        rows.append(row + value.ljust(layout.pointer, b"\0"))
    return b"".join([head, *rows, struct.pack(f"{order}{letter}", following), bytes(values)])
