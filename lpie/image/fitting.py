"""Photos as the samples that a format can hold, and what is lost by that."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.image import colour as colours
from lpie.image.colour import Colour
from lpie.image.samples import Photo


@dataclass(frozen=True)
class Holds:
    """What a format can hold: types of samples, and more than one opaque picture in RGB.

    bits: the most bits of a sample, where they are fewer than those of the type.
    """

    types: tuple[type, ...] = (np.uint8,)
    alpha: bool = True
    frames: bool = False
    cmyk: bool = False
    bits: int = 32


HOLDS = {
    "JPEG": Holds(alpha=False, cmyk=True),
    "TIFF": Holds((np.uint8, np.uint16, np.float32), frames=True, cmyk=True),
    "PNG": Holds((np.uint8, np.uint16), frames=True),
    "WEBP": Holds(frames=True),
    "BMP": Holds(),
    "GIF": Holds(frames=True),
    "HEIF": Holds((np.uint8, np.uint16), bits=10),
    "AVIF": Holds((np.uint8, np.uint16), bits=12),
    "JXL": Holds((np.uint8, np.uint16, np.float32)),
}


def fit(photo: Photo, target: str, path: Path) -> tuple[Photo, list[str]]:
    """Bring a photo into what a format can hold.

    Args:
        photo: Any photo.
        target: A format, as of `Header.format`.
        path: The file to write, for messages.

    Returns:
        The photo, and what of it is lost, in words.

    Raises:
        InputError: The format can hold neither its transparency nor its frames.
    """
    if target == photo.header.format == "TIFF":
        return photo, []
    lost = ["mask"] if any(page.mask for page in photo.more) else []
    pictures = [page for page in photo.pictures if not page.mask]
    _check_frames(pictures, HOLDS[target], path)
    fitted = []
    for picture in pictures:
        one, more = _fitted(picture, target, path)
        fitted.append(one)
        lost += [word for word in more if word not in lost]
    if target == "TIFF" and photo.more:
        lost.append("timing")
    if target == "GIF" and photo.header.format != "GIF" and _many_colours(fitted):
        lost.append("all but 256 colours")
    if target == "GIF" and any(_partly_seen(picture) for picture in fitted):
        lost.append("partial transparency")
    return photo.with_pictures(fitted), lost


def _partly_seen(photo: Photo) -> bool:
    """Whether a pixel is neither opaque nor invisible, which GIF cannot tell."""
    if photo.meaning.alpha is None:
        return False
    alpha = photo.pixels[..., photo.meaning.alpha]
    return bool(np.any((alpha > 0) & (alpha < 255)))


def _many_colours(pictures: list[Photo]) -> bool:
    """Whether one of them has more colours than a GIF frame."""
    for picture in pictures:
        if not picture.grey:
            packed = picture.pixels[..., :3].astype(np.uint32) @ np.array(
                [65536, 256, 1], np.uint32
            )
            if np.count_nonzero(np.bincount(packed.ravel(), minlength=1)) > 256:
                return True
    return False


def _check_frames(pictures: list[Photo], holds: Holds, path: Path) -> None:
    animated = all(picture.duration_ms is not None for picture in pictures)
    if len(pictures) > 1 and not (holds.frames and animated):
        names = ".gif, .png, .webp or .tif" if animated else ".tif"
        raise InputError(
            f"{path} cannot hold the photo's {len(pictures)} {'frames' if animated else 'pages'}. "
            f"Choose a name in {names}."
        )


def _fitted(photo: Photo, target: str, path: Path) -> tuple[Photo, list[str]]:
    holds, colour, samples = HOLDS[target], photo.meaning, photo.pixels
    if colour.alpha is not None and not holds.alpha:
        raise InputError(f"{path} cannot hold the photo's transparency. Choose a name in .png.")
    if photo.header.format == target and photo.header.layout is not None:
        return photo, []  # as its module decoded them
    inks = colour.model == "cmyk" and samples.dtype == np.uint8 and samples.shape[2] == 4
    if inks and holds.cmyk:
        return photo, []
    samples, colour, lost = _without_extra(samples, colour)
    dtype, high = _type(samples, holds)
    if (word := _depth_lost(samples, colour, high)) is not None:
        lost.append(word)
    metadata, header = photo.metadata, photo.header
    if colour.model == "cmyk":  # it becomes sRGB
        lost.append("CMYK")
        metadata = metadata.with_(icc=b"")
    if samples.dtype != dtype or not _straight(colour, high):
        samples = colours.rescale(samples, colour, dtype, high)
        usual = colours.of_samples(samples)
        colour = dataclasses.replace(usual, high=float(high), curve=colour.curve)
    fitted = dataclasses.replace(
        photo, pixels=samples, colour=colour, metadata=metadata, header=header
    )
    return fitted, lost


def _without_extra(samples: NDArray, colour: Colour) -> tuple[NDArray, Colour, list[str]]:
    """Colours and transparency only."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    if channels == colour.channels + (colour.alpha is not None):
        return samples, colour, []
    kept = list(range(colour.channels)) + ([] if colour.alpha is None else [colour.alpha])
    alpha = None if colour.alpha is None else colour.channels
    samples = samples[..., kept] if len(kept) > 1 else samples[..., 0]
    return samples, dataclasses.replace(colour, alpha=alpha), ["extra channels"]


def _type(samples: NDArray, holds: Holds) -> tuple[np.dtype, float]:
    """The type of the samples in the file, and its white."""
    if samples.dtype.kind == "f" and np.float32 in holds.types:
        return np.dtype(np.float32), 1.0
    deep = samples.dtype.itemsize > 1 and np.uint16 in holds.types
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    return dtype, float((1 << min(dtype.itemsize * 8, holds.bits)) - 1)


def _straight(colour: Colour, high: float) -> bool:
    """Whether the samples mean what the format takes them for."""
    return (
        colour.model != "cmyk" and (colour.low, colour.high) == (0, high) and not colour.associated
    )


def _depth_lost(samples: NDArray, colour: Colour, high: float) -> str | None:
    if samples.dtype.kind == "f":
        return "floating-point values" if high > 1 else None
    levels = abs(colour.high - colour.low)
    return f"{int(levels).bit_length()}-bit depth" if levels > high else None
