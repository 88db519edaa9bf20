"""Restored tiles put into the photo: side by side, or blended where no tiling is exact."""

import numpy as np
from numpy.typing import NDArray

from lpie.image.image import to_float, to_levels_of
from lpie.restore.tile_grid import Tile
from lpie.restore.tile_policy import Plan


def stitch(restored: NDArray[np.float32], tile: Tile, plan: Plan, out: NDArray) -> int:
    """Write the part of a restored tile that is kept into `out`; return its number of pixels."""
    h, w, _ = out.shape
    share: NDArray[np.float32] | None = None
    if plan.exact:
        y0, x0, y1, x1 = (*tile.start, *tile.stop)
    else:
        y0, x0, y1, x1, share = _blend(tile, plan)
    y0, y1, x0, x1 = min(y0, h), min(y1, h), min(x0, w), min(x1, w)
    (y, x) = tile.origin
    kept, place = restored[y0 - y : y1 - y, x0 - x : x1 - x], out[y0:y1, x0:x1]
    if share is not None:
        share = share[: y1 - y0, : x1 - x0]
        before = place if place.dtype == np.float32 else to_float(place)
        # What was there before the first tile may be anything, NaN too.
        with np.errstate(invalid="ignore", over="ignore"):
            kept = np.where(share < 1, before + share * (kept - before), kept)
    place[...] = to_levels_of(kept, out.dtype)
    (top, left), (bottom, right) = tile.start, tile.stop
    return max(min(bottom, h) - top, 0) * max(min(right, w) - left, 0)


def _blend(tile: Tile, plan: Plan) -> tuple[int, int, int, int, NDArray[np.float32]]:
    """(y0, x0, y1, x1, [H, W, 1] share) of the photo that `tile` is laid over.

    The tiles come in rows. What is there already keeps 1 - share, so that after the last tile each
    pixel is the mean of those that cover it, weighted by ramps which add up to 1. The ramps are as
    wide as the halo: half of what two tiles share; the rest keeps the network's own padding away.
    """
    (y0, y1, down, above), (x0, x1, across, left) = (
        _ramp(tile.start[axis], tile.stop[axis], plan.size[axis], plan.halo_px // 2)
        for axis in (0, 1)
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
