"""XMP packets, which are RDF: properties change in place, all other bytes stay."""

import hashlib
import re
import xml.parsers.expat
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from xml.sax.saxutils import escape

from lpie.image.metadata.directories import Damaged
from lpie.image.metadata.metadata import MAX_INFLATED

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
}
CONTAINER = "http://ns.google.com/photos/1.0/container/"
# Real packets have ten of each; hostile ones a million.
MAX_DEPTH, MAX_NAMES = 200, 5000
_TAG = re.compile(rb"""<[^\s/>"'=]+(?:\s+[^\s/>"'=]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")
_ATTRIBUTE = re.compile(rb"""\s+([^\s/>"'=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


class Property(NamedTuple):
    """A property of an `rdf:Description`: what `start` to `end` of the packet say.

    value: where its value lies; (0, 0) when it has structure.
    """

    namespace: str
    name: str
    start: int
    end: int
    value: tuple[int, int]


class Packet:
    """A packet and where its properties lie; `Damaged` when it is no RDF that can be read."""

    def __init__(self, packet: bytes) -> None:
        self.data = packet
        self.properties: list[Property] = []
        self.items: list[tuple[int, int]] = []  # of the container's directory
        self.rdf_end = 0
        self.about = ""
        self.prefixes: dict[str, str] = {}  # of all properties
        self._stack: list[tuple[str, int, int]] = []  # name, where it starts, where its tag ends
        self._scopes: list[Mapping[str, str]] = [{"xml": "xml", "": ""}]
        if len(packet) > MAX_INFLATED or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
            raise Damaged("XMP has no document type")
        parser = xml.parsers.expat.ParserCreate("UTF-8")
        parser.StartElementHandler = lambda *_: self._start(parser.CurrentByteIndex)
        parser.EndElementHandler = lambda *_: self._end(parser.CurrentByteIndex)
        try:
            parser.Parse(packet, True)
        except (xml.parsers.expat.ExpatError, ValueError):
            raise Damaged("XMP that is no XML") from None

    def value(self, prop: Property) -> str:
        """The property's value as it is written."""
        return self.data[slice(*prop.value)].decode(errors="replace")

    def without(self, unwanted: Iterable[tuple[int, int]]) -> bytes:
        """The packet without the parts from one place to another."""
        return spliced(self.data, [(start, end, b"") for start, end in unwanted])

    def with_description(self, inner: bytes) -> bytes:
        """The packet with `inner`, further `rdf:Description` elements, at its end."""
        return self.data[: self.rdf_end] + inner + self.data[self.rdf_end :]

    def _qualified(self, name: str) -> tuple[str, str]:
        prefix, _, local = name.rpartition(":")
        return self._scopes[-1].get(prefix, ""), local

    def _start(self, at: int) -> None:
        tag = _TAG.match(self.data, at)
        if tag is None:
            raise Damaged("XMP with a tag that cannot be read")
        attributes = [
            (match[1].decode(), match.span(2 if match[2] is not None else 3), match.span())
            for match in _ATTRIBUTE.finditer(self.data, at, tag.end())
        ]
        declared = {
            name.partition(":")[2]: self.data[slice(*value)].decode()
            for name, value, _ in attributes
            if name == "xmlns" or name.startswith("xmlns:")
        }
        self.prefixes.update({p: uri for p, uri in declared.items() if p and p not in ("rdf", "x")})
        if len(self._stack) > MAX_DEPTH or len(self.prefixes) + len(self.properties) > MAX_NAMES:
            raise Damaged("XMP is never so deep or long")
        self._scopes.append({**self._scopes[-1], **declared} if declared else self._scopes[-1])
        name = " ".join(self._qualified(re.split(rb"[\s/>]", tag[0][1:])[0].decode()))
        if name == f"{RDF} Description" and self._within(f"{RDF} RDF"):
            self._attributes(attributes)
        self._stack.append((name, at, tag.end()))

    def _attributes(self, attributes: list[tuple[str, tuple[int, int], tuple[int, int]]]) -> None:
        for name, value, (start, end) in attributes:
            namespace, local = self._qualified(name) if ":" in name else ("", name)
            if (namespace, local) == (RDF, "about"):
                self.about = self.data[slice(*value)].decode()
            if namespace and namespace not in (RDF, "xml") and not name.startswith("xmlns:"):
                self.properties.append(Property(namespace, local, start, end, value))

    def _within(self, name: str) -> bool:
        return bool(self._stack) and self._stack[-1][0] == name

    def _end(self, at: int) -> None:
        name, start, inside = self._stack.pop()
        closed = self.data[at : at + 2] == b"</"
        end = self.data.index(b">", at) + 1 if closed else inside
        self._scopes.pop()
        if name == f"{RDF} RDF" and closed:
            self.rdf_end = at
        if len(self._stack) >= 2 and self._within(f"{RDF} Description"):
            if self._stack[-2][0] == f"{RDF} RDF":
                simple = closed and b"<" not in self.data[inside:at]
                value = (inside, at) if simple else (0, 0)
                namespace, _, local = name.partition(" ")
                self.properties.append(Property(namespace, local, start, end, value))
        elif name == f"{RDF} li" and any(
            above[0] == f"{CONTAINER} Directory" for above in self._stack
        ):
            self.items.append((start, end))


def plain(packet: bytes) -> bytes:
    """A packet in UTF-8, without what surrounds it in some files."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if packet.startswith(mark):
            return packet.decode(encoding, errors="replace").encode()
    if b"<\0?\0x\0" in packet[:64] or b"\0<\0?\0x" in packet[:64]:
        order = "utf-16-le" if packet.find(b"<\0") % 2 == 0 else "utf-16-be"
        return packet.decode(order, errors="replace").encode()
    return packet.rstrip(b"\0")


def readable(packet: bytes) -> bool:
    """Whether the packet's properties can be read."""
    try:
        Packet(packet)
    except Damaged:
        return False
    return True


def spliced(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """`data` with other bytes from one place to another; changes inside another count once."""
    parts, at = [], 0
    for start, end, replaced in sorted(changes):
        if start >= at:
            parts += [data[at:start], replaced]
            at = end
    return b"".join([*parts, data[at:]])


def merged(packet: bytes, extension: bytes) -> bytes:
    """A packet and its extension in one; `Damaged` when one of them cannot be read."""
    if not extension:
        return packet
    main, other = Packet(packet), Packet(extension)
    note = [(prop.start, prop.end) for prop in main.properties if _is_note(prop)]
    return Packet(main.without(note)).with_description(_descriptions(other))


def extension_name(packet: bytes) -> bytes:
    """The name of the extension that a packet promises; empty for none."""
    try:
        read = Packet(packet)
    except Damaged:
        return b""
    return next((read.value(prop).encode() for prop in read.properties if _is_note(prop)), b"")


def parted(packet: bytes, extension: bytes, most: int) -> tuple[bytes, bytes]:
    """(a packet of at most `most` bytes, an extension with the properties that do not fit).

    Raises:
        Damaged: When it cannot be parted.
    """
    if len(packet) <= most:
        return packet, extension
    read = Packet(merged(packet, extension))
    size, moved = len(read.data) + 2000, list[Property]()
    for prop in sorted(read.properties, key=lambda prop: prop.start - prop.end):
        if size <= most:
            break
        if read.data[prop.start : prop.start + 1] == b"<":  # not an attribute
            moved.append(prop)
            size -= prop.end - prop.start
    kept = read.without((prop.start, prop.end) for prop in moved)
    spaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in sorted(read.prefixes.items()))
    inner = b"".join(read.data[prop.start : prop.end] for prop in moved)
    extension = b"".join(
        [
            f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'.encode(),
            f'<rdf:Description rdf:about="{read.about}"{spaces}>'.encode(),
            inner,
            b"</rdf:Description></rdf:RDF></x:xmpmeta>",
        ]
    )
    if size > most or not readable(extension):
        raise Damaged("XMP that does not fit")
    return named(kept, extension), extension


def named(packet: bytes, extension: bytes) -> bytes:
    """`packet` with the name of `extension`, which is its MD5."""
    name = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()
    read = Packet(packet)
    for prop in filter(_is_note, read.properties):
        return spliced(read.data, [(*prop.value, name.encode())])
    return with_texts(packet, {("xmpNote", "HasExtendedXMP"): [name]})


def _is_note(prop: Property) -> bool:
    return (prop.namespace, prop.name) == (NAMESPACES["xmpNote"], "HasExtendedXMP")


def _descriptions(read: Packet) -> bytes:
    """The descriptions of a packet with all namespaces that are declared around them."""
    start = read.data.index(b">", read.data.index(b"RDF")) + 1
    declared = re.findall(rb"""xmlns:\w+\s*=\s*(?:"[^"]*"|'[^']*')""", read.data[:start])
    inner = read.data[start : read.rdf_end]
    opened = re.compile(rb"<(\w+:Description)\b([^>]*)")

    def declare(match: re.Match[bytes]) -> bytes:
        missing = {d for d in declared if d.partition(b"=")[0].strip() + b"=" not in match[2]}
        return b"<" + match[1] + b"".join(b" " + d for d in sorted(missing)) + match[2]

    return opened.sub(declare, inner, count=0)


def with_texts(packet: bytes, texts: Mapping[tuple[str, str], list[str]]) -> bytes:
    """`packet` with further properties: {(prefix, name): values}; a new packet for none."""
    if not texts:
        return packet
    prefixes = sorted({prefix for prefix, _ in texts})
    spaces = "".join(f' xmlns:{p}="{NAMESPACES[p]}"' for p in prefixes)
    rows = "".join(f"<{p}:{n}>{_FORMS[p, n](values)}</{p}:{n}>" for (p, n), values in texts.items())
    packet = packet or (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
    )
    read = Packet(packet)
    about = read.about.replace('"', "&quot;")  # as it is written in the packet
    return read.with_description(
        f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="{about}"{spaces}>{rows}'
        "</rdf:Description>".encode()
    )


def held(packet: bytes) -> set[tuple[str, str]]:
    """The (prefix, name) of the properties in `packet`, as far as `with_texts` knows them."""
    try:
        read = Packet(packet) if packet else None
    except Damaged:
        return set()
    prefixes = {uri: prefix for prefix, uri in NAMESPACES.items()}
    properties = read.properties if read else []
    return {(prefixes[p.namespace], p.name) for p in properties if p.namespace in prefixes}


def contains(packet: bytes, text: str) -> bool:
    """Whether a property of a packet, or one of its values, is `text`."""
    written = _text(text).encode()
    return any(mark in packet for mark in (b">%b<" % written, b'"%b"' % written))


def _text(value: str) -> str:
    """`value` in XML, without the characters that XML has no form for."""
    return escape(re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", value))


def _languages(values: list[str]) -> str:
    rows = "".join(f'<rdf:li xml:lang="x-default">{_text(value)}</rdf:li>' for value in values[:1])
    return f"<rdf:Alt>{rows}</rdf:Alt>"


def _listed(kind: str) -> Callable[[list[str]], str]:
    def form(values: list[str]) -> str:
        rows = "".join(f"<rdf:li>{_text(value)}</rdf:li>" for value in values)
        return f"<rdf:{kind}>{rows}</rdf:{kind}>"

    return form


def _single(values: list[str]) -> str:
    return _text(values[0])


_FORMS: dict[tuple[str, str], Callable[[list[str]], str]] = {
    ("dc", "title"): _languages,
    ("dc", "description"): _languages,
    ("dc", "rights"): _languages,
    ("exif", "UserComment"): _languages,
    ("dc", "creator"): _listed("Seq"),
    ("dc", "subject"): _listed("Bag"),
    ("xmp", "CreatorTool"): _single,
    ("xmpNote", "HasExtendedXMP"): _single,
    ("photoshop", "City"): _single,
    ("photoshop", "State"): _single,
    ("photoshop", "Country"): _single,
    ("photoshop", "Headline"): _single,
    ("photoshop", "Credit"): _single,
    ("photoshop", "Source"): _single,
    ("photoshop", "Instructions"): _single,
    ("photoshop", "AuthorsPosition"): _single,
    ("photoshop", "CaptionWriter"): _single,
    ("photoshop", "TransmissionReference"): _single,
    ("photoshop", "Category"): _single,
    ("photoshop", "Urgency"): _single,
    ("photoshop", "DateCreated"): _single,
    ("photoshop", "SupplementalCategories"): _listed("Bag"),
    ("Iptc4xmpCore", "Location"): _single,
    ("Iptc4xmpCore", "CountryCode"): _single,
}
