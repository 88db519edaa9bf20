"""TIFF files, by tifffile: each page with its own type, samples and storage."""

import dataclasses
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from lpie.errors import InputError
from lpie.image import curves
from lpie.image.colour import CHANNELS, Colour, Model
from lpie.image.formats.common import available, damaged, needs_extra
from lpie.image.formats.kinds import RAW_SUFFIXES, raw_error
from lpie.image.formats.tiff import lzw, segments
from lpie.image.samples import Header, Photo

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR = range(7)
RAW_PHOTOMETRICS = {32803, 34892}  # a colour filter array, LinearRaw
OTHERS = {8: "CIELab", 9: "ICCLab", 10: "ITULab", 32844: "LogL", 32845: "LogLuv"}
MODELS: dict[int, Model] = {
    WHITE_IS_ZERO: "grey", BLACK_IS_ZERO: "grey", MASK: "grey", RGB: "rgb", PALETTE: "rgb",
    CMYK: "cmyk", YCBCR: "rgb",
}  # fmt: skip
ICC, DNG_VERSION, MIN_VALUE, MAX_VALUE, INK_SET = 34675, 50706, 280, 281, 332
MAX_PAGES, MAX_CHANNELS = 10_000, 16
# tifffile's names of codecs that need imagecodecs, for the sentence without it.
CODECS = {
    2: "CCITT", 3: "CCITT fax", 4: "CCITT fax", 5: "LZW", 6: "JPEG", 7: "JPEG", 34887: "LERC",
    34892: "JPEG", 34925: "LZMA", 34926: "Zstandard", 50000: "Zstandard", 50001: "WebP",
    50002: "JPEG XL", 52546: "JPEG XL", 34712: "JPEG 2000", 33003: "JPEG 2000", 33005: "JPEG 2000",
    22610: "JPEG XR", 34934: "JPEG XR", 34933: "PNG",
}  # fmt: skip


# Those of them that Pillow reads as well: CCITT, JPEG, PackBits.
LIBTIFF = {2, 3, 4, 6, 7, 32773}


@dataclass(frozen=True)
class Layout:
    """How a page is stored."""

    byteorder: str
    bigtiff: bool
    photometric: int
    compression: int
    predictor: int
    planar: bool
    tile: tuple[int, int] | None
    rows_per_strip: int | None
    bits: int
    extra: tuple[int, ...]
    subfiletype: int
    palette: NDArray | None = None


def read_header(data: bytes, path: Path) -> Header:
    """The header of a TIFF file; pages that are previews of others are not counted."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pages = _pages(file, path)
        first = pages[0]
        areas = sum(page.imagewidth * page.imagelength for page in pages)
        frames = math.ceil(areas / max(first.imagewidth * first.imagelength, 1))
        return Header(first.imagewidth, first.imagelength, "TIFF", frames, _layout(first, file))


def decode(data: bytes, path: Path) -> Photo:
    """All pages of a TIFF file."""
    if not available("imagecodecs"):
        data = lzw.unpacked(data)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        photos = [_photo(page, file, data, path) for page in _pages(file, path)]
    return photos[0].with_pictures(photos)


def _pages(file: tifffile.TiffFile, path: Path) -> list[tifffile.TiffPage]:
    if len(file.pages) > MAX_PAGES:
        raise InputError(f"{path} has more than {MAX_PAGES} pages.")
    pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
    if not pages:
        raise damaged(path, "it has no page")
    if any(_is_raw(page) for page in pages) or path.suffix.lower() in RAW_SUFFIXES:
        raise raw_error(path)
    if file.is_imagej and (file.imagej_metadata or {}).get("images", 1) > len(pages):
        raise InputError(f"{path} is an ImageJ stack. Save its images as pages of their own.")
    kept = [page for page in pages if not page.subfiletype & 1] or pages[:1]
    if kept[0] is not pages[0] and pages[0].imagewidth > kept[0].imagewidth:
        kept = pages[:1]
    for page in kept:
        _check(page, path)
    return kept


def _is_raw(page: tifffile.TiffPage) -> bool:
    subs = page.pages if page.subifds else ()
    inner = [sub for sub in subs or () if isinstance(sub, tifffile.TiffPage)]
    return DNG_VERSION in page.tags or any(
        one.photometric in RAW_PHOTOMETRICS for one in (page, *inner)
    )


def _check(page: tifffile.TiffPage, path: Path) -> None:
    """Refuse what is no photo, by its true cause."""
    if page.photometric in OTHERS:
        raise InputError(
            f"{path} has {OTHERS[page.photometric]} colours. Convert it to RGB or grey first."
        )
    if page.photometric not in MODELS:
        raise damaged(path, f"photometric interpretation {page.photometric} is unknown")
    if min(page.imagewidth, page.imagelength, page.samplesperpixel) < 1:
        raise damaged(path, "it has no pixels")
    if page.imagedepth > 1:
        raise InputError(f"{path} is a volume of {page.imagedepth} slices, not a photo.")
    if page.dtype is None or page.dtype.kind not in "buif":
        kind = "complex" if page.dtype is not None else f"{page.bitspersample}-bit"
        raise InputError(f"{path} has {kind} samples. Only integers and floats are restored.")
    if page.samplesperpixel < _stored_channels(page):
        raise damaged(path, f"{page.samplesperpixel} samples per pixel are too few")
    if page.samplesperpixel > MAX_CHANNELS:
        raise InputError(
            f"{path} has {page.samplesperpixel} channels; at most {MAX_CHANNELS} are restored."
        )
    if page.photometric == CMYK and page.tags.valueof(INK_SET, 1) != 1:
        raise InputError(f"{path} has inks other than CMYK. Convert it to RGB first.")


def _stored_channels(page: tifffile.TiffPage) -> int:
    return 1 if page.photometric == PALETTE else CHANNELS[MODELS[page.photometric]]


def _layout(page: tifffile.TiffPage, file: tifffile.TiffFile) -> Layout:
    return Layout(
        byteorder=file.byteorder,
        bigtiff=file.is_bigtiff,
        photometric=int(page.photometric),
        compression=int(page.compression),
        predictor=int(page.predictor),
        planar=page.planarconfig == 2,
        tile=(page.tilelength, page.tilewidth) if page.is_tiled else None,
        rows_per_strip=None if page.is_tiled else int(page.rowsperstrip),
        bits=int(page.bitspersample),
        extra=tuple(int(kind) for kind in page.extrasamples),
        subfiletype=int(page.subfiletype),
    )


def _photo(page: tifffile.TiffPage, file: tifffile.TiffFile, data: bytes, path: Path) -> Photo:
    layout = _layout(page, file)
    segments.check(page, data, path)
    samples = _samples(page, data, path)
    if samples.dtype == bool:
        samples = samples.view(np.uint8)
    if page.photometric == PALETTE:
        palette = _palette(page, path)
        layout = dataclasses.replace(layout, palette=palette)
        if samples.ndim == 3:
            samples = samples[..., 0]
        samples = palette[samples]
    header = Header(page.imagewidth, page.imagelength, "TIFF", layout=layout)
    colour = _colour(page, samples, path)
    return Photo(samples, header, colour=colour, mask=bool(page.subfiletype & 4))


def _samples(page: tifffile.TiffPage, data: bytes, path: Path) -> NDArray:
    """[H, W] or [H, W, S] as stored, in this machine's byte order."""
    if page.photometric == YCBCR and (page.compression == 6 or not _is_jpeg(page)):
        return _by_libtiff(page, data)
    try:
        samples = _in_place(page, data)
        samples = _decoded(page, path) if samples is None else samples
    except (ValueError, NotImplementedError, ImportError) as error:
        if page.compression == 6:
            return _by_libtiff(page, data)
        missing = "imagecodecs" in str(error) or isinstance(error, ImportError)
        if missing and not available("imagecodecs"):
            return _without_codecs(page, data, path)
        if "COMPRESSION" in str(error) or "not a valid" in str(error):
            number = int(page.compression)
            raise InputError(f"{path} has a compression that is unknown ({number}).") from None
        raise
    return samples[..., 0] if samples.shape[2] == 1 else samples


def _is_jpeg(page: tifffile.TiffPage) -> bool:
    return page.compression in (6, 7, 34892, 33007)


def _in_place(page: tifffile.TiffPage, data: bytes) -> NDArray | None:
    """The samples as a view of the file, where they lie in one run, not compressed."""
    dtype = np.dtype(page.parent.byteorder + np.dtype(page.dtype).char)
    whole = page.bitspersample == dtype.itemsize * 8 and page.fillorder == 1
    if page.compression != 1 or page.predictor != 1 or page.is_tiled or not whole:
        return None
    starts, counts = page.dataoffsets, page.databytecounts
    if any(a + n != b for a, n, b in zip(starts, counts, starts[1:], strict=False)):
        return None
    separate, _, height, width, samples = page.shaped
    count = separate * height * width * samples
    if sum(counts) < count * dtype.itemsize:
        return None
    flat = np.frombuffer(data, dtype, count, starts[0])
    flat = flat.astype(dtype.newbyteorder("="), copy=False)
    return np.moveaxis(flat.reshape(separate, height, width, samples), 0, -1).reshape(
        height, width, -1
    )


def _decoded(page: tifffile.TiffPage, path: Path) -> NDArray:
    """The samples, segment by segment; an error where one is missing, cut or damaged."""
    separate, _, height, width, samples = page.shaped
    planes = np.empty((separate, height, width, samples), page.dtype)
    missing = planes.size
    for segment, (plane, _, y, x, _), shape in page.segments():
        if segment is None:
            raise damaged(path, "a strip or tile is empty")
        rows, columns = min(shape[1], height - y), min(shape[2], width - x)
        part = segment[0, :rows, :columns]
        if part.shape != (rows, columns, samples):
            raise damaged(path, "a strip or tile is too short")
        planes[plane, y : y + rows, x : x + columns] = part
        missing -= part.size
    if missing > 0:
        raise damaged(path, "strips or tiles are missing")
    return planes[0] if separate == 1 else np.moveaxis(planes[..., 0], 0, -1)


def _without_codecs(page: tifffile.TiffPage, data: bytes, path: Path) -> NDArray:
    """What Pillow's libtiff reads too; a sentence that names the extra for the rest."""
    if page.compression in LIBTIFF:
        return _by_libtiff(page, data)
    name = CODECS.get(int(page.compression))
    raise needs_extra(
        path, f"a TIFF compressed with {name}" if name else "a TIFF of packed samples"
    )


def _by_libtiff(page: tifffile.TiffPage, data: bytes) -> NDArray:
    """8-bit samples as Pillow reads them; YCbCr becomes RGB."""
    with Image.open(io.BytesIO(data)) as image:
        image.seek(page.index)
        samples = np.asarray(image.convert("RGB") if page.photometric == YCBCR else image)
    return samples != (page.photometric == WHITE_IS_ZERO) if samples.dtype == bool else samples


def _palette(page: tifffile.TiffPage, path: Path) -> NDArray:
    """[N, 3] uint16, or uint8 where that holds the same."""
    table = page.colormap
    if table is None or page.samplesperpixel != 1:
        raise damaged(path, "its palette is missing")
    table = np.ascontiguousarray(np.asarray(table).T)
    if table.shape[0] < 1 << page.bitspersample:
        raise damaged(path, "its palette is too short")
    if not np.any(table >> 8):  # some writers fill only the low bytes
        return table.astype(np.uint8)
    high = (table >> 8).astype(np.uint8)
    return high if np.array_equal(high.astype(np.uint16) * 257, table) else table


def _colour(page: tifffile.TiffPage, samples: NDArray, path: Path) -> Colour:
    model = MODELS[page.photometric]
    palette = page.photometric == PALETTE
    bits = samples.dtype.itemsize * 8 if palette else page.bitspersample
    low, high = value_range(samples, bits, path, page.tags.valueof(MAX_VALUE))
    if page.photometric == WHITE_IS_ZERO:
        low, high = high, low
    channels = CHANNELS[model]
    alpha = next((i for i, kind in enumerate(page.extrasamples) if kind in (1, 2)), None)
    icc = page.tags.valueof(ICC)
    icc = bytes(icc) if icc else b""
    return Colour(
        model,
        low,
        high,
        alpha=None if alpha is None else channels + alpha,
        associated=alpha is not None and page.extrasamples[alpha] == 1,
        curve=curves.of_profile(icc) if model != "cmyk" else None,
        profile=icc if model == "cmyk" and icc[16:20] == b"CMYK" else None,
    )


def value_range(samples: NDArray, bits: int, path: Path, most: Any = None) -> tuple[float, float]:
    """The values of black and white: of the type, or of what the samples show that they use."""
    if samples.dtype.kind == "f":
        return _float_range(samples, path)
    top = float((1 << bits) - 1)
    if samples.dtype.kind == "i":
        signed = samples.size and samples.min() < 0
        low, top = (-float(1 << (bits - 1)) if signed else 0.0), float((1 << (bits - 1)) - 1)
        return low, 65535.0 if bits == 32 and not signed and samples.max() <= 65535 else top
    stated = int(most[0] if isinstance(most, tuple) else most or 0)
    if bits > 8 and 255 < stated < top and samples.max() <= stated:
        return 0.0, float(stated)
    return 0.0, 65535.0 if bits > 16 and samples.max() <= 65535 else top


def _float_range(samples: NDArray, path: Path) -> tuple[float, float]:
    least, most = float(samples.min()), float(samples.max())
    if not math.isfinite(least) or not math.isfinite(most):
        raise InputError(f"{path} has values that are NaN or infinite. Replace them first.")
    usual = float(np.median(samples[:: max(samples.shape[0] // 512, 1)]))
    if least >= -1 and (most <= 1 or 0 <= usual <= 1):
        return 0.0, 1.0  # what lies above is light that no screen shows, and is kept
    for top in (255.0, 65535.0):
        if least >= 0 and top / 4 < most <= top:
            return 0.0, top
    raise InputError(
        f"{path} has values from {least:g} to {most:g}. Floats must lie in [0, 1], [0, 255] or "
        "[0, 65535]: scale them first."
    )
