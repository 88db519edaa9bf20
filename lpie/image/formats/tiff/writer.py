"""Writes TIFF files as the ones that the photos came from: type, order, compression, tiles."""

import io
import logging
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from lpie.image.colour import Colour
from lpie.image.formats.common import available
from lpie.image.formats.tiff.reader import (
    BLACK_IS_ZERO,
    CMYK,
    MASK,
    PALETTE,
    RGB,
    WHITE_IS_ZERO,
    Layout,
)
from lpie.image.samples import Photo

NONE, LZW, DEFLATE, ADOBE_DEFLATE, PACKBITS = 1, 5, 32946, 8, 32773
LZMA, ZSTD, LERC = 34925, 50000, 34887
# Lossless codecs that tifffile writes, alone and with the extra `photos`.
ALONE = {NONE, ADOBE_DEFLATE}
WITH_EXTRA = ALONE | {LZW, PACKBITS, LZMA, ZSTD}
PREDICTED = {LZW, ADOBE_DEFLATE, ZSTD, LZMA}
LARGEST = 2**32 - 2**25  # bytes in a file whose offsets have 32 bits
DEFAULT = Layout("<", False, RGB, ADOBE_DEFLATE, 1, False, None, None, 0, (), 0)


def encode(photo: Photo) -> bytes:
    """A TIFF file of all pictures, with no more tags than their pixels need."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    layouts = [_layout_of(picture) for picture in photo.pictures]
    size = sum(picture.pixels.nbytes for picture in photo.pictures)
    file = io.BytesIO()
    with tifffile.TiffWriter(
        file,
        bigtiff=layouts[0].bigtiff or size > LARGEST,
        byteorder=">" if layouts[0].byteorder == ">" else "<",
    ) as writer:
        for picture, layout in zip(photo.pictures, layouts, strict=True):
            _write(writer, picture, layout)
    return file.getvalue()


def _layout_of(photo: Photo) -> Layout:
    layout = photo.header.layout
    return layout if isinstance(layout, Layout) else DEFAULT


def _write(writer: tifffile.TiffWriter, photo: Photo, layout: Layout) -> None:
    samples, options = _stored(photo, layout)
    colour = photo.meaning
    planar = layout.planar and samples.ndim == 3
    extra = samples.shape[2] - colour.channels if samples.ndim == 3 else 0
    writer.write(
        np.moveaxis(samples, 2, 0) if planar else samples,
        planarconfig=("separate" if planar else "contig") if samples.ndim == 3 else None,
        extrasamples=_extra(layout, colour, extra) if extra else None,
        tile=layout.tile,
        subfiletype=layout.subfiletype & ~1 or None,
        contiguous=False,
        metadata=None,
        software=False,
        **options,
    )


def _extra(layout: Layout, colour: Colour, count: int) -> tuple[int, ...]:
    if len(layout.extra) == count:
        return layout.extra
    kind = 1 if colour.associated else 2
    at = None if colour.alpha is None else colour.alpha - colour.channels
    return tuple(kind if i == at else 0 for i in range(count))


def _stored(photo: Photo, layout: Layout) -> tuple[NDArray, dict[str, Any]]:
    """The samples as tifffile takes them, and how it shall store them."""
    samples, colour = photo.pixels, photo.meaning
    indices = None if layout.palette is None else indices_of(samples, layout.palette)
    if indices is not None and layout.palette is not None:
        table = np.zeros((3, 1 << layout.bits if layout.bits > 8 else 256), np.uint16)
        wide = layout.palette.astype(np.uint16) * (257 if layout.palette.dtype == np.uint8 else 1)
        table[:, : len(wide)] = wide.T[:, : table.shape[1]]
        dtype = np.uint16 if layout.bits > 8 else np.uint8
        return indices.astype(dtype), {
            "photometric": PALETTE, "colormap": table, **_packing(layout, np.dtype(dtype), 16)
        }  # fmt: skip
    options: dict[str, Any] = {"photometric": _photometric(layout, colour)}
    if layout.bits == 1 and (colour.low, colour.high) in ((0, 1), (1, 0)) and samples.ndim == 2:
        return samples.astype(bool), {**options, **_packing(layout, np.dtype(bool), 1)}
    bits = layout.bits if layout.palette is None else samples.dtype.itemsize * 8
    return samples, {**options, **_packing(layout, samples.dtype, bits)}


def _photometric(layout: Layout, colour: Colour) -> int:
    if colour.model == "cmyk":
        return CMYK
    if colour.model == "rgb":
        return RGB
    if layout.subfiletype & 4:
        return MASK
    return WHITE_IS_ZERO if colour.low > colour.high else BLACK_IS_ZERO


def _packing(layout: Layout, dtype: np.dtype, bits: int) -> dict[str, Any]:
    """Compression, predictor, strips and bits of a sample."""
    known = WITH_EXTRA if available("imagecodecs") else ALONE
    compression = ADOBE_DEFLATE if layout.compression == DEFLATE else layout.compression
    if compression not in known:
        compression = ADOBE_DEFLATE
    packed = dtype.kind == "u" and 1 < bits < dtype.itemsize * 8
    options: dict[str, Any] = {"rowsperstrip": None if layout.tile else layout.rows_per_strip}
    if packed and not layout.tile:
        return {**options, "bitspersample": bits}  # tifffile packs only what it leaves as it is
    wanted = layout.predictor if compression in PREDICTED else 1
    if wanted == 3 and (dtype.kind != "f" or not available("imagecodecs")):
        wanted = 1
    if wanted == 2 and dtype.kind not in "ui":
        wanted = 1
    return {
        **options,
        "compression": None if compression == NONE else compression,
        "predictor": wanted if wanted in (2, 3) else None,
    }


def indices_of(samples: NDArray, palette: NDArray) -> NDArray | None:
    """Where each colour of `samples` [H, W, 3 or 4] is in `palette`; None where one is not."""
    if samples.dtype != palette.dtype or samples.ndim != 3 or samples.shape[2] != palette.shape[1]:
        return None
    keys, wanted = _keys(samples), _keys(palette)
    order = np.argsort(wanted, kind="stable")
    at = np.searchsorted(wanted[order], keys).clip(0, len(order) - 1)
    indices = order[at]
    return indices if np.array_equal(wanted[indices], keys) else None


def _keys(colours: NDArray) -> NDArray[np.uint64]:
    keys = np.zeros(colours.shape[:-1], np.uint64)
    for channel in np.moveaxis(colours, -1, 0):
        keys = (keys << np.uint64(16)) | channel.astype(np.uint64)
    return keys
