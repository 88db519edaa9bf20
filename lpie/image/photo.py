"""Photos as their files store them: with bit depth, grey, alpha, EXIF, ICC profile and quality."""

import functools
import io
import struct
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from lpie.errors import InputError, LpieError
from lpie.image import tiff
from lpie.image.image import EXTENSIONS, to_float, to_levels_of
from lpie.system.files import write_atomic
from lpie.system.quiet import quiet

# A phone's largest photo has 200 MP; OpenCV itself stops at 2^30 pixels.
MAX_MEGAPIXELS = 256.0
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I", "I;16", "I;16B", "I;16L")
# What Pillow's parsers raise on damaged files.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    MemoryError,
    RecursionError,
)
# OpenCV's numbers, which have names from 4.12 on: IMAGE_METADATA_EXIF, _XMP and _ICCP.
KINDS = {"exif": 0, "xmp": 1, "icc": 2}
SAMPLINGS = {
    0: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    1: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    2: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
QUALITY = 95
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Header:
    """What a file says about its picture before it is decoded; sizes in px, as stored."""

    width: int
    height: int
    format: str
    mode: str
    # OpenCV's parameters to write the same format again.
    parameters: tuple[int, ...] = ()


@dataclass(frozen=True)
class Photo:
    """A picture as its file stores it, not turned.

    pixels: uint8 or uint16, [H, W] grey, [H, W, 3] BGR or [H, W, 4] BGR and alpha. grey: whether
    the colours are all alike. orientation: EXIF's, 1 when it is shown as it is stored. metadata:
    bytes by `exif`, `xmp` and `icc`.
    """

    pixels: NDArray
    header: Header
    metadata: dict[str, bytes] = field(default_factory=dict)
    orientation: int = 1

    @property
    def grey(self) -> bool:
        return self.pixels.ndim == 2 or self.header.mode in ("LA", "PA")

    def rgb(self) -> NDArray:
        """[H, W, 3] RGB: a view of the pixels, so that nothing is copied."""
        if self.pixels.ndim == 2:
            return np.broadcast_to(self.pixels[..., None], (*self.pixels.shape, 3))
        return self.pixels[..., 2::-1]


def read_header(path: Path) -> Header:
    """The header of the photo in `path`; an `InputError` for what cannot be restored."""
    if path.suffix.lower() not in EXTENSIONS:
        raise InputError(f"{path} is not an image. Readable: {', '.join(EXTENSIONS)}.")
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file.")
    kept = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # `read_photo` has a limit of its own, with a sentence
    try:
        with Image.open(path) as image:
            header = _header(image, path)
            frames = getattr(image, "n_frames", 1)
    except DAMAGE:
        raise InputError(f"{path} is not a readable image: empty, truncated or damaged.") from None
    finally:
        Image.MAX_IMAGE_PIXELS = kept
    if header.mode not in MODES:
        raise InputError(f"{path} has {header.mode} pixels. Convert it to RGB or grey first.")
    if frames > 1 and header.format != "MPO":  # whose others are previews and depth maps
        raise InputError(f"{path} holds {frames} pictures. Restore them as files of their own.")
    return header


def read_photo(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> Photo:
    """The photo in `path`; larger ones than `max_megapixels` are refused before any decoding."""
    if not hasattr(cv2, "imdecodeWithMetadata"):
        raise InputError(
            f"OpenCV {cv2.__version__} would lose EXIF and colour profiles. "
            "Run: pip install 'opencv-python-headless>=4.13'."
        )
    header = read_header(path)
    megapixels = header.width * header.height / 1e6
    if megapixels > max_megapixels:
        raise InputError(
            f"{path} is {header.width}x{header.height}, {megapixels:,.0f} megapixels; at most "
            f"{max_megapixels:g} are decoded. Raise `max_megapixels` if you trust it."
        )
    data = np.frombuffer(path.read_bytes(), np.uint8)
    pixels, metadata = None, {}
    with quiet():  # the error below says what is wrong with the file, in one sentence
        try:
            pixels, types, values = cv2.imdecodeWithMetadata(data, flags=cv2.IMREAD_UNCHANGED)
            names = {number: name for name, number in KINDS.items()}
            metadata = {
                names[int(kind)]: np.asarray(value).tobytes()
                for kind, value in zip(np.ravel(types), values, strict=False)
                if int(kind) in names
            }
        except cv2.error:
            pixels = None  # more than 2^30 pixels
    if pixels is None or pixels.size == 0:
        raise InputError(f"{path} is not a readable image: empty, truncated, damaged or too large.")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path} has {pixels.dtype} values. Only 8 and 16 bits are restored.")
    if pixels.ndim == 3 and pixels.shape[2] not in (3, 4):
        raise InputError(f"{path} has {pixels.shape[2]} channels. Convert it to RGB or grey first.")
    if header.format == "TIFF":  # which OpenCV has turned already
        return Photo(pixels, header, tiff.read_metadata(path))
    return Photo(pixels, header, metadata, _orientation(metadata.get("exif", b"")))


def write_photo(path: Path, photo: Photo) -> None:
    """Write `photo` to `path` in the format of its name, with its metadata."""
    suffix = path.suffix.lower()
    if suffix in (".bmp", ".tif", ".tiff"):  # BMP holds no orientation; OpenCV turns TIFF
        photo = upright(photo)
    pixels = photo.pixels
    if pixels.ndim == 3 and pixels.shape[2] == 4 and suffix in (".jpg", ".jpeg"):
        raise InputError(f"{path} cannot hold the photo's transparency. Choose a name in .png.")
    if suffix in (".tif", ".tiff"):
        write_atomic(path, tiff.encode(pixels, photo.metadata))
        return
    if pixels.dtype == np.uint16 and suffix != ".png":
        pixels = to_levels_of(to_float(pixels), np.dtype(np.uint8))
    kept = {k: v for k, v in photo.metadata.items() if v and suffix != ".bmp"}
    with quiet():
        try:
            done, data = cv2.imencodeWithMetadata(
                suffix,
                pixels,
                [KINDS[k] for k in kept],
                [np.frombuffer(v, np.uint8)[None] for v in kept.values()],
                _parameters(photo.header, suffix),
            )
        except cv2.error:
            done = False
    if not done:
        raise LpieError(f"{path} could not be encoded: {pixels.shape} does not fit in {suffix}.")
    write_atomic(path, data.data)


def upright(photo: Photo) -> Photo:
    """`photo` turned as it is shown, its EXIF orientation 1."""
    at = photo.orientation
    if at == 1:
        return photo
    pixels = photo.pixels
    if at >= 5:
        pixels = pixels.swapaxes(0, 1)
    if at in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if at in (3, 4, 7, 8):
        pixels = pixels[::-1]
    pixels = np.ascontiguousarray(pixels)
    exif = _turned(photo.metadata.get("exif", b""))
    return Photo(pixels, photo.header, {**photo.metadata, "exif": exif})


def _header(image: Image.Image, path: Path) -> Header:
    parameters: list[int] = []
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        parameters = _jpeg_parameters(image)
    elif image.format == "WEBP":
        parameters = [cv2.IMWRITE_WEBP_QUALITY, 101 if b"VP8L" in path.read_bytes() else QUALITY]
    return Header(*image.size, str(image.format), image.mode, tuple(parameters))


def _jpeg_parameters(image: JpegImagePlugin.JpegImageFile) -> list[int]:
    """OpenCV's parameters for the file's quality (nearest tables), sampling and progression."""
    tables = [sum(table) for _, table in sorted(image.quantization.items())]
    luma, chroma = (
        min(range(1, 101), key=lambda q: abs(_table_sums()[q - 1][i] - tables[i])) for i in (0, -1)
    )
    parameters = [cv2.IMWRITE_JPEG_QUALITY, luma, cv2.IMWRITE_JPEG_LUMA_QUALITY, luma]
    if len(tables) > 1:
        parameters += [cv2.IMWRITE_JPEG_CHROMA_QUALITY, chroma]
    sampling = SAMPLINGS.get(JpegImagePlugin.get_sampling(image))
    if sampling is not None:
        parameters += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    return parameters + [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] * bool(image.info.get("progressive"))


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


def _parameters(header: Header, suffix: str) -> list[int]:
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}.get(suffix)
    if kind and kind == header.format.replace("MPO", "JPEG"):
        return list(header.parameters)
    quality = {"JPEG": cv2.IMWRITE_JPEG_QUALITY, "WEBP": cv2.IMWRITE_WEBP_QUALITY}
    return [quality[kind], QUALITY] if kind else []


def _orientation(exif: bytes) -> int:
    """The orientation in `exif`, 1 where it has none that is valid."""
    parsed = Image.Exif()
    try:
        parsed.load(exif)
        value = parsed.get(ORIENTATION, 1)
    except DAMAGE:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turned(exif: bytes) -> bytes:
    """`exif` with orientation 1 and every other byte as it was: maker notes rely on their place."""
    start = 6 if exif[:4] == b"Exif" else 0
    order = "<" if exif[start : start + 2] == b"II" else ">"
    data = bytearray(exif)
    try:
        (directory,) = struct.unpack_from(f"{order}I", data, start + 4)
        (count,) = struct.unpack_from(f"{order}H", data, start + directory)
        for at in range(start + directory + 2, start + directory + 2 + 12 * count, 12):
            if struct.unpack_from(f"{order}H", data, at) == (ORIENTATION,):
                struct.pack_into(f"{order}H", data, at + 8, 1)
    except struct.error:  # a note that cannot be read says nothing about orientation either
        return exif
    return bytes(data)
