"""Restores one photo as its file stores it, all of it or a crop."""

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
    """A part of a photo as it is shown, in px: `width` x `height` from (x, y) on."""

    x: int
    y: int
    width: int
    height: int

    @staticmethod
    def parse(text: str) -> "Crop":
        """The crop that a person typed: X,Y,WIDTHxHEIGHT."""
        match = re.fullmatch(r"(\d{1,6}),(\d{1,6}),(\d{1,6})x(\d{1,6})", text.strip().lower())
        if not match or "0" in (match[3], match[4]):
            raise InputError(
                f"`crop` must be X,Y,WIDTHxHEIGHT in px. Received: {text!r}. Try 100,100,640x480."
            )
        return Crop(*(int(n) for n in match.groups()))


class RestoredPhoto(NamedTuple):
    """A photo before and after its restoration; `exact` as of `lpie.restore.tile_policy.Plan`."""

    before: Photo
    after: Photo
    exact: bool


def restore_photo(
    restorer: Restorer,
    photo: Photo,
    *,
    strength: float = 1.0,
    progress: Callable[[int], object] = lambda pixels: None,
) -> RestoredPhoto:
    """`photo` restored, with its alpha and metadata. Grey photos stay grey.

    The pixels are taken as they are: a colour profile stays beside them. strength, progress: as of
    `Restorer.restore`.
    """
    pixels = photo.pixels
    out = np.empty(pixels.shape if pixels.ndim == 3 else (*pixels.shape, 3), pixels.dtype)
    restored = restorer.restored(
        photo.rgb(), out=out[..., 2::-1], strength=strength, progress=progress
    )
    if photo.grey:
        out[..., :3] = _mean(out[..., :3])[..., None]
    if pixels.ndim == 2:
        out = np.ascontiguousarray(out[..., 0])
    elif pixels.shape[2] == 4:
        out[..., 3] = pixels[..., 3]
    return RestoredPhoto(photo, dataclasses.replace(photo, pixels=out), restored.plan.exact)


def restore_crop(
    restorer: Restorer, photo: Photo, crop: Crop, *, strength: float = 1.0
) -> RestoredPhoto:
    """`crop` of `photo` restored, upright.

    It is restored with what the network sees around it: the result is that of the whole photo.
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
    restored = restore_photo(restorer, around, strength=strength)
    inside = restored.after.pixels[y - top : y - top + h, x - left : x - left + w]
    return RestoredPhoto(
        dataclasses.replace(photo, pixels=np.ascontiguousarray(photo.pixels[y : y + h, x : x + w])),
        dataclasses.replace(photo, pixels=np.ascontiguousarray(inside)),
        restored.exact,
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
