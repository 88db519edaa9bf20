"""How long and how carefully is measured; every default is written here."""

from dataclasses import dataclass
from typing import Literal

from lpie.errors import InputError
from lpie.restore.tile_policy import DEFAULT_TILE_PX

Mode = Literal["auto", "whole", "tiles"]


@dataclass(frozen=True)
class Settings:
    """One protocol for all jobs of a bench.

    rounds, runs, seconds: each round has at least so many runs and lasts so long. warmup_s: before
    each round; before the first one also calls until they are alike, 0 for none. cool_to_c: a round
    begins at this temperature of skin and battery or below, and at thermal status 0; cool_s: how
    long to wait for it. limit_s: of one call. sustained_min: minutes without a pause, in a record
    of its own; 0 for none. profile: time each op in a pass of its own. mode: `auto` takes tiles
    where the whole image does not fit.
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
    tile_px: int = DEFAULT_TILE_PX

    def __post_init__(self) -> None:
        least = {"rounds": 1, "runs": 1, "seconds": 0, "warmup_s": 0, "cool_to_c": 1, "cool_s": 0,
                 "limit_s": 1, "sustained_min": 0, "tile_px": 1}  # fmt: skip
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not low <= value <= 1e5:
                raise InputError(
                    f"`{name}` must be a number from {low} to 100000. Received: {value!r}."
                )
        if self.mode not in ("auto", "whole", "tiles"):
            raise InputError(f"`mode` must be auto, whole or tiles. Received: {self.mode!r}.")
