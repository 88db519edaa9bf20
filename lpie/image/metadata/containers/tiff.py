"""The tags of TIFF and BigTIFF files, of all their pages."""

import struct
from collections.abc import Iterable, Iterator

from lpie.image.metadata import exif, iptc, rdf
from lpie.image.metadata.directories import (
    ASCII,
    BYTE,
    LONG,
    LONG8,
    UNDEFINED,
    Damaged,
    Entry,
    Layout,
    directory_bytes,
    entry_places,
    integer,
    layout_of,
    read_directory,
)
from lpie.image.metadata.metadata import Metadata, Native
from lpie.image.metadata.texts import as_comment, in_xmp
from lpie.size import Size

SUBFILE, WIDTH, HEIGHT, PHOTOMETRIC, DESCRIPTION, SUBIFDS = 254, 256, 257, 262, 270, 330
XMP, IPTC, PHOTOSHOP, ICC, LAYERS = 700, 33723, 34377, 34675, 37724
STRIPS, TILES = 273, 324
# How the pixels are stored, which the encoder says.
STRUCTURE = {
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288,
    289, 290, 291, 292, 293, 317, 320, 321, 322, 323, 324, 325, 326, 327, 328, 330, 332, 333, 334,
    336, 338, 339, 340, 341, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532,
    400, 34016, 34017, 34018, 34019, 34020, 34021, 34022, 34023, 34024, 34025, 34026, 34027, 34028,
    34029, 34030, 34031, 50674, 50838, 50839,
}  # fmt: skip
POINTERS = {exif.PHOTO, exif.GPS, exif.INTEROP}
# GeoTIFF: where the pixels lie on a map, the keys that say which map, and GDAL's notes.
MAP_PLACES = {33550, 33920, 33922, 34264}
GEOTIFF = MAP_PLACES | {34735, 34736, 34737, 42112, 42113}
# Copyright and Windows' texts, beyond which tags are private.
COMMON_PRIVATE = {33432, 40091, 40092, 40093, 40094, 40095}
# Maker notes whose offsets count from their own start; those of others count from the file's.
OWN_OFFSETS = (b"Nikon\0\2", b"Apple iOS", b"OLYMPUS\0", b"OM SYSTEM", b"FUJIFILM", b"PENTAX \0")
MAX_PAGES = 10_000
COLOURS = {0: "GRAY", 1: "GRAY", 5: "CMYK", 8: "Lab"}
# Descriptions by which scientific software knows the shape of its pixels.
SHAPED = (b'{"shape"', b"ImageJ=", b"<?xml")


def read(data: bytes) -> Metadata:
    """The metadata of a TIFF file."""
    layout = layout_of(data)
    pages: list[tuple[Entry, ...]] = []
    lost: list[str] = []
    first: list[Entry] = []
    for entries in _directories(data, layout):
        tags = {entry.tag: entry for entry in entries}
        if pages and SUBFILE in tags and tags[SUBFILE].integers()[0] & 1:
            lost.append("preview")
            continue
        first = first or entries
        lost += ["preview"] * (SUBIFDS in tags) + ["Photoshop layers"] * (LAYERS in tags)
        special = STRUCTURE | POINTERS | {XMP, IPTC, PHOTOSHOP, ICC, LAYERS}
        pages.append(tuple(entry for entry in entries if entry.tag not in special))
    values = {entry.tag: entry for entry in first}
    datasets, kept, names = iptc.parted(_value(values, PHOTOSHOP))
    kept_tags = pages[0] if pages else ()
    block, names_of_exif = _exif(data, layout, first, kept_tags)
    private = {entry.tag for page in pages for entry in page if not _is_common(entry.tag)}
    return Metadata(
        exif=block,
        xmp=rdf.plain(_value(values, XMP)),
        icc=_value(values, ICC),
        photoshop=kept,
        iptc=_value(values, IPTC) or datasets,
        dpi=exif.resolution(first),
        pages=tuple(pages),
        native=tuple(
            Native("tags", b"", loss)
            for loss, tags in (("GeoTIFF", GEOTIFF), ("private TIFF tags", private - GEOTIFF))
            if private & tags
        )
        + (Native("tags", b"", "image description"),) * any(map(_is_worded, kept_tags)),
        lost=(*lost, *names, *names_of_exif),
        size=_size(values),
    )


def write(encoded: bytes, metadata: Metadata, *, same: bool) -> tuple[bytes, list[str]]:
    """(the TIFF file `encoded` with `metadata`, what is lost).

    same: whether `metadata` was read from a TIFF file.
    """
    layout = layout_of(encoded)
    written = [list(entries) for entries in _directories(encoded, layout)]
    directories = exif.parsed(metadata.exif) if metadata.exif else {}
    lost: list[str] = []
    if not same:
        metadata, lost = _texts(metadata, directories.get("image", []))
    pages = [list(page) for page in metadata.pages] if same else []
    pages = pages if len(pages) == len(written) else pages[:1]
    pages += [[] for _ in range(len(written) - len(pages))]
    tags, names = _first_page(metadata, directories, written[0], same=same)
    pages[0] += tags
    start, gap = _gap(layout, directories)
    file = _File(layout, [_header(layout), gap, memoryview(encoded)[start:]])
    pages[0] += file.add_exif(directories, note_in_gap=bool(gap))
    file.add_pages([_moved(own, len(gap)) + tags for own, tags in zip(written, pages, strict=True)])
    return file.joined(), [*lost, *names]


def true_tags(
    pages: Iterable[Iterable[Entry]], *, changed: bool, turned: bool
) -> tuple[tuple[tuple[Entry, ...], ...], list[str]]:
    """(the tags that are true for the changed picture, what is lost).

    changed: whether its pixels lie elsewhere than the photo's. turned: the orientation was applied.
    """
    result, lost = [], []
    for page in pages:
        kept = []
        for entry in page:
            if changed and entry.tag in MAP_PLACES:
                lost.append("map position")
            elif changed and _is_shaped(entry):
                lost += ["image description"] * _is_worded(entry)
            elif turned and entry.tag == exif.ORIENTATION:
                kept.append(integer(exif.ORIENTATION, 3, 1))
            else:
                kept.append(entry)
        result.append(tuple(kept))
    return tuple(result), lost


class _File:
    """A TIFF file that grows at its end."""

    def __init__(self, layout: Layout, parts: list[bytes | memoryview]) -> None:
        self.layout = layout
        self._parts = parts
        self._length = sum(map(len, parts))
        self._first = 0

    def add(
        self, entries: list[Entry], stored: dict[int, int] | None = None, after: int = 0
    ) -> int:
        """Add a directory; returns where it begins."""
        self._align()
        at = self._length
        self._append(directory_bytes(entries, self.layout, at, after, stored or {}))
        return at

    def add_exif(self, directories: dict[str, list[Entry]], *, note_in_gap: bool) -> list[Entry]:
        """Add EXIF's directories; returns the tags of the first page that point at them."""
        kind = LONG8 if self.layout.big else LONG
        entries = {
            name: [_reordered(e, self.layout) for e in es] for name, es in directories.items()
        }
        stored: dict[int, int] = {}
        note = exif.maker_note(directories)
        if note_in_gap and note:
            stored[exif.MAKER_NOTE] = note.at
        elif note and 0 < note.at - self._length <= exif.MAX_GAP:
            self._append(bytes(note.at - self._length) + note.value)
            stored[exif.MAKER_NOTE] = note.at
        pointers = []
        if entries.get("interop") and "photo" in entries:
            entries["photo"].append(integer(exif.INTEROP, kind, self.add(entries["interop"])))
        for name, tag in (("photo", exif.PHOTO), ("gps", exif.GPS)):
            if entries.get(name):
                at = self.add(entries[name], stored if name == "photo" else None)
                pointers.append(integer(tag, kind, at))
        return pointers

    def add_pages(self, pages: list[list[Entry]]) -> None:
        """Add the pages' directories, each of which names the next."""
        for n, entries in enumerate(pages):
            self._align()
            length = len(directory_bytes(entries, self.layout, 0))  # which is even
            at = self.add(entries, after=self._length + length if n + 1 < len(pages) else 0)
            self._first = self._first or at

    def joined(self) -> bytes:
        """The whole file."""
        order, big, _ = self.layout
        head = self._parts[0]
        first = struct.pack(f"{order}{'Q' if big else 'I'}", self._first)
        return b"".join([head[: -len(first)], first, *self._parts[1:]])

    def _append(self, data: bytes) -> None:
        self._parts.append(data)
        self._length += len(data)

    def _align(self) -> None:
        self._append(b"\0" * (self._length % 2))


def _directories(data: bytes, layout: Layout) -> Iterator[list[Entry]]:
    """The directories of the pages; a chain that is damaged or goes in circles ends there.

    All together are at most as large as the file: they may not share their entries.
    """
    at, visited = layout.first, set[int]()
    left = len(data)
    while at and at not in visited and len(visited) < MAX_PAGES and left > 0:
        visited.add(at)
        try:
            left -= 12 * len(entry_places(data, layout, at)[0])
            entries, at = read_directory(data, layout, at)
        except Damaged:
            if len(visited) == 1:
                raise
            return
        left -= sum(len(entry.value) for entry in entries)
        yield entries


def _value(tags: dict[int, Entry], tag: int) -> bytes:
    return tags[tag].value if tag in tags else b""


def _size(tags: dict[int, Entry]) -> Size | None:
    sides = [tags[tag].integers() for tag in (HEIGHT, WIDTH) if tag in tags]
    return Size(sides[0][0], sides[1][0]) if len(sides) == 2 and all(sides) else None


def _is_common(tag: int) -> bool:
    """Whether other formats hold the tag in EXIF's first directory."""
    return (tag < 32768 or tag in COMMON_PRIVATE) and tag not in GEOTIFF


def _is_shaped(entry: Entry) -> bool:
    """Whether a tag is a description of the shape, which holds in TIFF files only."""
    return entry.tag == DESCRIPTION and entry.value.startswith(SHAPED)


def _is_worded(entry: Entry) -> bool:
    """Whether such a description says more than the shape: OME-XML."""
    return _is_shaped(entry) and entry.value.startswith(b"<")


def _exif(
    data: bytes, layout: Layout, first: list[Entry], kept: Iterable[Entry]
) -> tuple[bytes, list[str]]:
    """(EXIF as other formats carry it, with the texts of the first page; what is lost)."""
    directories = {
        "image": [entry for entry in kept if _is_common(entry.tag) and not _is_shaped(entry)]
    }
    places = {entry.tag: entry.integers() for entry in first if entry.tag in POINTERS}
    for tag, name in ((exif.PHOTO, "photo"), (exif.GPS, "gps"), (exif.INTEROP, "interop")):
        try:
            entries, _ = read_directory(data, layout, places[tag][0])
        except (Damaged, KeyError, IndexError):
            continue
        places.update({e.tag: e.integers() for e in entries if e.tag == exif.INTEROP})
        directories[name] = [entry for entry in entries if entry.tag not in POINTERS]
    directories = {name: _classic(entries) for name, entries in directories.items()}
    if not any(directories.values()):
        return b"", []
    note = exif.maker_note(directories)
    moved = note and note.at > exif.MAX_GAP and not note.value.startswith(OWN_OFFSETS)
    lost = ["offsets in the maker note"] * bool(moved)
    return exif.assembled(directories, layout.order), lost


def _classic(entries: Iterable[Entry]) -> list[Entry]:
    """`entries` without those of BigTIFF's types, which EXIF does not know."""
    return [entry for entry in entries if entry.type not in (16, 17, 18)]


def _texts(metadata: Metadata, image: list[Entry]) -> tuple[Metadata, list[str]]:
    """(`metadata` with its texts in XMP or the description, what is lost)."""
    free = all(entry.tag != DESCRIPTION for entry in image)
    metadata, lost = in_xmp(metadata, comments=not free)
    if not metadata.texts or not free:
        return metadata, lost
    text = "\n".join(map(as_comment, metadata.texts)).replace("\0", "").encode() + b"\0"
    description = Entry(DESCRIPTION, ASCII, len(text), text)
    return metadata.with_(pages=((description,),), texts=()), lost


def _first_page(
    metadata: Metadata, directories: dict[str, list[Entry]], own: list[Entry], *, same: bool
) -> tuple[list[Entry], list[str]]:
    """(what the first page says beside its pixels, what is lost)."""
    entries = [*(metadata.pages[0] if metadata.pages and not same else ())]
    entries += [e for e in directories.get("image", ()) if e.tag not in STRUCTURE]
    if metadata.dpi and not same and exif.resolution(entries) is None:
        entries += exif.resolution_entries(metadata.dpi)
    photometric = next((e.integers()[0] for e in own if e.tag == PHOTOMETRIC), 2)
    blocks = {XMP: (BYTE, metadata.xmp), IPTC: (UNDEFINED, metadata.iptc)}
    blocks[PHOTOSHOP] = (BYTE, iptc.joined(metadata.iptc, metadata.photoshop))
    if not metadata.photoshop:
        del blocks[PHOTOSHOP]
    profile, lost = metadata.profile_for(COLOURS.get(photometric, "RGB"))
    blocks[ICC] = (UNDEFINED, profile)
    entries += [Entry(tag, kind, len(v), v) for tag, (kind, v) in blocks.items() if v]
    return entries, lost


def _gap(layout: Layout, directories: dict[str, list[Entry]]) -> tuple[int, bytes]:
    """(the length of the header, the bytes behind it so that a maker note keeps its offset)."""
    start = 16 if layout.big else 8
    note = exif.maker_note(directories)
    if note is None or not start <= note.at <= exif.MAX_GAP:
        return start, b""
    gap = bytes(note.at - start) + note.value
    return start, gap + bytes(-len(gap) % 16)


def _header(layout: Layout) -> bytes:
    order, big, _ = layout
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(
        f"{order}HHHQ" if big else f"{order}HI", *((43, 8, 0, 0) if big else (42, 0))
    )


def _moved(entries: list[Entry], distance: int) -> list[Entry]:
    """A page's tags after its pixels moved."""
    return [
        integer(entry.tag, max(entry.type, LONG), *(at + distance for at in entry.integers()))
        if entry.tag in (STRIPS, TILES)
        else entry
        for entry in entries
    ]


def _reordered(entry: Entry, layout: Layout) -> Entry:
    """An entry for another byte order, in which EXIF writes the letters of a comment too."""
    if entry.tag == exif.USER_COMMENT and entry.order != layout.order:
        return exif.swapped_comment(entry)
    return entry
