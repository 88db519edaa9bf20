"""The items of HEIC and AVIF files (ISO/IEC 23008-12): EXIF, XMP and the colour profile."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from lpie.image.metadata import exif, rdf, texts, xmp
from lpie.image.metadata.containers.jxl import boxes
from lpie.image.metadata.directories import Damaged
from lpie.image.metadata.metadata import Metadata
from lpie.size import Size

XMP_TYPE = b"application/rdf+xml"
FILE, INSIDE = 0, 1  # where an item's bytes are counted from: the file, the box `idat`
MAX_ITEMS = 65_536
GAIN_MAPS = (b"tmap", b"urn:com:apple:photo:2020:aux:hdrgainmap")
DEPTHS = (
    b"urn:mpeg:hevc:2015:auxid:2",
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth",
    b"aux:depth",
)


class Item(NamedTuple):
    """An item, its type and the parts of its bytes: (offset, length)."""

    number: int
    type: bytes
    construction: int
    parts: tuple[tuple[int, int], ...]


class Reader:
    """Takes numbers from the start of a box on; `Damaged` where it ends before."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, width: int) -> int:
        """The next `width` bytes as a number; 0 for none."""
        return int.from_bytes(self.take(width))

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        part = self.data[self.at : self.at + length]
        if len(part) < length:
            raise Damaged("a box that ends too early")
        self.at += length
        return part

    def text(self) -> bytes:
        """The bytes until the next 0."""
        end = self.data.find(b"\0", self.at)
        part = self.data[self.at : end if end >= 0 else len(self.data)]
        self.at += len(part) + 1
        return part


def read(data: bytes) -> Metadata:
    """The metadata of a HEIC or AVIF file, whose picture is turned by other means than EXIF."""
    meta = _meta(data)
    lost = ["gain map"] if any(mark in meta for mark in GAIN_MAPS) else []
    lost += ["depth map"] if any(mark in meta for mark in DEPTHS) else []
    inner = dict(reversed(list(boxes(meta, 4))))
    first: dict[bytes, bytes] = {}
    for item in _items(inner):
        if item.type in (b"Exif", XMP_TYPE) and item.type not in first:
            first[item.type] = _content(data, inner, item)
    block = first.get(b"Exif", b"")
    start = int.from_bytes(block[:4])  # where the TIFF structure begins
    properties = list(boxes(dict(boxes(inner.get(b"iprp", b""))).get(b"ipco", b"")))
    colours = [content for name, content in properties if name == b"colr"]
    profiles = [content[4:] for content in colours if content[:4] in (b"prof", b"rICC")]
    sizes = [content for name, content in properties if name == b"ispe" and len(content) == 12]
    if {b"moov", b"mpvd"} & {name for name, _ in boxes(data)}:
        lost.append("motion video")
    return Metadata(
        exif=exif.upright(block[4 + start :].removeprefix(b"Exif\0\0")),
        xmp=xmp.upright(rdf.plain(first.get(XMP_TYPE, b""))),
        icc=profiles[0] if profiles else b"",
        code_points=_code_points(colours) if not profiles else None,
        lost=tuple(lost),
        size=max((Size(*struct.unpack(">II", c[4:])[::-1]) for c in sizes), default=None),
    )


def write(encoded: bytes, metadata: Metadata, *, same: bool) -> tuple[bytes, list[str]]:
    """(the HEIC or AVIF file `encoded` with `metadata`, what is lost).

    same: whether `metadata` was read from a file of the same format.
    """
    lost: list[str] = []
    if not same:
        metadata, lost = texts.all_in_xmp(metadata)
    icc, names = metadata.profile_for("RGB")
    lost += names
    block = metadata.exif
    if block and not exif.readable(block):  # for which decoders would refuse the picture
        block = b""
        lost.append("EXIF")
    items = [(b"Exif", bytes(4) + block)] if block else []
    items += [(XMP_TYPE, metadata.xmp)] if metadata.xmp else []
    if metadata.code_points and not icc:
        encoded, names = _with_code_points(encoded, metadata.code_points)
        lost += names
    if items or icc:
        encoded = _with(encoded, items, icc)
    return encoded, lost


def _meta(data: bytes) -> bytes:
    """The box that describes the items."""
    return next((content for name, content in boxes(data) if name == b"meta"), b"")


def _code_points(colours: list[bytes]) -> tuple[int, int] | None:
    """The primaries and the transfer function that a file says, if they are not sRGB's."""
    stated = next((box for box in colours if box[:4] == b"nclx" and len(box) >= 8), None)
    if stated is None:
        return None
    primaries, transfer = struct.unpack_from(">HH", stated, 4)
    usual = primaries in (1, 2) and transfer in (1, 2, 6, 13)
    return None if usual else (primaries, transfer)


def _with_code_points(encoded: bytes, points: tuple[int, int]) -> tuple[bytes, list[str]]:
    """(a file that says other primaries and another transfer function, what is lost)."""
    at = encoded.find(b"colrnclx")
    if at < 0:
        return encoded, ["colour space (cICP)"]
    return encoded[: at + 8] + struct.pack(">HH", *points) + encoded[at + 12 :], []


def _items(inner: dict[bytes, bytes]) -> list[Item]:
    """The items of the file."""
    types: dict[int, bytes] = {}
    listed = Reader(inner.get(b"iinf", b""))
    listed.at = 6 if listed.data[:1] == b"\0" else 8
    for name, content in boxes(listed.data, listed.at):
        if name == b"infe" and content[:1] in (b"\2", b"\3"):
            entry = Reader(content)
            entry.at = 4
            number = entry.number(2 if content[0] == 2 else 4)
            entry.at += 2
            kind = entry.take(4)
            entry.text()
            types[number] = entry.text() if kind == b"mime" else kind
    return [item._replace(type=types.get(item.number, b"")) for item in _places(inner)]


def _places(inner: dict[bytes, bytes]) -> list[Item]:
    """The items without their types, from the box `iloc`."""
    reader = Reader(inner.get(b"iloc", b""))
    version = reader.number(4) >> 24
    widths = reader.number(2)
    offset, length, base, index = (widths >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    items: list[Item] = []
    for _ in range(min(reader.number(wide), MAX_ITEMS)):
        number = reader.number(wide)
        construction = reader.number(2) & 15 if version else FILE
        reader.at += 2
        start = reader.number(base)
        parts = []
        for _ in range(reader.number(2)):
            reader.at += index if version else 0
            parts.append((start + reader.number(offset), reader.number(length)))
            if offset + length == 0:
                raise Damaged("parts without a place")
        items.append(Item(number, b"", construction, tuple(parts)))
    return items


def _content(data: bytes, inner: dict[bytes, bytes], item: Item) -> bytes:
    """The bytes of an item, at most as many as the file has."""
    source = data if item.construction == FILE else inner.get(b"idat", b"")
    extents, left = [], len(source)
    for offset, length in item.parts:
        extent = source[offset : offset + min(length or left, left)]
        left -= len(extent)
        extents.append(extent)
    return b"".join(extents)


def _with(encoded: bytes, items: list[tuple[bytes, bytes]], icc: bytes) -> bytes:
    """A file with further items, whose bytes come to its end, and a profile."""
    meta = _meta(encoded)
    inner = list(boxes(meta, 4))
    named = dict(reversed(inner))
    places = _places(named)
    number = max((item.number for item in places), default=0) + 1
    primary = int.from_bytes(named[b"pitm"][4:])
    replaced = {
        b"iinf": _item_names(named[b"iinf"], items, number),
        b"iref": _references(
            named.get(b"iref", bytes(4)), range(number, number + len(items)), primary
        ),
        b"iprp": _properties(named[b"iprp"], icc, primary),
    }
    order = [name for name, _ in inner] + [b"iref"] * (b"iref" not in named and bool(items))

    def described(moved: int, end: int) -> bytes:
        """The box `meta`: what lay in the file has moved, the new items begin at `end`."""
        shifted = [
            item._replace(parts=tuple((at + moved, n) for at, n in item.parts))
            if item.construction == FILE
            else item
            for item in places
        ]
        for n, (_, content) in enumerate(items):
            shifted.append(Item(number + n, b"", FILE, ((end, len(content)),)))
            end += len(content)
        contents = {**named, **replaced, b"iloc": _locations(shifted)}
        return meta[:4] + b"".join(_box(name, contents[name]) for name in order)

    moved = len(described(0, 0)) - len(meta)
    new = described(moved, len(encoded) + moved + 8)
    parts = [_box(name, new if name == b"meta" else content) for name, content in boxes(encoded)]
    return b"".join([*parts, _box(b"mdat", b"".join(content for _, content in items))])


def _item_names(box: bytes, items: list[tuple[bytes, bytes]], number: int) -> bytes:
    wide = 2 if box[0] == 0 else 4
    count = int.from_bytes(box[4 : 4 + wide]) + len(items)
    rows = []
    for n, (kind, _) in enumerate(items, number):
        name = b"Exif\0" if kind == b"Exif" else b"mime\0" + kind + b"\0"
        rows.append(_box(b"infe", b"\2\0\0\1" + struct.pack(">HH", n, 0) + name))
    return box[:4] + count.to_bytes(wide) + box[4 + wide :] + b"".join(rows)


def _references(box: bytes, numbers: Iterable[int], primary: int) -> bytes:
    """The box `iref` with items that describe the primary picture."""
    wide = "I" if box[0] else "H"
    rows = (_box(b"cdsc", struct.pack(f">{wide}H{wide}", n, 1, primary)) for n in numbers)
    return box + b"".join(rows)


def _properties(box: bytes, icc: bytes, primary: int) -> bytes:
    """The box `iprp` with a profile for the primary picture."""
    inner = list(boxes(box))
    held = [content for name, content in boxes(dict(inner)[b"ipco"]) if name == b"colr"]
    if not icc or any(content[:4] in (b"prof", b"rICC") for content in held):
        return box
    count = sum(1 for _ in boxes(dict(inner)[b"ipco"]))
    replaced = {
        b"ipco": dict(inner)[b"ipco"] + _box(b"colr", b"prof" + icc),
        b"ipma": _associated(dict(inner)[b"ipma"], primary, count + 1),
    }
    return b"".join(_box(name, replaced.get(name, content)) for name, content in inner)


def _associated(box: bytes, primary: int, index: int) -> bytes:
    """The box `ipma`, in which the primary picture has one more property."""
    reader = Reader(box)
    head = reader.take(4)
    wide, narrow = (2 if head[0] == 0 else 4), (2 if head[3] & 1 else 1)
    parts = [head, reader.take(4)]
    for _ in range(int.from_bytes(parts[1])):
        number, count = reader.take(wide), reader.number(1)
        own = reader.take(count * narrow)
        if int.from_bytes(number) == primary:
            count, own = count + 1, own + index.to_bytes(narrow)
        parts += [number, bytes([count]), own]
    return b"".join(parts)


def _locations(items: list[Item]) -> bytes:
    """The box `iloc`, with offsets and lengths of 32 or 64 bits."""
    wide = 8 if any(at + n >= 1 << 32 for item in items for at, n in item.parts) else 4
    rows = [struct.pack(">IBBH", 1 << 24, wide << 4 | wide, 0, len(items))]
    for item in items:
        rows.append(struct.pack(">HHHH", item.number, item.construction, 0, len(item.parts)))
        rows += [number.to_bytes(wide) for part in item.parts for number in part]
    return b"".join(rows)


def _box(name: bytes, content: bytes) -> bytes:
    if len(content) + 8 >= 1 << 32:
        return struct.pack(">I4sQ", 1, name, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, name) + content
