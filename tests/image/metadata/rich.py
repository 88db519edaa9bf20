"""A photo that holds everything, and what is put together for tests byte by byte."""

import contextlib
import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image, ImageCms

from lpie.image.metadata import Changes, embed, read_metadata
from lpie.size import Size

SIZE = Size(24, 40)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SUFFIXES = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "TIFF": "tif",
    "GIF": "gif",
    "AVIF": "avif",
    "BMP": "bmp",
}
with contextlib.suppress(ImportError):  # of the extra `photos`
    import pillow_heif

    pillow_heif.register_heif_opener()
    SUFFIXES["HEIF"] = "heic"
XMP_IN_APP1 = b"http://ns.adobe.com/xap/1.0/\0"


def pixels(size=SIZE, seed=0):
    """[H, W, 3] uint8: soft colours, so that thumbnails and crops can be told apart."""
    small = np.random.default_rng(seed).integers(0, 255, (3, 4, 3)).astype(np.uint8)
    return cv2.resize(small, (size.width, size.height), interpolation=cv2.INTER_CUBIC)


def encoded(format, array=None, **options):
    """A picture file without metadata."""
    file = io.BytesIO()
    Image.fromarray(pixels() if array is None else array).save(file, format, **options)
    return file.getvalue()


def carried(data, source, target, size=SIZE, array=None, **changes):
    """(a file of `target` with the metadata of the file `data`, what is lost)."""
    array = pixels(size) if array is None else array
    return embed(
        encoded(target, array),
        read_metadata(data, source),
        source=source,
        target=target,
        size=size,
        changes=Changes(**changes),
    )


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def chunk(name, content):
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def jpeg(*segments, array=None):
    """A JPEG file with segments right behind its start: (marker, content)."""
    data = encoded("JPEG", array)
    return data[:2] + b"".join(segment(*one) for one in segments) + data[2:]


def png(*chunks, behind=(), array=None):
    """A PNG file with chunks before and behind the picture: (name, content)."""
    data = encoded("PNG", array)
    end = data.rindex(b"IEND") - 4
    early, late = (b"".join(chunk(*one) for one in some) for some in (chunks, behind))
    return data[:33] + early + data[33:end] + late + data[end:]


def rdf(inner, spaces=""):
    """An XMP packet with `inner` in one description."""
    return (
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        f"<rdf:Description rdf:about='' {spaces}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def canon_note(at, order):
    """A maker note as Canon writes it, whose text lies at an offset in EXIF: it begins at `at`."""
    text = b"Type of a test\0"
    head = struct.pack(f"{order}HHHII", 1, 6, 2, len(text), at + 18)
    return head + bytes(4) + text


def exif(orientation=6, order="<", size=SIZE, thumbnail=None):
    """EXIF with a place, a comment, a maker note that relies on its offset, and a thumbnail."""
    comment = "héllo 写真".encode("utf-16-le" if order == "<" else "utf-16-be")
    tags = Image.Exif()
    tags.endian = order
    tags[271], tags[272], tags[274], tags[315] = "Canon", "EOS Test", orientation, "Zoë".encode()
    tags[282] = tags[283] = 300.0
    tags[296] = 2
    inner = tags.get_ifd(0x8769)
    inner[33434], inner[36867] = 0.01, "2020:01:02 03:04:05"
    inner[40962], inner[40963], inner[37510] = size.width, size.height, b"UNICODE\0" + comment
    inner[37500] = canon_note(0, order)
    place = tags.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (1.0, 30.0, 0.0), "E", (5.0, 6.0, 7.0)
    data = tags.tobytes()[6:]
    at = data.index(canon_note(0, order))
    data = data.replace(canon_note(0, order), canon_note(at, order))
    return data if thumbnail is None else with_thumbnail(data, thumbnail, order)


def with_thumbnail(data, picture, order):
    """EXIF with a second directory, which holds a JPEG picture."""
    data = bytearray(data + bytes(len(data) % 2))
    (first,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, first)
    struct.pack_into(f"{order}I", data, first + 2 + 12 * count, len(data))
    at = len(data) + 2 + 3 * 12 + 4
    rows = [(259, 3, 1, 6), (513, 4, 1, at), (514, 4, 1, len(picture))]
    data += struct.pack(f"{order}H", len(rows))
    for tag, kind, number, value in rows:
        packed = struct.pack(f"{order}{'HH' if kind == 3 else 'I'}", *([value, 0][: 5 - kind]))
        data += struct.pack(f"{order}HHI", tag, kind, number) + packed
    return bytes(data) + bytes(4) + picture


def thumbnail_of(data):
    """The thumbnail in a file with EXIF, as an array, or None; independent of what is tested."""
    at = data.find(b"\xff\xd8\xff", 4)
    end = data.find(b"\xff\xd9", at)
    return cv2.imdecode(np.frombuffer(data[at : end + 2], np.uint8), cv2.IMREAD_COLOR_RGB)
