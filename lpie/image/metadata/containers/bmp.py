"""BMP files, which hold a resolution and nothing else that is kept."""

import struct

from lpie.image.metadata.metadata import Metadata
from lpie.size import Size

METRE = 0.0254
# Where the file says the picture's size, its resolution and the profile of a fifth header.
SIDES, RESOLUTION, V5_BYTES, PROFILE_AT = 18, 38, 124, 14 + 112


def read(data: bytes) -> Metadata:
    """The resolution and the profile of a BMP file."""
    (header,) = struct.unpack_from("<I", data, 14)
    if data[:2] != b"BM" or header < 40:
        return Metadata()
    width, height = struct.unpack_from("<ii", data, SIDES)
    x, y = struct.unpack_from("<ii", data, RESOLUTION)
    profile = b""
    if header >= V5_BYTES and data[70:74] == b"DEBM":  # an embedded profile
        at, length = struct.unpack_from("<II", data, PROFILE_AT)
        profile = data[14 + at : 14 + at + length]
    return Metadata(
        icc=profile if profile[36:40] == b"acsp" else b"",
        dpi=(x * METRE, y * METRE) if x > 0 and y > 0 else None,
        size=Size(abs(height), abs(width)),
    )


def write(encoded: bytes, metadata: Metadata, *, same: bool) -> tuple[bytes, list[str]]:
    """(the BMP file `encoded` with the resolution of `metadata`, what is lost)."""
    data = bytearray(encoded)
    if metadata.dpi and len(data) >= RESOLUTION + 8:
        per_metre = (min(round(value / METRE), 2**31 - 1) for value in metadata.dpi)
        struct.pack_into("<ii", data, RESOLUTION, *per_metre)
    names = {
        "EXIF": metadata.exif,
        "XMP": metadata.xmp,
        "IPTC": metadata.iptc,
        "Photoshop data": metadata.photoshop,
        "colour profile": metadata.icc,
    }
    texts = ["comment" if text.keyword == "Comment" else "text" for text in metadata.texts]
    return bytes(data), [*(name for name, held in names.items() if held), *texts]
