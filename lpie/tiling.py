"""Which part of an image each tile reads, and which part of its output is kept."""

import itertools
from typing import NamedTuple

from lpie.errors import InputError


class Tile(NamedTuple):
    """One tile: reads `size` pixels at `origin`, keeps those between `start` and `stop`.

    All are (y, x) in pixels of the image.
    """

    origin: tuple[int, int]
    size: tuple[int, int]
    start: tuple[int, int]
    stop: tuple[int, int]


def plan_tiles(
    size: tuple[int, int], tile: tuple[int, int], *, halo_px: int, multiple: int
) -> list[Tile]:
    """Tiles that cover an image of `size` (height, width) with tiles of shape `tile`.

    Every tile has the same shape and an origin on the network's grid, and what it keeps lies at
    least `halo_px` inside it, except at the border of the image, where the network's own padding
    is the right one. Then a local network's tiled output equals its output for the whole image.
    """
    rows = _plan_axis(size[0], tile[0], halo_px, multiple)
    columns = _plan_axis(size[1], tile[1], halo_px, multiple)
    return [Tile((y, x), tile, (y0, x0), (y1, x1)) for y, y0, y1 in rows for x, x0, x1 in columns]


def _plan_axis(length: int, tile: int, halo_px: int, multiple: int) -> list[tuple[int, int, int]]:
    """(origin, start, stop) of each tile along one axis."""
    if length % multiple or tile % multiple:
        raise InputError(
            f"Image and tile must be multiples of {multiple} px. Received: {length} and {tile}."
        )
    if tile > length:
        raise InputError(f"The tile ({tile} px) must not exceed the image ({length} px).")
    if tile == length:
        return [(0, 0, length)]
    step = tile - 2 * halo_px
    if step < multiple:
        raise InputError(
            f"A tile of {tile} px leaves nothing inside the halo of {halo_px} px on each side. "
            f"Use tiles of at least {2 * halo_px + multiple} px."
        )
    step -= step % multiple
    origins = [*range(0, length - tile, step), length - tile]
    # Between two neighbours the seam lies in the middle of what both may keep.
    seams = [(a + tile + b) // 2 for a, b in itertools.pairwise(origins)]
    bounds = [0, *seams, length]
    return list(zip(origins, bounds[:-1], bounds[1:], strict=True))
