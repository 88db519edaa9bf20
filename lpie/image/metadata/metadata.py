"""What a photo's file holds beside its pixels, in no format's own form."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lpie.image.metadata.directories import Entry
from lpie.size import Size

# No text or profile of a photo is larger; a few bytes of zlib can claim gigabytes.
MAX_INFLATED = 16 * 2**20
# No photo has more segments or chunks beside its picture; each one takes memory.
MAX_PARTS = 100_000


class Text(NamedTuple):
    """A text beside the picture. The keywords are PNG's; a comment's is `Comment`."""

    keyword: str
    value: str


class Native(NamedTuple):
    """A segment or chunk that only its own container holds, byte for byte.

    key: what the container calls it. loss: the words for it where it cannot be kept, empty where
    nobody loses anything.
    """

    key: str
    data: bytes
    loss: str = ""


class Companion(NamedTuple):
    """Another picture in the same JPEG file, as MPF lists it: `type` is MPF's."""

    type: int
    data: bytes
    gain_map: bool


@dataclass(frozen=True)
class Changes:
    """What happened to a picture between reading and writing.

    turned: the orientation was applied to the pixels. cropped: only a part of it is left.
    side_by_side: it shows the photo twice.
    """

    turned: bool = False
    cropped: bool = False
    side_by_side: bool = False

    def __bool__(self) -> bool:
        return self.turned or self.cropped or self.side_by_side


@dataclass(frozen=True)
class Metadata:
    """What a photo's file holds beside its pixels; `Metadata()` is empty.

    Attributes:
        exif: A TIFF structure, as EXIF is carried in all formats.
        xmp: An XMP packet.
        xmp_extension: The second packet of a JPEG file whose XMP exceeds a segment.
        icc: A colour profile.
        code_points: The primaries and the transfer function in numbers of ITU-T H.273, where the
            file says them in this way and they are not sRGB's.
        photoshop: Photoshop's resources without IPTC and previews.
        iptc: IPTC's IIM datasets.
        texts: Comments and other texts, for other formats than the one they come from.
        dpi: Pixels an inch, (horizontal, vertical); None where the file does not say.
        native: Segments and chunks that hold in the same format only, in their order.
        pages: Each page's TIFF tags that say nothing about how its pixels are stored.
        companions: Other pictures in the same JPEG file.
        lost: What no restored file can hold, in words: `motion video`.
        size: The picture's size as stored; None where the file does not say.
    """

    exif: bytes = b""
    xmp: bytes = b""
    xmp_extension: bytes = b""
    icc: bytes = b""
    code_points: tuple[int, int] | None = None
    photoshop: bytes = b""
    iptc: bytes = b""
    texts: tuple[Text, ...] = ()
    dpi: tuple[float, float] | None = None
    native: tuple[Native, ...] = ()
    pages: tuple[tuple[Entry, ...], ...] = ()
    companions: tuple[Companion, ...] = ()
    lost: tuple[str, ...] = ()
    size: Size | None = None

    def profile_for(self, kind: str) -> tuple[bytes, list[str]]:
        """(the profile for a picture whose colours are GRAY, RGB, CMYK or Lab, what is lost)."""
        if not self.icc or colours(self.icc) == kind:
            return self.icc, []
        return b"", ["colour profile"]

    def with_(self, **fields: Any) -> "Metadata":
        """A copy in which `fields` have other values."""
        return replace(self, **fields)


def decoded(text: bytes) -> str:
    """A text of unknown encoding: UTF-8 where it is valid, else Latin-1."""
    text = text.rstrip(b"\0")
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def colours(icc: bytes) -> str:
    """The kind of colours that a profile is about: RGB, GRAY, CMYK, ...; empty for no profile."""
    return icc[16:20].decode("latin-1").strip()
