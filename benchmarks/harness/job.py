"""What is to be measured: a model at a size, whole or by the tiles of `lpie restore`, somewhere."""

import functools
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lpie.benchmarks.harness.delegate import CPU, Delegate
from lpie.errors import InputError
from lpie.restore.tile_grid import Tile, even_tile, plan_tiles
from lpie.size import Size
from lpie.tflite.cost import xnnpack_peak_mb
from lpie.tflite.model import TfliteModel


@dataclass(frozen=True)
class Job:
    """One thing to measure. size, tile: (width, height) in px; tile is size where it runs whole.

    halo_px: how far the network looks, None when tiles would not be exact.
    """

    model: Path
    size: tuple[int, int]
    tile: tuple[int, int]
    halo_px: int | None
    multiple: int
    delegate: Delegate
    threads: int | None
    estimated_mb: float

    def __str__(self) -> str:
        how = "" if self.whole else f" by {len(self.plan())} tiles"
        threads = f" x{self.threads}" if self.threads else ""
        return f"{self.model.name} {name_of(self.size)}{how} on {self.delegate}{threads}"

    @property
    def whole(self) -> bool:
        """Whether the image goes through the network in one piece."""
        return self.tile == self.size

    def plan(self) -> list[Tile]:
        """The tiles, as `lpie restore` makes them."""
        return plan_tiles(
            self.size[::-1], self.tile[::-1], halo_px=self.halo_px or 0, multiple=self.multiple
        )

    def tiled(self, tile_px: int) -> "Job":
        """The same by tiles of at most `tile_px`; an `InputError` where they would not be exact."""
        if self.halo_px is None:
            raise InputError(f"{self.model} cannot be run by tiles: its spec names no halo.")
        size = self.size[::-1]
        most = min(size[0], tile_px), min(size[1], tile_px)
        tile = even_tile(size, most, halo_px=self.halo_px, multiple=self.multiple)
        job = replace(self, tile=tile[::-1])
        return replace(job, estimated_mb=_peak_mb(self.model, job.tile))

    def data(self) -> bytes:
        """The model for one tile."""
        return TfliteModel.read(self.model).resized(Size(*self.tile[::-1])).to_bytes()

    def key(self) -> str:
        """A file name on a device: the same for jobs that need the same files."""
        told = f"{self.model}|{self.size}|{self.tile}"
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def file_name(self) -> str:
        """A name for its record."""
        threads = f"-{self.threads}" if self.threads else ""
        how = "" if self.whole else "-tiles"
        at = str(self.delegate).replace(":", "-")
        return f"{self.model.stem}-{name_of(self.size)}{how}-{at}{threads}"

    def requested(self) -> dict[str, Any]:
        """Its part of a record's `requested`."""
        tiles = {
            "tile": name_of(self.tile),
            "count": len(self.plan()),
            "halo_px": self.halo_px,
        }
        return {
            "delegate": self.delegate.name,
            "accelerator": self.delegate.accelerator or None,
            "precision": self.delegate.precision,
            "threads": self.threads,
            "size": name_of(self.size),
            "mode": "whole" if self.whole else "tiles",
            "tiles": None if self.whole else tiles,
        }


def make_job(model: Path, size: str, delegate: Delegate, threads: int) -> Job:
    """The job of a whole image; an `InputError` for a model that cannot take the size.

    threads: None on a delegate where they mean nothing.
    """
    spec = TfliteModel.read(model).spec
    multiple = spec.multiple if spec else 1
    height, width = Size.parse(size, multiple=multiple)
    return Job(
        model=model,
        size=(width, height),
        tile=(width, height),
        halo_px=spec.halo_px if spec else None,
        multiple=multiple,
        delegate=delegate,
        threads=threads if delegate.name in CPU else None,
        estimated_mb=_peak_mb(model, (width, height)),
    )


def name_of(size: tuple[int, int]) -> str:
    """(width, height) as WIDTHxHEIGHT."""
    return f"{size[0]}x{size[1]}"


@functools.cache
def _peak_mb(model: Path, size: tuple[int, int]) -> float:
    return xnnpack_peak_mb(TfliteModel.read(model).resized(Size(*size[::-1])))
