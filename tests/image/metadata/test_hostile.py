"""Damaged and hostile metadata: nothing raises, hangs, takes memory or breaks the picture."""

import io
import re
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from lpie.image.metadata import Changes, embed, read_metadata
from tests import soak
from tests.image.metadata import rich
from tests.image.metadata.rich import chunk, encoded, exif, jpeg, png, rdf, segment

ALL = tuple(rich.SUFFIXES)
BOMB = zlib.compress(bytes(100_000_000), 9)
XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
CAMERA = "xmlns:G='http://ns.google.com/photos/1.0/camera/'"
CONTAINER = "xmlns:C='http://ns.google.com/photos/1.0/container/'"
LOSSLESS = ("PNG", "BMP", "TIFF")


def ifd(*rows, following=0):
    packed = b"".join(struct.pack("<HHII", *row) for row in rows)
    return struct.pack("<H", len(rows)) + packed + struct.pack("<I", following)


def tiff(*rows, following=0, behind=b""):
    return b"II*\0\x08\0\0\0" + ifd(*rows, following=following) + behind


CIRCLE = tiff((34665, 4, 1, 8), (34853, 4, 1, 8), (40965, 4, 1, 8), following=8)
SHARED_VALUES = tiff(*((1000 + n, 7, 4_000_000, 8) for n in range(20_000)), behind=bytes(4_000_000))


def crowded(data, at, part):
    """A file with `part`, many small ones, in its place."""
    return data[:at] + part + data[at:]


def xmp(packet):
    """A PNG file with an XMP packet."""
    return png((b"iTXt", XMP + packet))


def deep():
    inner = "<rdf:li>" * 50_000 + "</rdf:li>" * 50_000
    return rdf(f"<C:Directory>{inner}</C:Directory>", CONTAINER)


LARGE = {
    "EXIF longer than the file": ("JPEG", lambda: b"\xff\xd8\xff\xe1\xff\xffExif\0\0II*\0"),
    "EXIF in a circle": ("JPEG", lambda: jpeg((0xE1, b"Exif\0\0" + CIRCLE))),
    "a TIFF in a circle": ("TIFF", lambda: CIRCLE),
    "a TIFF whose tags share a value": ("TIFF", lambda: SHARED_VALUES),
    "zTXt bombs": ("PNG", lambda: png(*[(b"zTXt", b"k\0\0" + BOMB)] * 100)),
    "an iCCP bomb": ("PNG", lambda: png((b"iCCP", b"k\0\0" + BOMB))),
    "an XMP bomb": ("PNG", lambda: png((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB))),
    "XML entities": ("PNG", lambda: xmp(b"<!DOCTYPE l [<!ENTITY a 'aaaa'>]>" + rdf("&a;"))),
    "deep XML": ("PNG", lambda: xmp(deep())),
    "100,000 properties": ("PNG", lambda: xmp(rdf("<G:Motion>1</G:Motion>" * 100_000, CAMERA))),
}
MANY = {
    "65,535 comments": ("JPEG", lambda: crowded(encoded("JPEG"), 2, segment(0xFE, b"x") * 65_535)),
    "250,000 segments": ("JPEG", lambda: crowded(encoded("JPEG"), 2, segment(0xE5, b"") * 250_000)),
    "100,001 chunks": ("PNG", lambda: crowded(encoded("PNG"), 33, chunk(b"prVt", b"v") * 100_001)),
}


def carried_everywhere(data, format, targets):
    """Read and write hostile metadata; every result is a picture."""
    metadata = read_metadata(data, format)
    for target in targets:
        result, _ = embed(encoded(target), metadata, source=format, target=target, size=rich.SIZE)
        with Image.open(io.BytesIO(result)) as image:
            assert image.size == (40, 24)


@pytest.mark.parametrize("name", LARGE)
def test_what_claims_to_be_large_takes_no_memory(name):
    format, build = LARGE[name]
    data = build()
    tracemalloc.start()
    try:
        carried_everywhere(data, format, (format, "JPEG", "PNG", "TIFF"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200e6 + 4 * len(data)


@pytest.mark.parametrize("name", MANY)
def test_many_parts_are_read(name):
    format, build = MANY[name]
    carried_everywhere(build(), format, (format, "TIFF"))


def test_a_text_that_acts_on_terminals_is_named_by_nothing_of_its_own():
    chunks = [(b"tEXt", b"\x1b[2J\0\x1b[31mred"), (b"\x1b[2J", b"")]
    _, lost = rich.carried(png(*chunks), "PNG", "BMP")
    assert sorted(lost) == ["chunk", "text"]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_a_file_that_ends_anywhere_is_read(format):
    source = jpeg((0xE1, b"Exif\0\0" + exif()), (0xE1, rich.XMP_IN_APP1 + rdf("", CAMERA)))
    data, _ = rich.carried(source, "JPEG", format)
    for end in range(0, len(data), 7):
        read_metadata(data[:end], format)


def test_a_damaged_chunk_is_named_and_breaks_no_picture():
    good = png((b"gAMA", struct.pack(">I", 100_000)))
    at = good.index(b"gAMA") + 4
    for data in (good[:at] + b"\xff" + good[at + 1 :], png((b"gAMA", b"\0")), png((b"cHRM", b"1"))):
        result, lost = rich.carried(data, "PNG", "PNG")
        assert b"gAMA" not in result
        assert b"cHRM" not in result
        assert lost in ([], ["damaged chunk"])
        Image.open(io.BytesIO(result)).load()


def mutated(data, rng):
    """`data` with bytes changed, removed or repeated near its beginning, where metadata lies."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 12))):
        at = int(rng.integers(max(min(len(data), 6000), 1)))
        kind = rng.integers(5)
        if kind == 0:
            data[at : at + 4] = b"\xff\xff\xff\xff"
        elif kind == 1:
            del data[at : at + int(rng.integers(1, 20))]
        elif kind == 2:
            from_ = int(rng.integers(max(min(len(data), 6000), 1)))
            data[at : at + 8] = data[from_ : from_ + 8]
        else:
            data[at : at + 1] = rng.bytes(1)
    return bytes(data[: int(rng.integers(len(data)))] if rng.random() < 0.1 else data)


def seeds():
    """Files that hold everything, in each format: (format, bytes)."""
    thumbnail = encoded("JPEG", rich.pixels(rich.Size(12, 20)))
    packet = rdf("<G:MotionPhoto>1</G:MotionPhoto>", f"{CAMERA} G:MicroVideo='1'")
    iptc = b"\x1c\x02Z\0\4Bonn"
    resources = b"Photoshop 3.0\x008BIM\4\4\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0"
    profile = b"ICC_PROFILE\0\1\1" + rich.PROFILE
    source = jpeg(
        (0xE1, b"Exif\0\0" + exif(thumbnail=thumbnail)),
        (0xE1, rich.XMP_IN_APP1 + packet),
        (0xE2, profile),
        (0xED, resources),
        (0xFE, "©".encode()),
    )
    files = [("JPEG", source)]
    files += [(one, rich.carried(source, "JPEG", one)[0]) for one in ALL if one != "JPEG"]
    return files


@pytest.mark.soak
def test_mutated_metadata_never_raises_and_breaks_no_picture():
    rng, files = soak.rng(23), seeds()
    pictures = {target: encoded(target) for target in ALL}
    changes = [Changes(), Changes(turned=True), Changes(cropped=True), Changes(side_by_side=True)]
    for turn in range(soak.amount(5000, 200)):
        format, data = files[turn % len(files)]
        metadata = read_metadata(mutated(data, rng), format)
        target = ALL[int(rng.integers(len(ALL)))]
        for one in (format, target):
            result, lost = embed(
                pictures[one],
                metadata,
                source=format,
                target=one,
                size=rich.SIZE,
                changes=changes[int(rng.integers(4))],
            )
            assert not re.search(r"[^\w ()\-]", " ".join(lost)), lost
            if one == "TIFF":
                shown = tifffile.imread(io.BytesIO(result))
            else:
                with Image.open(io.BytesIO(result)) as image:
                    shown = np.asarray(image.convert("RGB"))
            assert shown.shape == (24, 40, 3), (turn, one)
            if one in LOSSLESS:
                assert np.array_equal(shown, rich.pixels()), (turn, one)
