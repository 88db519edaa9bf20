"""The chunks of PNG files."""

import binascii
import struct
import zlib
from collections.abc import Iterator

from lpie.image.metadata import iptc, rdf
from lpie.image.metadata.metadata import (
    MAX_INFLATED,
    MAX_PARTS,
    Metadata,
    Native,
    Text,
    decoded,
)
from lpie.size import Size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP = b"XML:com.adobe.xmp"
XMP_IN_APP1 = b"http://ns.adobe.com/xap/1.0/\0"
PROFILE = b"Raw profile type "
# Chunks that are the picture itself, or an animation's.
PICTURE = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT")
# Chunks that hold only as long as the pixels are stored alike.
OF_THE_DEPTH = (b"sBIT", b"bKGD", b"hIST")
# What is lost with chunks that only PNG has; sRGB is what files without a profile mean anyway.
LOSSES = {
    b"gAMA": "gamma",
    b"cHRM": "primary colours",
    b"cICP": "",  # which goes to HEIC and AVIF as well
    b"mDCV": "mastering display",
    b"cLLI": "light levels",
    b"sRGB": "",
    b"tIME": "time of the last change",
    b"pHYs": "",
    b"bKGD": "background colour",
    b"sBIT": "",
    b"hIST": "",
}
# The bytes that these chunks have; decoders refuse pictures with others.
LENGTHS = {
    b"gAMA": 4,
    b"cHRM": 32,
    b"sRGB": 1,
    b"cICP": 4,
    b"mDCV": 24,
    b"cLLI": 8,
    b"pHYs": 9,
    b"tIME": 7,
}
SIGNED = {b"caBX": "content credentials", b"dSIG": "signature"}
# sRGB's own, as PNG's specification says to write them.
SRGB_GAMMA = struct.pack(">I", 45455)
SRGB_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
SRGB_CODE_POINTS = (1, 13)
METRE = 0.0254
MAX_KEYWORD = 79


def chunks(file: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(name, content) of each chunk until the end, or until one that exceeds the file.

    A chunk of metadata whose checksum is wrong is damaged: decoders skip it.
    """
    data, at = memoryview(file), len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            return
        name, end = bytes(data[at + 4 : at + 8]), at + 8 + length
        if name in PICTURE or data[end : end + 4] == struct.pack(
            ">I", zlib.crc32(data[at + 4 : end])
        ):
            yield name, data[at + 8 : end]
        at = end + 4


def read(data: bytes) -> Metadata:
    """The metadata of a PNG file."""
    reader = _Reader()
    behind = False
    for name, content in chunks(data):
        behind = behind or name == b"IDAT"
        if name not in PICTURE:
            reader.add(name, bytes(content), behind=behind)
        elif name == b"IHDR" and len(content) == 13:
            reader.native.append(Native("IHDR", bytes(content)))
            size = Size(*struct.unpack_from(">II", content)[::-1])
            reader.metadata = reader.metadata.with_(size=size)
    return reader.metadata.with_(
        native=tuple(reader.native), texts=tuple(reader.texts), lost=tuple(reader.lost)
    )


class _Reader:
    """What the chunks have said so far."""

    def __init__(self) -> None:
        self.metadata = Metadata()
        self.native: list[Native] = []
        self.texts: list[Text] = []
        self.lost: list[str] = []
        self.left = 4 * MAX_INFLATED  # bytes that compressed chunks may still come to

    def add(self, name: bytes, content: bytes, *, behind: bool) -> None:
        """Take in a chunk; `behind` the picture."""
        if len(self.native) >= MAX_PARTS:
            self.lost = ["further chunks"]
            return
        if name in SIGNED or len(content) != LENGTHS.get(name, len(content)):
            self.lost.append(SIGNED.get(name, "damaged chunk"))
            return
        if name == b"eXIf":
            self._first(exif=content.removeprefix(b"Exif\0\0"))
            return
        if name == b"pHYs":
            x, y, unit = struct.unpack(">IIB", content)
            if unit == 1 and x and y:
                self.metadata = self.metadata.with_(dpi=(x * METRE, y * METRE))
        if name == b"cICP" and tuple(content[:2]) != SRGB_CODE_POINTS:
            self.metadata = self.metadata.with_(code_points=(content[0], content[1]))
        loss = _loss(name, content)
        if name == b"iCCP":
            keyword, _, packed = content.partition(b"\0")
            profile = self._inflated(packed[1:])
            if not profile:
                self.lost.append("colour profile")
                return
            self._first(icc=profile)
            content, loss = keyword, ""
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, text = self._text(name, content)
            if text is None:  # which decoders refuse as well
                self.lost.append("XMP" if keyword == XMP else "text")
                return
            if self._is_profile(keyword, text):
                return
            self.texts.append(Text(keyword.decode("latin-1"), _words(name, text)))
            loss = ""
        key = name.decode("latin-1") + "<" * behind
        if name[3:].islower() or name in LOSSES or name == b"iCCP":
            self.native.append(Native(key, content, loss))
        elif name != b"iDOT" and loss:  # not safe to copy, as its name says
            self.lost.append(loss)

    def _first(self, **fields: bytes) -> None:
        """Keep the fields that no earlier chunk has filled."""
        new = {name: value for name, value in fields.items() if not getattr(self.metadata, name)}
        self.metadata = self.metadata.with_(**new)

    def _text(self, name: bytes, content: bytes) -> tuple[bytes, bytes | None]:
        """(keyword, text) of a text chunk; no text where it is damaged or too large."""
        keyword, _, rest = content.partition(b"\0")
        if name == b"tEXt":
            return keyword, rest
        if name == b"zTXt":
            return keyword, self._inflated(rest[1:])
        parts = rest[2:].split(b"\0", 2)
        if len(parts) < 3:
            return keyword, None
        return keyword, self._inflated(parts[2]) if rest[:1] == b"\1" else parts[2]

    def _inflated(self, packed: bytes) -> bytes | None:
        """The bytes of a compressed chunk; None for too many or a damaged one."""
        most = min(MAX_INFLATED, self.left)
        unpacker = zlib.decompressobj()
        try:
            data = unpacker.decompress(packed, most + 1)
        except zlib.error:
            return None
        self.left -= min(len(data), most)
        return data if len(data) <= most and unpacker.eof else None

    def _is_profile(self, keyword: bytes, text: bytes) -> bool:
        """Take in a text that holds other metadata; whether it does."""
        if keyword == XMP:
            self._first(xmp=rdf.plain(text))
            return True
        kind = keyword.removeprefix(PROFILE).lower() if keyword.startswith(PROFILE) else b""
        if kind not in (b"exif", b"app1", b"iptc", b"8bim", b"xmp"):
            return False
        data = _unhexed(text)
        if kind in (b"iptc", b"8bim") and data:
            datasets, kept, lost = iptc.parted(data)
            self._first(iptc=datasets or data * (data[:1] == b"\x1c"), photoshop=kept)
            self.lost += lost
        elif data.startswith(XMP_IN_APP1) or kind == b"xmp":
            self._first(xmp=rdf.plain(data.removeprefix(XMP_IN_APP1)))
        elif data:
            self._first(exif=data.removeprefix(b"Exif\0\0"))
        return bool(data)


def write(encoded: bytes, metadata: Metadata, *, same: bool) -> tuple[bytes, list[str]]:
    """(the PNG file `encoded` with `metadata`, what is lost).

    same: whether `metadata` was read from a PNG file.
    """
    own = list(chunks(encoded))
    header = bytes(own[0][1]) if own else b""
    before, behind = _native(metadata, header) if same else (_foreign(metadata), [])
    profile, lost = metadata.profile_for("GRAY" if header[9:10] in (b"\0", b"\4") else "RGB")
    if profile:
        names = (native.data for native in metadata.native if same and native.key == "iCCP")
        name = next(names, b"ICC Profile")
        before.insert(0, (b"iCCP", name + b"\0\0" + zlib.compress(profile)))
    if metadata.exif:
        before.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        before.append((b"iTXt", XMP + b"\0\0\0\0\0" + metadata.xmp))
    if resources := iptc.joined(metadata.iptc, metadata.photoshop):
        before.append((b"zTXt", PROFILE + b"iptc\0\0" + zlib.compress(_hexed(resources))))
    replaced = {name for name, _ in before} - {b"tEXt", b"zTXt", b"iTXt"}
    rest = [chunk for chunk in own[1:] if chunk[0] not in replaced and chunk[0] != b"IEND"]
    late = [chunk for chunk in before if chunk[0] in (b"bKGD", b"hIST")]  # behind the palette
    early = [chunk for chunk in before if chunk not in late]
    picture = next((n for n, (name, _) in enumerate(rest) if name == b"IDAT"), len(rest))
    order: list[tuple[bytes, bytes | memoryview]]
    order = [*own[:1], *early, *rest[:picture], *late, *rest[picture:], *behind, (b"IEND", b"")]
    parts = [part for name, content in order for part in _packed(name, content)]
    return b"".join([SIGNATURE, *parts]), lost


def _native(metadata: Metadata, header: bytes) -> tuple[list[tuple[bytes, bytes]], ...]:
    """The photo's own chunks that hold for the picture: (before it, behind it)."""
    stored = next((native.data for native in metadata.native if native.key == "IHDR"), b"")
    alike = stored[8:10] == header[8:10]
    sides: tuple[list[tuple[bytes, bytes]], ...] = ([], [])
    for native in metadata.native:
        name = native.key[:4].encode("latin-1")
        if native.key in ("IHDR", "iCCP", "iCCP<") or (name in OF_THE_DEPTH and not alike):
            continue
        sides[native.key.endswith("<")].append((name, native.data))
    return sides


def _foreign(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Chunks with the resolution and texts of another format."""
    parts = [_text_chunk(text) for text in metadata.texts]
    if metadata.code_points and max(metadata.code_points) < 256:
        parts.insert(0, (b"cICP", bytes([*metadata.code_points, 0, 1])))
    if metadata.dpi:
        per_metre = (min(round(value / METRE), 2**31 - 1) for value in metadata.dpi)
        parts.append((b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    return parts


def _text_chunk(text: Text) -> tuple[bytes, bytes]:
    keyword = text.keyword.encode("latin-1", "replace")[:MAX_KEYWORD]
    value = text.value.replace("\0", "")
    try:
        return b"tEXt", keyword + b"\0" + value.encode("ascii")
    except UnicodeEncodeError:
        return b"iTXt", keyword + b"\0\0\0\0\0" + value.encode()


def _words(name: bytes, text: bytes) -> str:
    """A chunk's text; Latin-1 is right for two kinds, but much software writes UTF-8."""
    return text.decode(errors="replace") if name == b"iTXt" else decoded(text)


def _loss(name: bytes, content: bytes) -> str:
    """What is lost where a chunk cannot be kept."""
    if (name, content) in ((b"gAMA", SRGB_GAMMA), (b"cHRM", SRGB_PRIMARIES)):
        return ""
    if name == b"iCCP":
        return "colour profile"
    return LOSSES.get(name, f"chunk {name.decode()}" if name.isalpha() else "chunk")


def _unhexed(text: bytes) -> bytes:
    """The bytes of ImageMagick's raw profile: a name, a length and hexadecimal digits."""
    parts = text.strip().split(b"\n", 2)
    try:
        return binascii.unhexlify(parts[2].translate(None, b" \r\n\t")) if len(parts) > 2 else b""
    except binascii.Error:
        return b""


def _hexed(data: bytes) -> bytes:
    digits = binascii.hexlify(data)
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return b"\niptc\n%8d\n%b\n" % (len(data), b"\n".join(lines))


def _packed(name: bytes, content: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
    check = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name, content, struct.pack(">I", check)
