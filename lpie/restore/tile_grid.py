"""The geometry of tiles: which part of an image each one reads, and which of its output is kept."""

import itertools
from typing import NamedTuple

from lpie.errors import InputError
from lpie.size import Size


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
    The fewest tiles that can do so are spread evenly.
    """
    rows = _plan_axis(size[0], tile[0], halo_px, multiple)
    columns = _plan_axis(size[1], tile[1], halo_px, multiple)
    return [Tile((y, x), tile, (y0, x0), (y1, x1)) for y, y0, y1 in rows for x, x0, x1 in columns]


def even_tile(size: tuple[int, int], most: tuple[int, int], *, halo_px: int, multiple: int) -> Size:
    """The smallest tile (height, width) of which as few cover `size` as of `most`.

    For a graph that can be resized: the tiles divide the image with the least overlap.
    """
    return Size(
        *(
            _even_length(length, min(length, tile), halo_px, multiple)
            for length, tile in zip(size, most, strict=True)
        )
    )


def even_lengths(length: int, most: int, *, halo_px: int, multiple: int) -> list[tuple[int, int]]:
    """(length of a tile, how many of it) for each number of even tiles along one axis.

    The tiles are at most `most` px long; the longest, which are the fewest, come first.
    """
    lengths = []
    most = min(most, length) // multiple * multiple
    while most == length or most >= 2 * halo_px + multiple:
        tile = _even_length(length, most, halo_px, multiple)
        lengths.append((tile, _count(length, tile, halo_px, multiple)))
        most = tile - multiple
    return lengths


def _even_length(length: int, most: int, halo_px: int, multiple: int) -> int:
    count = _count(length, most, halo_px, multiple)
    if count == 1:
        return length
    # `count` tiles reach (count - 1) steps further than one, and a step is the tile less its halos,
    # rounded down to the grid, which may want a tile or two multiples larger.
    tile = (length + 2 * halo_px * (count - 1)) // count
    tile = max(tile, 2 * halo_px + multiple) // multiple * multiple
    return next(
        side
        for side in range(tile, most + 1, multiple)
        if side >= 2 * halo_px + multiple and _count(length, side, halo_px, multiple) == count
    )


def _plan_axis(length: int, tile: int, halo_px: int, multiple: int) -> list[tuple[int, int, int]]:
    """(origin, start, stop) of each tile along one axis."""
    count = _count(length, tile, halo_px, multiple)
    room = (length - tile) // multiple
    origins = [room * i // max(count - 1, 1) * multiple for i in range(count)]
    # Between two neighbours the seam lies in the middle of what both may keep.
    seams = [(a + tile + b) // 2 for a, b in itertools.pairwise(origins)]
    bounds = [0, *seams, length]
    return list(zip(origins, bounds[:-1], bounds[1:], strict=True))


def _count(length: int, tile: int, halo_px: int, multiple: int) -> int:
    """How many tiles of `tile` px one axis needs."""
    if length % multiple or tile % multiple:
        raise InputError(
            f"Image and tile must be multiples of {multiple} px. Received: {length} and {tile}."
        )
    if tile > length:
        raise InputError(f"The tile ({tile} px) must not exceed the image ({length} px).")
    if tile == length:
        return 1
    step = (tile - 2 * halo_px) // multiple  # in multiples, as origins are
    if step < 1:
        raise InputError(
            f"A tile of {tile} px leaves nothing inside the halo of {halo_px} px on each side. "
            f"Use tiles of at least {2 * halo_px + multiple} px."
        )
    return 1 + -(-((length - tile) // multiple) // step)
