"""How a network goes over a photo: every constant of tiles, and the choice of their size."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.restore.tile_grid import Tile, even_lengths, even_tile, plan_tiles
from lpie.size import Size

# The longest side of a tile (px) of networks whose speed is not measured, such as those of Keras.
DEFAULT_TILE_PX = 768
# Longer tiles gain nothing: by then little is read twice.
LONGEST_TILE_PX = 2048
# The halo (px) of tiles that cannot be exact; neighbours are blended over it.
BLENDED_HALO_PX = 64

# What a restoration may take beside the photo, 10^6 bytes.
MAX_MEMORY_MB = 1000.0
# Beside an interpreter: a tile as it is cut, and as float32 in and out, with copies of these.
TILE_BYTES_PER_PX = 60


def tile_bytes_per_px(scale: int) -> float:
    """What a tile takes beside an interpreter per pixel, half of it for the output."""
    return TILE_BYTES_PER_PX * (1 + scale**2) / 2


# Keras took 1.5 to 1.9 times the bytes of the maps it holds (all networks of ours, TensorFlow).
KERAS_BYTES_PER_VALUE = 12

# A photo of fewer pixels is done before a measurement of the speed would pay for itself.
WORTH_MEASURING_PX = 8e6
# Sides of tiles (px) for that measurement: the smallest and the largest that fits into memory are
# timed, PROBE_RUNS times after a first run.
PROBE_SIDES_PX = (256, 384, 512, 640, 768, 1024)
PROBE_RUNS = 2

HALOS = ("exact", "fast")
Halo = Literal["exact", "fast"]
# What the halo "fast" may change: 1/1024 of a level of 255, in [0, 1]. An eighth of that is allowed
# on the images that the halo is measured on: some photos have more error than these, none had twice
# as much.
FAST_HALO_ERROR = 1 / 1024 / 255
FAST_HALO_MARGIN = 8


@dataclass(frozen=True)
class Plan:
    """One way to go over a photo.

    Attributes:
        size: The photo's size, grown to the network's grid.
        tile: The size of what one run takes.
        halo_px: How far tiles reach beyond what is kept of them, in px.
        multiple: The network's grid, in px.
        workers: Interpreters side by side.
        threads: Threads of each of them.
        exact: Whether the result is that of the whole image (with the halo "fast" to 1/1024 of a
            level); else neighbours are blended over their halos.
        estimated_mb: What all this takes, in 10^6 bytes; 0 when it is unknown.
        scale: How many times as high and wide the network's output is. All other sizes are those
            of its input.
    """

    size: Size
    tile: Size
    halo_px: int
    multiple: int
    workers: int = 1
    threads: int = 1
    exact: bool = True
    estimated_mb: float = 0.0
    scale: int = 1

    def __post_init__(self) -> None:
        for name in ("size", "tile"):
            object.__setattr__(self, name, Size(*getattr(self, name)))

    @staticmethod
    def from_json(table: Mapping[str, Any]) -> "Plan":
        """The plan that `dataclasses.asdict` and JSON made a table of."""
        return Plan(**table)

    def tiles(self) -> list[Tile]:
        """The tiles, in rows from the top left."""
        return plan_tiles(self.size, self.tile, halo_px=self.halo_px, multiple=self.multiple)


class Grid(Protocol):
    """What the tiles of a network depend on, in px: see `lpie.restore.network.ImageModel`."""

    multiple: int
    halo_px: int | None
    fixed: tuple[int, int] | None


@dataclass(frozen=True)
class Budget:
    """The memory that a restoration may take beside the photo, in 10^6 bytes.

    Attributes:
        max_memory_mb: For everything.
        result_mb: What the restored photo takes of it.
    """

    max_memory_mb: float = math.inf
    result_mb: float = 0.0

    @property
    def left_mb(self) -> float:
        """What is left for interpreters and their tiles."""
        return self.max_memory_mb - self.result_mb

    def too_small(self, tile_mb: float) -> InputError:
        """The error when not even the smallest tile fits, which takes `tile_mb`."""
        return InputError(
            f"`max_memory_mb` {self.max_memory_mb:g} is too small: the result takes "
            f"{_megabytes(self.result_mb)} MB and the smallest tile {_megabytes(tile_mb)} MB. "
            f"Use at least {math.ceil(self.result_mb + tile_mb)}."
        )


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


def check_tile_px(
    tile_px: int | None, *, multiple: int, halo_px: int | None, fixed: tuple[int, int] | None
) -> None:
    """Raise an `InputError` for a side of tiles that a network of that geometry cannot use."""
    if tile_px is None:
        return
    if fixed and (tile_px, tile_px) != tuple(fixed):
        raise InputError(
            f"`tile_px` cannot be chosen: the model takes images of {Size(*fixed)} alone. "
            f"Received: {tile_px}."
        )
    least = smallest_side(multiple, halo_px)
    if tile_px % multiple or tile_px < least:
        raise InputError(
            f"`tile_px` must be a multiple of {multiple} and at least {least}. "
            f"Received: {tile_px}. Try {max(-(-tile_px // multiple) * multiple, least)}."
        )


def smallest_side(multiple: int, halo_px: int | None) -> int:
    """The shortest side of a tile of which something is kept, in px."""
    return 2 * (halo_px or 0) + multiple


def fastest_plan(
    size: Size,
    *,
    halo_px: int,
    multiple: int,
    rates: list[Rates],
    estimate_mb: Callable[[NDArray], NDArray],
    budget: Budget,
    most_px: int = LONGEST_TILE_PX,
) -> Plan:
    """The plan that the `rates` make fastest within `budget`, for a photo of `size` on the grid.

    estimate_mb: what one interpreter takes for a tile of an area in px. Raises an `InputError` when
    not even the smallest tile fits.
    """
    rows, columns = (
        even_lengths(length, most_px, halo_px=halo_px, multiple=multiple) for length in size
    )
    (heights, down), (widths, across) = np.array(rows).T, np.array(columns).T
    area, count = np.multiply.outer(heights, widths), np.multiply.outer(down, across)
    one_mb, least_mb = estimate_mb(area), math.inf
    best = math.inf, size, 1, 1, 0.0
    for rate in rates:
        taken_mb = np.minimum(count, rate.workers) * one_mb
        least_mb = min(least_mb, float(taken_mb.min()))
        seconds = np.where(taken_mb <= budget.left_mb, rate.seconds(area, count), math.inf)
        i, k = np.unravel_index(np.argmin(seconds), seconds.shape)
        workers = min(int(count[i, k]), rate.workers)
        tile = Size(int(heights[i]), int(widths[k]))
        best = min(best, (seconds[i, k], tile, workers, rate.threads, float(taken_mb[i, k])))
    if best[0] == math.inf:
        raise budget.too_small(least_mb)
    _, tile, workers, threads, needed_mb = best
    return Plan(size, tile, halo_px, multiple, workers, threads, estimated_mb=needed_mb)


def unmeasured_plan(
    size: Size,
    *,
    halo_px: int | None,
    multiple: int,
    fixed: tuple[int, int] | None = None,
    mb_per_px: float = 0.0,
    budget: Budget,
    tile_px: int | None = None,
) -> Plan:
    """The plan of a network whose speed is not measured, for a photo of `size` on the grid.

    fixed: the only (height, width) that it takes. mb_per_px: what it takes per pixel of a tile.
    """
    longest = _longest_side(size, mb_per_px, budget, smallest_side(multiple, halo_px), multiple)
    if fixed or halo_px is None:
        side = min(tile_px or longest, longest)
        plan = whole_or_blended_plan(size, fixed, halo_px, multiple, side)
        return replace(plan, estimated_mb=mb_per_px * plan.tile.pixels)
    side = min(tile_px or DEFAULT_TILE_PX, longest)
    most = Size(min(size.height, side), min(size.width, side))
    tile = even_tile(size, most, halo_px=halo_px, multiple=multiple)
    return Plan(size, tile, halo_px, multiple, estimated_mb=mb_per_px * tile.pixels)


def plan_of_grid(
    network: Grid, size: Size, budget: Budget, tile_px: int | None, mb_per_px: float = 0.0
) -> Plan:
    """The plan of a `network` whose speed is not measured, for a photo of any `size`."""
    return unmeasured_plan(
        size.rounded_up(network.multiple),
        halo_px=network.halo_px,
        multiple=network.multiple,
        fixed=network.fixed,
        mb_per_px=mb_per_px,
        budget=budget,
        tile_px=tile_px,
    )


def whole_or_blended_plan(
    size: Size,
    fixed: tuple[int, int] | None,
    halo_px: int | None,
    multiple: int,
    tile_px: int | None,
) -> Plan:
    """The plan of a network that takes the `fixed` size alone, or that is not local (no halo).

    One that is not local is run whole where nothing forbids it; tiles of it are blended.
    """
    if fixed:
        tile = Size(*fixed)
        size = Size(max(size[0], tile.height), max(size[1], tile.width))
    else:
        tile = Size(*(min(length, tile_px or length) for length in size))
    overlap = BLENDED_HALO_PX if halo_px is None else halo_px
    if halo_px is None:
        overlap = min(overlap, min(tile) // 4) // multiple * multiple  # half of each tile is kept
    exact = halo_px is not None or tile == size
    return Plan(size, tile, overlap, multiple, exact=exact)


def shares(threads: int) -> Iterator[tuple[int, int]]:
    """(workers, threads of each): the ways to use `threads` that are worth a measurement."""
    for workers in sorted({1, threads, *([threads // 4] if threads >= 8 else [])}, reverse=True):
        yield workers, threads // workers


def _longest_side(size: Size, mb_per_px: float, budget: Budget, least: int, multiple: int) -> int:
    """The longest side (px) of a tile that fits in the budget, of a photo of `size`."""
    if size.pixels * mb_per_px <= budget.left_mb:
        return max(size)
    smallest_mb = mb_per_px * math.prod(min(length, least) for length in size)
    if smallest_mb > budget.left_mb:
        raise budget.too_small(smallest_mb)
    side = int(math.sqrt(budget.left_mb / mb_per_px)) // multiple * multiple
    return max(side, least)


def _megabytes(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
