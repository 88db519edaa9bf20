"""Restored tiles put into the photo: side by side, or blended where no tiling is exact."""

import cv2
import numpy as np
from numpy.typing import NDArray

from lpie.image.image import to_float, to_levels_of
from lpie.restore.tile_grid import Tile
from lpie.restore.tile_policy import Plan

# How far a bicubic enlargement looks, in px.
CUBIC_REACH_PX = 2


def stitch(restored: NDArray[np.float32], tile: Tile, plan: Plan, out: NDArray) -> int:
    """Write the part of a restored tile that is kept into `out`.

    Returns how many pixels of the input that are.
    """
    h, w, _ = out.shape
    share: NDArray[np.float32] | None = None
    if plan.exact:
        y0, x0, y1, x1 = (plan.scale * at for at in (*tile.start, *tile.stop))
    else:
        y0, x0, y1, x1, share = _blend(tile, plan)
    y0, y1, x0, x1 = min(y0, h), min(y1, h), min(x0, w), min(x1, w)
    y, x = (plan.scale * at for at in tile.origin)
    kept, place = restored[y0 - y : y1 - y, x0 - x : x1 - x], out[y0:y1, x0:x1]
    if share is not None:
        share = share[: y1 - y0, : x1 - x0]
        before = place if place.dtype == np.float32 else to_float(place)
        # What was there before the first tile may be anything, NaN too.
        with np.errstate(invalid="ignore", over="ignore"):
            kept = np.where(share < 1, before + share * (kept - before), kept)
    place[...] = to_levels_of(kept, out.dtype)
    (top, left), (bottom, right) = tile.start, tile.stop
    h, w = h // plan.scale, w // plan.scale
    return max(min(bottom, h) - top, 0) * max(min(right, w) - left, 0)


def enlarged(image: NDArray, scale: int) -> NDArray:
    """`image` [H, W] or [H, W, C], uint8, uint16 or float32, `scale` times as large: bicubic."""
    if scale == 1:
        return image
    h, w = image.shape[:2]
    size = (w * scale, h * scale)
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_CUBIC).reshape(
        h * scale, w * scale, *image.shape[2:]
    )


def enlarged_part(
    image: NDArray, origin: tuple[int, int], size: tuple[int, int], scale: int
) -> NDArray[np.float32]:
    """The part of the `enlarged` whole `image` that belongs to `size` pixels from `origin` on.

    Beyond the image its last line is repeated.
    """
    (y, x), (h, w) = origin, size
    top, left = max(y - CUBIC_REACH_PX, 0), max(x - CUBIC_REACH_PX, 0)
    around = image[top : y + h + CUBIC_REACH_PX, left : x + w + CUBIC_REACH_PX]
    if around.dtype != np.float32:
        around = to_float(around)
    part = enlarged(around, scale)[(y - top) * scale :, (x - left) * scale :]
    part = part[: h * scale, : w * scale]
    missing = h * scale - part.shape[0], w * scale - part.shape[1]
    return np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")


def _blend(tile: Tile, plan: Plan) -> tuple[int, int, int, int, NDArray[np.float32]]:
    """(y0, x0, y1, x1, [H, W, 1] share) of the photo that `tile` is laid over.

    All in pixels of the output. The tiles come in rows. What is there already keeps 1 - share, so
    that after the last tile each pixel is the mean of those that cover it, weighted by ramps which
    add up to 1. The ramps are as wide as the halo: half of what two tiles share; the rest keeps the
    network's own padding away.
    """
    s = plan.scale
    (y0, y1, down, above), (x0, x1, across, left) = (
        _ramp(s * tile.start[k], s * tile.stop[k], s * plan.size[k], s * plan.halo_px // 2)
        for k in (0, 1)
    )
    own = down[:, None] * across
    before = above[:, None] + down[:, None] * left
    share = own / np.maximum(before + own, np.float32(1e-9))
    return y0, x0, y1, x1, share[..., None]


def _ramp(start: int, stop: int, length: int, reach: int) -> tuple[int, int, NDArray, NDArray]:
    """(first, end, own weight, weight of the tiles before) along one axis."""
    first, end = max(start - reach, 0), min(stop + reach, length)
    at = np.arange(first, end, dtype=np.float32) + np.float32(0.5)
    steep = np.float32(2 * max(reach, 0.25))
    rise = np.clip((at - (start - reach)) / steep, 0, 1) if start else np.ones_like(at)
    fall = np.clip((stop + reach - at) / steep, 0, 1) if stop < length else np.ones_like(at)
    return first, end, rise * fall, 1 - rise
