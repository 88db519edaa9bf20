"""How a network goes over a photo: its tiles, and how many interpreters share them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.restore.tile_grid import Tile, even_lengths, plan_tiles

# Longer tiles gain nothing: what is read twice is little by then.
MOST_PX = 2048
HALOS = ("exact", "fast")
Halo = Literal["exact", "fast"]
# The halo of tiles that cannot be exact.
OVERLAP_PX = 64


@dataclass(frozen=True)
class Plan:
    """One way to go over a photo; sizes are (height, width) in px.

    size: the photo's, grown to the network's grid. tile: what one run takes. halo_px: how far
    tiles reach beyond what is kept of them. workers: interpreters side by side, of `threads` each.
    exact: the result is that of the whole image (to `halo="fast"`'s 1/1024 of a level); else
    neighbours are blended over their halos. estimated_mb: what all this takes, 10^6 bytes.
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    halo_px: int
    multiple: int
    workers: int = 1
    threads: int = 1
    exact: bool = True
    estimated_mb: float = 0.0

    @staticmethod
    def from_json(table: dict[str, Any]) -> "Plan":
        """The plan that `dataclasses.asdict` and JSON made a table of."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        return Plan(**values)

    def tiles(self) -> list[Tile]:
        """The tiles, in rows from the top left."""
        return plan_tiles(self.size, self.tile, halo_px=self.halo_px, multiple=self.multiple)


@dataclass(frozen=True)
class Rates:
    """What `workers` interpreters of `threads` each do together, and what they take to set up.

    pixels_per_s, setup_s_per_pixel: at tiles of the areas `areas_px`, which rise.
    """

    workers: int
    threads: int
    areas_px: tuple[float, ...] = (1.0,)
    pixels_per_s: tuple[float, ...] = (1e6,)
    setup_s_per_pixel: float = 1e-6

    def seconds(self, area_px: NDArray, count: NDArray) -> NDArray:
        """The time for `count` tiles of that area each, set-up included."""
        rate = np.interp(np.log(area_px), np.log(self.areas_px), self.pixels_per_s)
        rounds, busy = -(-count // self.workers), np.minimum(count, self.workers)
        return rounds * self.workers * area_px / rate + busy * area_px * self.setup_s_per_pixel


def fastest(
    size: tuple[int, int],
    *,
    halo_px: int,
    multiple: int,
    rates: list[Rates],
    estimate_mb: Callable[[NDArray], NDArray],
    budget_mb: float,
    most_px: int = MOST_PX,
) -> Plan:
    """The plan for a padded photo of `size` that the `rates` make fastest within `budget_mb`.

    estimate_mb: what one interpreter takes for a tile of an area in px. Raises an `InputError` when
    not even the smallest tile fits.
    """
    rows, columns = (
        even_lengths(length, most_px, halo_px=halo_px, multiple=multiple) for length in size
    )
    (heights, down), (widths, across) = np.array(rows).T, np.array(columns).T
    area, count = np.multiply.outer(heights, widths), np.multiply.outer(down, across)
    each_mb = estimate_mb(area)
    best = math.inf, size, 1, 1, 0.0
    for rate in rates:
        taken_mb = np.minimum(count, rate.workers) * each_mb
        seconds = np.where(taken_mb <= budget_mb, rate.seconds(area, count), math.inf)
        i, k = np.unravel_index(np.argmin(seconds), seconds.shape)
        workers = min(int(count[i, k]), rate.workers)
        tile = int(heights[i]), int(widths[k])
        best = min(best, (seconds[i, k], tile, workers, rate.threads, float(taken_mb[i, k])))
    if best[0] == math.inf:
        raise too_little_memory(budget_mb, each_mb.min())
    _, tile, workers, threads, needed_mb = best
    return Plan(size, tile, halo_px, multiple, workers, threads, estimated_mb=needed_mb)


def too_little_memory(left_mb: float, needed_mb: float) -> InputError:
    """The error when what is left beside the result is not enough for the smallest tile."""
    return InputError(
        f"`max_memory_mb` leaves {max(left_mb, 0):,.0f} MB beside the result, and the smallest "
        f"tile needs {needed_mb:,.0f}. Allow more memory."
    )


def whole_or_blended(
    size: tuple[int, int],
    fixed: tuple[int, int] | None,
    halo_px: int | None,
    multiple: int,
    tile_px: int | None,
) -> Plan:
    """The plan of a network that takes the `fixed` size alone, or that is not local (no halo).

    One that is not local is run whole where nothing forbids it; tiles of it are blended.
    """
    if fixed:
        tile, size = fixed, (max(size[0], fixed[0]), max(size[1], fixed[1]))
    else:
        tile = (min(size[0], tile_px or size[0]), min(size[1], tile_px or size[1]))
    overlap = OVERLAP_PX if halo_px is None else halo_px
    if halo_px is None:
        overlap = min(overlap, min(tile) // 4) // multiple * multiple  # half of each tile is kept
    exact = halo_px is not None or tile == size
    return Plan(size, tile, overlap, multiple, exact=exact)


def shares(threads: int) -> Iterator[tuple[int, int]]:
    """(workers, threads of each): the ways to use `threads` that are worth a measurement."""
    for workers in sorted({1, threads, *([threads // 4] if threads >= 8 else [])}, reverse=True):
        yield workers, threads // workers
