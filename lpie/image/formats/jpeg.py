"""JPEG files: markers are walked before decoding; the rare kinds by imagecodecs, CMYK by Pillow."""

import functools
import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from lpie.errors import InputError, LpieError
from lpie.image import curves
from lpie.image.colour import Colour, of_samples
from lpie.image.formats.common import available, damaged, needs_extra
from lpie.image.formats.png import written
from lpie.image.samples import Header, Photo

SAMPLINGS = {
    0: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    1: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    2: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
QUALITY = 95
# Encoders write 1 to 20 scans. Each one of a progressive file goes over the whole picture.
MAX_SCANS = 100
BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS, JPEG_LS = 0xC0, 0xC1, 0xC2, 0xC3, 0xF7
FRAMES = {*range(0xC0, 0xD0), JPEG_LS} - {0xC4, 0xC8, 0xCC}
ALONE = {*range(0xD0, 0xD8), 0x01}  # markers without a length
SCAN, END, APP2, APP14 = 0xDA, 0xD9, 0xE2, 0xEE
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
# In JPEG-LS a byte after 0xFF that begins with 0 is data.
_LS_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]", re.DOTALL)


class Segment(NamedTuple):
    """One segment of a file: `start` and `stop` are those of its data."""

    marker: int
    start: int
    stop: int


@dataclass(frozen=True)
class Layout:
    """How the picture is stored: the kind of its frame, bits, components, OpenCV's parameters."""

    frame: int
    bits: int
    components: int
    parameters: tuple[int, ...] = ()
    tables: tuple[tuple[int, ...], ...] = ()
    sampling: int = -1

    @property
    def lossless(self) -> bool:
        """Whether nothing is lost by storing a picture so."""
        return self.frame in (LOSSLESS, JPEG_LS)


def segments(data: bytes) -> Iterator[Segment]:
    """The segments up to the end of the first picture, every scan included."""
    at, pattern = 2, _MARKER
    while match := pattern.search(data, at):
        marker, at = data[match.start() + 1], match.end()
        if marker == END:
            yield Segment(marker, at, at)
            return
        if marker in ALONE:
            continue
        if at + 2 > len(data):
            return
        stop = at + max(struct.unpack_from(">H", data, at)[0], 2)
        if marker == JPEG_LS:
            pattern = _LS_MARKER
        yield Segment(marker, at + 2, stop)
        at = stop


def read_header(data: bytes, path: Path) -> Header:
    """The header of a JPEG file."""
    frame = next((s for s in segments(data) if s.marker in FRAMES), None)
    if frame is None or frame.start + 6 > len(data):
        raise damaged(path, "it has no frame header")
    bits, height, width, components = struct.unpack_from(">BHHB", data, frame.start)
    if not width or not height:
        raise InputError(f"{path} does not say its height in its header. Save it again first.")
    return Header(width, height, "JPEG", layout=Layout(frame.marker, bits, components))


def decode(data: bytes, path: Path) -> Photo:
    """The first picture of a JPEG file; the others of phones are previews, depth or gain maps."""
    header = read_header(data, path)
    layout: Layout = header.layout
    profile = _check(data, path)
    if layout.components not in (1, 3, 4):
        raise InputError(f"{path} has {layout.components} components. Convert it to RGB first.")
    if layout.frame == JPEG_LS or layout.frame == LOSSLESS or layout.bits != 8:
        samples, colour = _rare(data, layout, path), None
        high = float((1 << layout.bits) - 1)
        colour = Colour("grey" if samples.ndim == 2 else "rgb", 0.0, high)
        return Photo(samples, header, colour=_curved(colour, profile))
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        layout = _with_parameters(layout, image)
        samples = np.asarray(image) if layout.components == 4 else _plain(data)
    header = Header(header.width, header.height, "JPEG", layout=layout)
    if samples.shape[:2] != (header.height, header.width):
        raise damaged(path)
    if layout.components == 4:
        cmyk = profile if profile[16:20] == b"CMYK" else None
        return Photo(samples, header, colour=Colour("cmyk", 0.0, 255.0, profile=cmyk))
    return Photo(samples, header, colour=_curved(of_samples(samples), profile))


def _curved(colour: Colour, profile: bytes) -> Colour:
    return Colour(colour.model, colour.low, colour.high, curve=curves.of_profile(profile))


def _check(data: bytes, path: Path) -> bytes:
    """Refuse a picture of absurdly many scans or without an end; the ICC profile of others."""
    scans, parts, ended = 0, {}, False
    for segment in segments(data):
        scans += segment.marker == SCAN
        ended = segment.marker == END
        if scans > MAX_SCANS:
            raise InputError(
                f"{path} has more than {MAX_SCANS} scans, which takes minutes to decode. Photos "
                "have about 10: save it again first."
            )
        body = data[segment.start : min(segment.stop, segment.start + 14)]
        if segment.marker == APP2 and body.startswith(b"ICC_PROFILE\0") and len(body) == 14:
            parts[body[12]] = data[segment.start + 14 : segment.stop]
    if not scans:
        raise damaged(path, "it has no picture")
    if not ended:
        raise damaged(path, "the file ends too early")
    return b"".join(parts[number] for number in sorted(parts))


def _plain(data: bytes) -> NDArray:
    flags = cv2.IMREAD_UNCHANGED
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if samples is None:
        raise ValueError("the picture cannot be decoded")
    return samples if samples.ndim == 2 else samples[..., ::-1]


def _rare(data: bytes, layout: Layout, path: Path) -> NDArray:
    names = {JPEG_LS: "a JPEG-LS file", LOSSLESS: "a lossless JPEG"}
    what = names.get(layout.frame, f"a {layout.bits}-bit JPEG")
    if not available("imagecodecs"):
        raise needs_extra(path, what)
    import imagecodecs

    name = "jpegls_decode" if layout.frame == JPEG_LS else "jpeg8_decode"
    return np.asarray(getattr(imagecodecs, name)(data))


def _with_parameters(layout: Layout, image: JpegImagePlugin.JpegImageFile) -> Layout:
    """With the file's quality (nearest tables), sampling and progression."""
    tables = tuple(tuple(table) for _, table in sorted(image.quantization.items()))
    sums = [sum(table) for table in tables]
    luma, chroma = (
        min(range(1, 101), key=lambda q: abs(_table_sums()[q - 1][i] - sums[i])) for i in (0, -1)
    )
    parameters = [cv2.IMWRITE_JPEG_QUALITY, luma, cv2.IMWRITE_JPEG_LUMA_QUALITY, luma]
    if len(tables) > 1:
        parameters += [cv2.IMWRITE_JPEG_CHROMA_QUALITY, chroma]
    sampling = JpegImagePlugin.get_sampling(image)
    if sampling in SAMPLINGS:
        parameters += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling]]
    parameters += [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] * bool(image.info.get("progressive"))
    return Layout(layout.frame, layout.bits, layout.components, tuple(parameters), tables, sampling)


@functools.cache
def _table_sums() -> list[tuple[int, int]]:
    """Sums of the encoder's own (luma, chroma) tables at quality 1 to 100."""
    sums = []
    for quality in range(1, 101):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        _, data = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8), options)
        tables = Image.open(io.BytesIO(data.tobytes())).quantization  # type: ignore[attr-defined]
        sums.append((sum(tables[0]), sum(tables[1])))
    return sums


def encode(photo: Photo) -> bytes:
    """A JPEG file of the same kind, quality and sampling as the photo's, else of quality 95."""
    layout = photo.header.layout
    known = layout if isinstance(layout, Layout) else None
    samples = photo.pixels
    if photo.meaning.model == "cmyk":
        return _cmyk(samples, known)
    if known and (known.bits != 8 or known.frame in (LOSSLESS, JPEG_LS)):
        return _rare_encoded(samples, known)
    parameters = known.parameters if known else ()
    data = written(".jpg", photo, parameters or [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if data is None:
        size = f"{samples.shape[1]}x{samples.shape[0]}"
        raise LpieError(f"{size} pixels are too many for JPEG: it holds 65500x65500.")
    return data


def _cmyk(samples: NDArray, layout: Layout | None) -> bytes:
    options: dict[str, Any] = {"quality": QUALITY}
    if layout and layout.tables:
        options = {"qtables": [list(table) for table in layout.tables]}
        options |= {"subsampling": layout.sampling} if layout.sampling in SAMPLINGS else {}
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(samples), "CMYK").save(file, "JPEG", **options)
    return file.getvalue()


def _rare_encoded(samples: NDArray, layout: Layout) -> bytes:
    import imagecodecs

    data = np.ascontiguousarray(samples)
    if layout.frame == JPEG_LS:
        return bytes(imagecodecs.jpegls_encode(data))
    options: dict[str, Any] = {"bitspersample": layout.bits}
    options |= {"lossless": True} if layout.frame == LOSSLESS else {"level": QUALITY}
    return bytes(imagecodecs.jpeg8_encode(data, **options))
