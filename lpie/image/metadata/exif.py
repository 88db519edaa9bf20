"""EXIF: what stops being true is rewritten in place, so that maker notes keep their offsets."""

import struct
from collections.abc import Callable, Sequence

from lpie.image.metadata.directories import (
    LONG,
    RATIONAL,
    SHORT,
    Damaged,
    Entry,
    Layout,
    directory_bytes,
    entry_at,
    entry_places,
    integer,
    layout_of,
    read_directory,
)
from lpie.image.metadata.metadata import Changes
from lpie.size import Size

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
PHOTO, GPS, INTEROP, MAKER_NOTE, USER_COMMENT = 34665, 34853, 40965, 37500, 37510
# The directories of EXIF that tags point at: in which one, the tag, the name of the other.
POINTERS = (("image", PHOTO, "photo"), ("image", GPS, "gps"), ("photo", INTEROP, "interop"))
WIDTHS = (("image", 256), ("photo", 40962), ("interop", 4097))
HEIGHTS = (("image", 257), ("photo", 40963), ("interop", 4098))
# Places in pixels: SubjectArea, SubjectLocation.
SPOTS = (37396, 41492)
COMPRESSED_BITS = 37122
THUMBNAIL, THUMBNAIL_BYTES, STRIPS, STRIP_BYTES = 513, 514, 273, 279
# A maker note that lies further behind would need a gap of that size before it.
MAX_GAP = 60_000


class ExifBlock:
    """An EXIF structure and where its directories lie; `Damaged` when it has no first one."""

    def __init__(self, exif: bytes) -> None:
        self.data = bytearray(exif)
        self.layout = layout_of(exif)
        if self.layout.big:
            raise Damaged("EXIF is no BigTIFF")
        self.directories: dict[str, int] = {}
        following = self._add("image", self.layout.first)
        for directory, tag, name in POINTERS:
            entry = self.entry(directory, tag)
            if entry and (places := entry.integers()):
                self._add(name, places[0])
        if following:
            self._add("thumbnail", following)

    def entry(self, directory: str, tag: int) -> Entry | None:
        """The entry of `tag`, or None."""
        place = self._place(directory, tag)
        return entry_at(self.data, self.layout, place) if place else None

    def value(self, directory: str, tag: int) -> int | None:
        """The whole number that `tag` holds, or None."""
        entry = self.entry(directory, tag)
        return next(iter(entry.integers()), None) if entry else None

    def set(self, directory: str, tag: int, value: int) -> None:
        """Change the whole number of `tag`, where the directory has it."""
        entry, place = self.entry(directory, tag), self._place(directory, tag)
        if entry is None or entry.length != 1 or entry.type not in (SHORT, LONG):
            return
        kind = LONG if value > 0xFFFF else entry.type
        packed = struct.pack(f"{self.layout.order}{'H' if kind == SHORT else 'I'}", value)
        struct.pack_into(f"{self.layout.order}H", self.data, place + 2, kind)
        self.data[place + 8 : place + 12] = packed.ljust(4, b"\0")

    def remove(self, directory: str, tag: int) -> None:
        """Take `tag` out of its directory; nothing else changes its place."""
        place = self._place(directory, tag)
        if not place:
            return
        at = self.directories[directory]
        places, end, _ = entry_places(self.data, self.layout, at)
        rest = self.data[place + 12 : end + 4]
        self.data[place : end + 4] = (rest + bytes(12))[: end + 4 - place]
        struct.pack_into(f"{self.layout.order}H", self.data, at, len(places) - 1)

    def drop_thumbnail(self) -> None:
        """Remove the thumbnail's directory and its picture."""
        for start, length in self.thumbnail_parts():
            self.data[start : start + length] = bytes(length)
        at = self.directories["thumbnail"]
        _, end, _ = entry_places(self.data, self.layout, at)
        self.data[at:end] = bytes(end - at)
        _, end, _ = entry_places(self.data, self.layout, self.directories["image"])
        self.data[end : end + 4] = bytes(4)
        del self.directories["thumbnail"]

    def replace_thumbnail(self, picture: bytes) -> bool:
        """Put the JPEG file `picture` where the thumbnail lies, if it fits."""
        parts = self.thumbnail_parts()
        if len(parts) != 1 or not 0 < len(picture) <= parts[0][1]:
            return False
        ((start, length),) = parts
        self.data[start : start + length] = picture.ljust(length, b"\0")
        self.set("thumbnail", THUMBNAIL_BYTES, len(picture))
        return True

    def thumbnail(self) -> bytes:
        """The thumbnail's JPEG file; empty for one of another kind."""
        parts = self.thumbnail_parts() if self.entry("thumbnail", THUMBNAIL) else []
        return b"".join(self.data[start : start + length] for start, length in parts)

    def thumbnail_parts(self) -> list[tuple[int, int]]:
        """(start, length) of the thumbnail's bytes, each inside the block."""
        parts: list[tuple[int, int]] = []
        for at, length in ((THUMBNAIL, THUMBNAIL_BYTES), (STRIPS, STRIP_BYTES)):
            entries = self.entry("thumbnail", at), self.entry("thumbnail", length)
            if entries[0] and entries[1]:
                parts += zip(*(entry.integers() for entry in entries if entry), strict=False)
        return [(a, n) for a, n in parts if 8 <= a <= len(self.data) and n <= len(self.data) - a]

    def _add(self, name: str, at: int) -> int:
        """Note a directory; what cannot be read is left alone, unless it is the first."""
        if at in self.directories.values():
            return 0
        try:
            _, _, following = entry_places(self.data, self.layout, at)
        except Damaged:
            if name == "image":
                raise
            return 0
        self.directories[name] = at
        return following

    def _place(self, directory: str, tag: int) -> int:
        """Where the entry of `tag` lies; 0 for none."""
        if directory not in self.directories:
            return 0
        places, _, _ = entry_places(self.data, self.layout, self.directories[directory])
        sought = struct.pack(f"{self.layout.order}H", tag)
        return next((at for at in places if self.data[at : at + 2] == sought), 0)


def readable(exif: bytes) -> bool:
    """Whether `exif` has a first directory."""
    try:
        ExifBlock(exif)
    except Damaged:
        return False
    return True


def orientation(exif: bytes) -> int:
    """The orientation in `exif`, 1 where it has none that is valid."""
    try:
        value = ExifBlock(exif).value("image", ORIENTATION)
    except Damaged:
        return 1
    return value if value in range(1, 9) else 1  # type: ignore[return-value]


def upright(exif: bytes) -> bytes:
    """`exif` of a picture that its decoder has turned."""
    try:
        block = ExifBlock(exif)
    except Damaged:
        return exif
    block.set("image", ORIENTATION, 1)
    return bytes(block.data)


def revised(
    exif: bytes, size: Size, changes: Changes, thumbnail: Callable[[Size, int], bytes]
) -> tuple[bytes, list[str]]:
    """(`exif` as it is true for the changed picture, what is lost).

    size: the picture's. thumbnail: makes a JPEG file of at most a size and a number
    of bytes from the picture.
    """
    if not exif:
        return b"", []
    try:
        block = ExifBlock(exif)
    except Damaged:
        return (b"", ["EXIF"]) if changes else (exif, [])
    stored = block.value("photo", 40962), block.value("photo", 40963)
    for places, side in ((WIDTHS, size.width), (HEIGHTS, size.height)):
        for directory, tag in places:
            block.set(directory, tag, side)
    if changes.turned:
        block.set("image", ORIENTATION, 1)
        block.set("thumbnail", ORIENTATION, 1)
    if changes or stored != (size.width, size.height):
        for tag in SPOTS:
            block.remove("photo", tag)
    block.remove("photo", COMPRESSED_BITS)
    lost = _renew_thumbnail(block, thumbnail)
    if changes.cropped:
        lost += _blank_previews(block)
    return bytes(block.data), lost


def _renew_thumbnail(block: ExifBlock, thumbnail: Callable[[Size, int], bytes]) -> list[str]:
    if "thumbnail" not in block.directories:
        return []
    old = block.thumbnail()
    size = jpeg_size(old) or Size(160, 160)
    picture = thumbnail(size, len(old)) if old else b""
    new = jpeg_size(picture)
    if new and block.replace_thumbnail(picture):
        block.set("thumbnail", 256, new.width)
        block.set("thumbnail", 257, new.height)
        return []
    block.drop_thumbnail()
    return ["thumbnail"]


def _blank_previews(block: ExifBlock) -> list[str]:
    """Overwrite pictures in maker notes, which show what was cropped away."""
    kept = (block.thumbnail_parts() or [(0, 0)])[0]
    at, lost = 0, list[str]()
    while (at := block.data.find(b"\xff\xd8\xff", at)) >= 0:
        if at == kept[0]:
            at += kept[1]
            continue
        end = block.data.find(b"\xff\xd9", at)
        end = len(block.data) if end < 0 else end + 2
        block.data[at:end] = bytes(end - at)
        lost = ["preview"]
    return lost


def jpeg_size(data: bytes) -> Size | None:
    """The size of a small JPEG file by its header, or None."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):
            size = Size(*struct.unpack_from(">HH", data, at + 5))
            return size if all(size) else None
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def parsed(exif: bytes) -> dict[str, list[Entry]]:
    """The entries of each directory, without the pointers between them and the thumbnail."""
    block = ExifBlock(exif)
    pointers = {PHOTO, GPS, INTEROP}
    return {
        name: [e for e in read_directory(exif, block.layout, at)[0] if e.tag not in pointers]
        for name, at in block.directories.items()
        if name != "thumbnail"
    }


def maker_note(directories: dict[str, list[Entry]]) -> Entry | None:
    """The maker note, which may rely on its offset in the file; None for one inside its entry."""
    notes = (entry for entry in directories.get("photo", ()) if entry.tag == MAKER_NOTE)
    return next((note for note in notes if len(note.value) > 8), None)


def swapped_comment(entry: Entry) -> Entry:
    """A comment in the other byte order; only its Unicode has one."""
    head, letters = entry.value[:8], entry.value[8:]
    if head != b"UNICODE\0":
        return entry
    pairs = (letters[at : at + 2][::-1] for at in range(0, len(letters), 2))
    return entry._replace(value=head + b"".join(pairs))


def assembled(directories: dict[str, list[Entry]], order: str = "<") -> bytes:
    """An EXIF structure of `directories`; a maker note keeps its offset where that is near."""
    layout = Layout(order, False, 8)
    note = maker_note(directories)
    length = len(_directories_bytes(directories, layout, 8, 8))
    if note is None:
        start, at = 8, 0
    elif not 8 <= note.at <= MAX_GAP:
        start, at = 8, 8 + length
    else:
        start, at = (8, note.at) if note.at >= 8 + length else (note.at + len(note.value), note.at)
    start += start % 2
    body = _directories_bytes(directories, layout, start, at)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    data = bytearray(max(start + length, at + len(note.value) if note and at else 0))
    data[:8] = magic + struct.pack(f"{order}I", start)
    data[start : start + length] = body
    if note and at:
        data[at : at + len(note.value)] = note.value
    return bytes(data)


def _directories_bytes(
    directories: dict[str, list[Entry]], layout: Layout, at: int, note_at: int
) -> bytes:
    """The directories from `at` on, their pointers set; the maker note lies at `note_at`."""
    stored = {MAKER_NOTE: note_at} if note_at else {}
    names = [name for name in ("image", "photo", "gps", "interop") if directories.get(name)]
    places: dict[str, int] = {}

    def entries(name: str) -> list[Entry]:
        pointers = [
            integer(tag, LONG, places.get(inner, 0))
            for owner, tag, inner in POINTERS
            if owner == name and inner in names
        ]
        return [*directories.get(name, ()), *pointers]

    if "interop" in names and "photo" not in names:
        names.remove("interop")
    names = ["image", *(name for name in names if name != "image")]
    for name in names:
        places[name] = at
        at += len(directory_bytes(entries(name), layout, at, stored=stored))
    return b"".join(
        directory_bytes(entries(name), layout, places[name], stored=stored) for name in names
    )


def holds(exif: bytes, part: str) -> bool:
    """Whether `exif` has a thumbnail or a maker note."""
    try:
        block = ExifBlock(exif)
    except Damaged:
        return False
    if part == "thumbnail":
        return part in block.directories
    return block.entry("photo", MAKER_NOTE) is not None


def smaller(exif: bytes, *, note: bool) -> bytes:
    """`exif` without its thumbnail, and without its maker note unless `note`."""
    try:
        directories = parsed(exif)
    except Damaged:
        return b""
    if not note:
        photo = directories.get("photo", [])
        directories["photo"] = [entry for entry in photo if entry.tag != MAKER_NOTE]
    return assembled(directories, layout_of(exif).order)


def with_tags(exif: bytes, entries: Sequence[Entry]) -> bytes:
    """`exif` with further tags in its first directory, which moves to the end."""
    if not entries:
        return exif
    exif = exif or b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    layout = layout_of(exif)
    own, following = read_directory(exif, layout, layout.first)
    data = bytearray(exif + b"\0" * (len(exif) % 2))
    struct.pack_into(f"{layout.order}I", data, 4, len(data))
    return bytes(data + directory_bytes([*own, *entries], layout, len(data), following))


def resolution_entries(dpi: tuple[float, float]) -> list[Entry]:
    """The tags of a resolution in pixels an inch."""
    return [
        *(
            Entry(tag, RATIONAL, 1, struct.pack("<II", *_fraction(value)))
            for tag, value in zip((X_RESOLUTION, Y_RESOLUTION), dpi, strict=True)
        ),
        integer(RESOLUTION_UNIT, SHORT, 2),
    ]


def resolution_in(exif: bytes) -> tuple[float, float] | None:
    """The pixels an inch that `exif` says, or None."""
    return resolution(parsed(exif)["image"]) if readable(exif) else None


def _fraction(value: float) -> tuple[int, int]:
    whole = round(value)
    return (whole, 1) if abs(value - whole) < 0.01 else (round(value * 1000), 1000)


def resolution(entries: Sequence[Entry]) -> tuple[float, float] | None:
    """The pixels an inch that `entries` say, or None."""
    by_tag = {entry.tag: entry for entry in entries}
    unit = by_tag.get(RESOLUTION_UNIT)
    units: dict[tuple[int, ...], float] = {(2,): 1.0, (3,): 2.54}
    per_inch = units.get(unit.integers()) if unit else 1.0
    values = []
    for tag in (X_RESOLUTION, Y_RESOLUTION):
        entry = by_tag.get(tag)
        if entry is None or entry.type != RATIONAL or entry.length != 1:
            return None
        above, below = struct.unpack(f"{entry.order}II", entry.value)
        values.append(above / below if below else 0.0)
    if per_inch is None or not all(0 < value < 1e6 for value in values):
        return None
    return values[0] * per_inch, values[1] * per_inch
