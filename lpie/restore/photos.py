"""Restores one photo as its file stores it, all of it or a crop."""

import dataclasses
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

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

    A network that enlarges returns a larger photo, whose alpha is enlarged by bicubic.

    The pixels are taken as they are: a colour profile stays beside them. strength, progress: as of
    `Restorer.restore`.
    """
    exact = True

    def restore(picture: Photo) -> Photo:
        nonlocal exact
        if picture.mask:
            return picture.enlarged(restorer.scale)
        _check_channels(restorer, picture)
        result, rgb = picture.canvas(restorer.scale)
        c = restorer.channels
        restored = restorer.restored(
            picture.rgb()[..., :c], out=rgb[..., :c], strength=strength, progress=progress
        )
        if c == 1:
            rgb[..., 1:] = rgb[..., :1]
        exact = exact and restored.plan.exact
        return picture.finished(result, rgb)

    after = photo.with_pictures([restore(picture) for picture in photo.pictures])
    return RestoredPhoto(photo, after, exact)


def restore_crop(
    restorer: Restorer, photo: Photo, crop: Crop, *, strength: float = 1.0
) -> RestoredPhoto:
    """`crop` of `photo` restored, upright.

    It is restored with what the network sees around it: the result is that of the whole photo.
    """
    before, photo = cropped(photo, crop), upright(photo)
    x, y, w, h = crop
    halo, grid = restorer.halo_px or 0, restorer.multiple
    top, left = (max(at - halo, 0) // grid * grid for at in (y, x))
    bottom, right = (-(-(at + halo) // grid) * grid for at in (y + h, x + w))
    around = photo.cropped(slice(top, bottom), slice(left, right))
    restored = restore_photo(restorer, around, strength=strength)
    s = restorer.scale
    inside = [slice(a * s, (a + side) * s) for a, side in ((y - top, h), (x - left, w))]
    return RestoredPhoto(
        before,
        restored.after.cropped(*inside),
        restored.exact,
    )


def cropped(photo: Photo, crop: Crop) -> Photo:
    """`crop` of `photo`, upright.

    Raises:
        InputError: It reaches beyond the photo.
    """
    photo = upright(photo)
    height, width = photo.pixels.shape[:2]
    x, y, w, h = crop
    if x + w > width or y + h > height:
        raise InputError(
            f"`crop` must lie inside the photo, which is {width}x{height}. "
            f"Received: {x},{y},{w}x{h}."
        )
    return photo.cropped(slice(y, y + h), slice(x, x + w))


def side_by_side(before: Photo, after: Photo) -> Photo:
    """Both photos in one, the restored one on the right, upright.

    Beside an enlarged photo stands the other one, enlarged by bicubic.
    """
    left, right = upright(before), upright(after)
    left = left.enlarged(right.pixels.shape[0] // left.pixels.shape[0])
    pixels = np.concatenate([left.pixels, right.pixels], axis=1)
    changes = dataclasses.replace(left.changes, side_by_side=True)
    return dataclasses.replace(left, pixels=pixels, more=(), changes=changes)


def _check_channels(restorer: Restorer, photo: Photo) -> None:
    """Raise an `InputError` for a photo whose channels the network does not take."""
    takes, returns = restorer.channels, restorer.result_channels
    if (takes, returns) not in ((1, 1), (3, 3)):
        raise InputError(
            f"The network takes images of {takes} channels and returns {returns}; a photo has "
            "3 (RGB), or 1 in grey. Use it from Python: lpie.Restorer(MODEL).restore(array)."
        )
    if takes == 1 and not photo.grey:
        raise InputError(
            "The network takes grey images, and this photo has colours. Convert the photo to grey "
            "first, or use a network of 3 channels."
        )
