"""One photo through a network: all of it or a crop, as its file stores it."""

import dataclasses
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.image.photo import Photo, upright
from lpie.restore.restorer import Restorer


class Crop(NamedTuple):
    """A part of a photo as it is shown, px: `width` x `height` from (x, y) on."""

    x: int
    y: int
    width: int
    height: int

    @staticmethod
    def parse(text: str) -> "Crop":
        """The crop in `text`, X,Y,WIDTHxHEIGHT."""
        match = re.fullmatch(r"(\d{1,6}),(\d{1,6}),(\d{1,6})x(\d{1,6})", text.strip().lower())
        if not match or "0" in (match[3], match[4]):
            raise InputError(
                f"`crop` must be X,Y,WIDTHxHEIGHT in px. Received: {text!r}. Try 100,100,640x480."
            )
        return Crop(*(int(n) for n in match.groups()))


def restore_photo(
    restorer: Restorer,
    photo: Photo,
    *,
    strength: float = 1.0,
    progress: Callable[[int], object] = lambda pixels: None,
) -> Photo:
    """`photo` restored, alpha and metadata as they were. Grey photos stay grey.

    The pixels are taken as they are: a colour profile stays beside them. strength, progress: as of
    `Restorer.restore`.
    """
    given = photo.pixels
    done = np.empty(given.shape if given.ndim == 3 else (*given.shape, 3), given.dtype)
    restorer.restore(photo.rgb(), out=done[..., 2::-1], strength=strength, progress=progress)
    if photo.grey:
        done[..., :3] = _mean(done[..., :3])[..., None]
    if given.ndim == 2:
        done = np.ascontiguousarray(done[..., 0])
    elif given.shape[2] == 4:
        done[..., 3] = given[..., 3]
    return dataclasses.replace(photo, pixels=done)


def restore_crop(
    restorer: Restorer, photo: Photo, crop: Crop, *, strength: float = 1.0
) -> tuple[Photo, Photo]:
    """(`crop` of `photo`, the same restored), both upright.

    Restored with what the network sees around it: what the whole photo would give there.
    """
    photo = upright(photo)
    height, width = photo.pixels.shape[:2]
    x, y, w, h = crop
    if x + w > width or y + h > height:
        raise InputError(
            f"`crop` must lie inside the photo, which is {width}x{height}. "
            f"Received: {x},{y},{w}x{h}."
        )
    halo, grid = restorer.halo_px or 0, restorer.multiple
    top, left = (max(at - halo, 0) // grid * grid for at in (y, x))
    bottom, right = (-(-(at + halo) // grid) * grid for at in (y + h, x + w))
    around = dataclasses.replace(photo, pixels=photo.pixels[top:bottom, left:right])
    done = restore_photo(restorer, around, strength=strength).pixels
    inside = done[y - top : y - top + h, x - left : x - left + w]
    return (
        dataclasses.replace(photo, pixels=np.ascontiguousarray(photo.pixels[y : y + h, x : x + w])),
        dataclasses.replace(photo, pixels=np.ascontiguousarray(inside)),
    )


def side_by_side(before: Photo, after: Photo) -> Photo:
    """Both photos in one, the restored one on the right, upright."""
    left, right = upright(before), upright(after)
    return dataclasses.replace(left, pixels=np.concatenate([left.pixels, right.pixels], axis=1))


def _mean(pixels: NDArray) -> NDArray:
    """The rounded mean over the channels, in rows so that no copy of the photo is made."""
    out = np.empty(pixels.shape[:2], pixels.dtype)
    for row, channels in zip(out, pixels, strict=True):
        row[:] = np.rint(channels.mean(axis=-1, dtype=np.float32))
    return out
