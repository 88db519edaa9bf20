"""XMP: what stops being true for the changed picture is rewritten or dropped."""

import re

from lpie.image.metadata.directories import Damaged
from lpie.image.metadata.metadata import Changes
from lpie.image.metadata.rdf import CONTAINER, NAMESPACES, Packet, Property, spliced
from lpie.size import Size

CAMERA = "http://ns.google.com/photos/1.0/camera/"
GAIN_MAPS = ("http://ns.adobe.com/hdr-gain-map/1.0/", "http://ns.apple.com/HDRGainMap/1.0/")
DEPTHS = (
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/focus/",
)
# Promises of a video or of further pictures behind this one, by their makers.
APPENDED = (
    CAMERA,
    "http://ns.oplus.com/photos/1.0/camera/",
    "http://ns.xiaomi.com/photos/1.0/camera/",
)
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
REGIONS = (
    "http://www.metadataworkinggroup.com/schemas/regions/",
    "http://ns.microsoft.com/photo/1.2/",
)
ORIENTATION = (NAMESPACES["tiff"], "Orientation")
VIDEO = re.compile(r"Motion|MicroVideo|VideoLength|OLive", re.IGNORECASE)
_SEMANTIC = re.compile(rb"""Semantic\s*(?:=\s*["']|>)\s*(\w+)""")


def revised(
    packet: bytes, size: Size, changes: Changes, *, same: bool, resized: bool, gain_map: bool
) -> tuple[bytes, list[str]]:
    """(`packet` as it is true for the changed picture, what is lost).

    same: whether the file has the photo's format. resized: whether the picture has another size
    than the photo. gain_map: whether it stays.
    """
    if not packet:
        return b"", []
    try:
        read = Packet(packet)
    except Damaged:
        as_it_is = same and not changes and not _promises(packet)
        return (packet, []) if as_it_is else (b"", ["XMP"])
    parts: list[tuple[int, int, bytes]] = []
    lost: list[str] = []
    for prop in read.properties:
        verdict = _untrue(prop, changes, resized=resized, gain_map=gain_map)
        if verdict is not None:
            parts.append((prop.start, prop.end, b""))
            lost.append(verdict)
        elif (number := _number(prop, size, changes)) not in (None, read.value(prop)):
            parts += [(*prop.value, number.encode())] * bool(prop.value[1])
    kept = len(read.properties) - sum(not replaced for _, _, replaced in parts)
    items, names = _items(read, gain_map=gain_map)
    lost += names
    if not kept and parts:
        return b"", [name for name in lost if name]
    result = spliced(read.data, [*parts, *((s, e, b"") for s, e in items)])
    return result, [name for name in lost if name]


def upright(packet: bytes) -> bytes:
    """`packet` of a picture that its decoder has turned."""
    try:
        read = Packet(packet)
    except Damaged:
        return packet
    places = [p.value for p in read.properties if (p.namespace, p.name) == ORIENTATION]
    return spliced(read.data, [(*place, b"1") for place in places if place[1]])


def _promises(packet: bytes) -> bool:
    """Whether a packet that cannot be read may promise what is gone."""
    return re.search(rb"MotionPhoto|MicroVideo|hdrgm|photos/1.0/container", packet) is not None


def _untrue(prop: Property, changes: Changes, *, resized: bool, gain_map: bool) -> str | None:
    """What is lost with a property that is no longer true; None for one that may be true."""
    namespace, name = prop.namespace, prop.name
    changed = resized or bool(changes)
    if namespace in APPENDED and VIDEO.search(name):
        return "motion video"
    if namespace in GAIN_MAPS and not gain_map:
        return "gain map"
    if (namespace, name) == (CONTAINER, "Directory") and not gain_map:
        return ""  # its items are named by themselves
    if namespace.startswith("http://ns.google.com/photos/dd/1.0/"):
        return "depth map"
    if namespace in DEPTHS and changed:
        return "depth map"
    if namespace == PANORAMA and changed:
        return "panorama"
    if namespace.startswith(REGIONS) and (changes and "Region" in name):
        return "face regions"
    if (namespace, name) == (NAMESPACES["xmp"], "Thumbnails"):
        return "thumbnail"
    return None


def _items(read: Packet, *, gain_map: bool) -> tuple[list[tuple[int, int]], list[str]]:
    """(items of the container's directory that are gone, what is lost with them)."""
    gone, names = [], []
    for start, end in read.items:
        match = _SEMANTIC.search(read.data, start, end)
        kind = match[1].decode() if match else ""
        if kind == "Primary" or (kind == "GainMap" and gain_map):
            continue
        gone.append((start, end))
        names.append({"MotionPhoto": "motion video", "GainMap": "gain map"}.get(kind, "depth map"))
    return gone, names


def _number(prop: Property, size: Size, changes: Changes) -> str | None:
    """The number that a property about the picture's size or orientation must have."""
    numbers = {
        ("exif", "PixelXDimension"): size.width,
        ("exif", "PixelYDimension"): size.height,
        ("tiff", "ImageWidth"): size.width,
        ("tiff", "ImageLength"): size.height,
    }
    if changes.turned:
        numbers["tiff", "Orientation"] = 1
    prefix = {uri: short for short, uri in NAMESPACES.items()}.get(prop.namespace, "")
    number = numbers.get((prefix, prop.name))
    return None if number is None else str(number)
