"""Metadata as it is true for the picture that is written."""

from collections.abc import Callable

import cv2
import numpy as np

from lpie.image.metadata import exif, iptc, rdf, xmp
from lpie.image.metadata.containers import tiff
from lpie.image.metadata.metadata import Changes, Metadata
from lpie.size import Size
from lpie.system.quiet import quiet

# Resolutions that any format holds, in pixels an inch.
LEAST_DPI, MOST_DPI = 0.1, 60_000
# A thumbnail's quality is lowered until it fits where the old one lay.
QUALITIES = (85, 70, 50, 30)
REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}


def revised(
    metadata: Metadata, encoded: bytes, *, source: str, target: str, size: Size, changes: Changes
) -> tuple[Metadata, list[str]]:
    """(`metadata` as it is true for the picture in the file `encoded`, what is lost).

    source: the format that `metadata` was read from. target: the file's. size: the picture's.
    """
    same = source == target
    resized = metadata.size is not None and metadata.size != size
    kept = same and not changes and _alike(metadata.size, size)
    companions = metadata.companions if kept else ()
    gone = metadata.companions[len(companions) :]
    lost = ["gain map" if other.gain_map else "second picture" for other in gone]
    gain_map = any(other.gain_map for other in companions)
    if metadata.exif and not same and not exif.readable(metadata.exif):
        metadata, lost = metadata.with_(exif=b""), [*lost, "EXIF"]
    thumbnail = _thumbnailer(encoded, size) if target != "TIFF" else _no_thumbnail
    block, names = exif.revised(metadata.exif, size, changes, thumbnail)
    lost += names
    packets = []
    for packet in (metadata.xmp, metadata.xmp_extension):
        true, names = xmp.revised(
            packet, size, changes, same=same, resized=resized, gain_map=gain_map
        )
        packets.append(true)
        lost += names
    tags, names = tiff.true_tags(
        metadata.pages if same else (), changed=resized or bool(changes), turned=changes.turned
    )
    lost += names
    if changes.cropped:
        datasets, names = iptc.without_preview(metadata.iptc)
        metadata, lost = metadata.with_(iptc=datasets), lost + names
    dpi = metadata.dpi or exif.resolution_in(block)
    if dpi and not all(LEAST_DPI < value < MOST_DPI for value in dpi):
        dpi = None
    metadata = metadata.with_(exif=block, companions=companions, pages=tags, dpi=dpi)
    return _with_packets(metadata, *packets, same=same), lost


def _no_thumbnail(most: Size, room: int) -> bytes:
    """In a TIFF file a thumbnail would be one more page."""
    return b""


def _with_packets(metadata: Metadata, packet: bytes, extension: bytes, *, same: bool) -> Metadata:
    if extension and not packet:
        packet, extension = extension, b""
    elif extension and not same:
        packet, extension = rdf.merged(packet, extension), b""
    elif extension != metadata.xmp_extension:
        packet = rdf.named(packet, extension)
    return metadata.with_(xmp=packet, xmp_extension=extension)


def _alike(stored: Size | None, size: Size) -> bool:
    """Whether both sizes have the same shape, as far as whole pixels allow."""
    if stored is None:
        return False
    return abs(stored.width * size.height - stored.height * size.width) < max(size)


def _thumbnailer(encoded: bytes, size: Size) -> Callable[[Size, int], bytes]:
    """A function that makes a small JPEG file of the picture: (most pixels, most bytes)."""

    def thumbnail(most: Size, room: int) -> bytes:
        scale = min(most.width / size.width, most.height / size.height, 1)
        reduced = max(factor for factor in REDUCED if factor <= max(1 / scale, 1))
        flags = REDUCED[reduced] | cv2.IMREAD_IGNORE_ORIENTATION
        with quiet():  # a picture that OpenCV cannot read has no thumbnail
            try:
                picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
            except cv2.error:
                picture = None
        if picture is None:
            return b""
        sides = (max(round(size.width * scale), 1), max(round(size.height * scale), 1))
        small = cv2.resize(picture, sides, interpolation=cv2.INTER_AREA)
        for quality in QUALITIES:
            _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if len(data) <= room:
                break
        return data.tobytes()

    return thumbnail
