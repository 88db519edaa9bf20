"""How long and how carefully is measured; every default is written here."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from lpie.errors import InputError
from lpie.restore.tile_policy import DEFAULT_TILE_PX

Mode = Literal["auto", "whole", "tiles"]

_LOWEST = {
    "rounds": 1,
    "runs": 1,
    "seconds": 0,
    "warmup_s": 0,
    "cool_to_c": 1,
    "cool_s": 0,
    "limit_s": 1,
    "sustained_min": 0,
    "tile_px": 1,
    "max_memory_mb": 1,
}


@dataclass(frozen=True)
class Settings:
    """One protocol for all jobs of a bench.

    Args:
        rounds: How often each model has its turn.
        runs: The fewest runs in each round.
        seconds: The shortest duration of each round.
        warmup_s: How long models warm up at most, in seconds; 0 for no warm-up. A process that
            stays up warms up once and until its runs are alike, another before each round.
        cool_to_c: A round begins when skin and battery are at this temperature or below, and the
            thermal status is 0. It is for devices behind adb.
        cool_s: How long to wait for that, in seconds.
        limit_s: The timeout of one call of the runner, in seconds.
        sustained_min: Minutes of a run without a pause, in a record of its own; 0 for none.
        profile: Time each op too, in runs of their own.
        mode: `whole` never splits the image, `tiles` always does, `auto` takes tiles where the
            whole image does not fit in memory.
        tile_px: The longest side of a tile; None for the usual one.
        max_memory_mb: Jobs that are expected to need more are not run whole, in 10^6 bytes. None
            for 80 % of the free memory; then a device behind adb may try all the same.
    """

    rounds: int = 5
    runs: int = 10
    seconds: float = 2.0
    warmup_s: float = 1.0
    cool_to_c: float = 38.0
    cool_s: float = 900.0
    limit_s: float = 600.0
    sustained_min: float = 0.0
    profile: bool = False
    mode: Mode = "auto"
    tile_px: int | None = None
    max_memory_mb: float | None = None

    def __post_init__(self) -> None:
        for name, low in _LOWEST.items():
            value = getattr(self, name)
            if value is None and name in ("tile_px", "max_memory_mb"):
                continue
            most = 1e9 if name == "max_memory_mb" else 1e5
            if isinstance(value, bool) or not low <= value <= most:
                raise InputError(
                    f"`{name}` must be a number from {low} to {most:.0f}. Received: {value!r}."
                )
        if self.mode not in ("auto", "whole", "tiles"):
            raise InputError(f"`mode` must be auto, whole or tiles. Received: {self.mode!r}.")

    @staticmethod
    def for_host(**changes: Any) -> "Settings":
        """The settings where only this computer measures, whose processes stay up and warm."""
        return dataclasses.replace(
            Settings(runs=1, seconds=1.0, warmup_s=5.0, mode="whole"), **changes
        )

    @property
    def longest_tile(self) -> int:
        """The longest side of a tile on a device behind adb, in px."""
        return self.tile_px or DEFAULT_TILE_PX
