"""What the Android app must compute as lpie does: `python -m tests.golden_numbers` writes it anew.

tests/system/test_golden.py compares the files with lpie, the app's JUnit tests compare them with
the app.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.benchmarks.records.record import new_record, timed_round
from lpie.benchmarks.records.statistics import describe, deviation
from lpie.image.image import pad_reflect, to_float, to_uint8
from lpie.restore.restorer import Restorer
from lpie.restore.tile_grid import even_tile, plan_tiles
from lpie.tflite.scales import from_levels, to_levels

FOLDER = Path(__file__).parent / "golden"
# (height, width), largest tile, halo, multiple: of pretrained networks, and corners.
PLANS = [
    ((1080, 1920), 768, 80, 8),
    ((2160, 3840), 768, 80, 8),
    ((3024, 4032), 768, 68, 4),
    ((4032, 3024), 384, 64, 8),
    ((768, 776), 768, 80, 8),
    ((184, 176), 168, 80, 8),
    ((8, 8), 768, 80, 8),
    ((1000, 1000), 100, 0, 4),
    ((721, 333), 37, 5, 1),
]
LEVELS = [("uint8", 1 / 255, 0), ("int8", 1 / 255, -128), ("int8", 0.0123, -77), ("uint8", 0.5, 3)]

# Milliseconds of each run of each round; those of three or more have a narrow interval.
ROUNDS = [
    [[100.0, 101.0, 99.0]],
    [[15200.0], [40600.0]],
    [[100.0, 101.0], [100.5, 99.5]],
    [[100.0], [101.0], [100.5]],
    [[100.0, 250.0, 10.0], [100.0, 250.0, 10.0], [100.0, 250.0, 10.0]],
]


class Blur:
    """A network that mixes each pixel with its neighbours left and right."""

    multiple = 4
    halo_px = 1
    fixed = None

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """`image` [H, W, 3] blurred, zeros beyond its edge; in the app's order of additions."""
        padded = np.pad(image, ((0, 0), (1, 1), (0, 0)))
        sides = padded[:, :-2] + padded[:, 2:]
        return image * np.float32(0.5) + sides * np.float32(0.25)


def golden() -> dict[str, Any]:
    """The contents of every file of tests/golden, by name."""
    return {
        "tiles.json": [_plan(*plan) for plan in PLANS],
        "pixels.json": {
            "float_bits": _bits(to_float(np.arange(256, dtype=np.uint8))),
            "outputs": _outputs(),
            "levels": [_levels(*each) for each in LEVELS],
            "reflected": [_reflected(*each) for each in ((1, 4), (2, 7), (5, 8), (5, 23))],
        },
        "restored.json": [_restored(*each) for each in ((7, 9, 8), (40, 61, 12), (33, 30, 16))],
        "statistics.json": [_statistics(count) for count in (1, 2, 7, 40)],
        "verdicts.json": [_verdict(rounds) for rounds in ROUNDS],
    }


def _plan(size: tuple[int, int], most: int, halo_px: int, multiple: int) -> dict[str, Any]:
    grid = {"halo_px": halo_px, "multiple": multiple}
    tile = even_tile(size, (most, most), **grid)
    fixed = (min(size[0], most), min(size[1], most))
    plans = [
        [[*part.origin, *part.start, *part.stop] for part in plan_tiles(size, each, **grid)]
        for each in (tile, fixed)
    ]
    return {"size": size, "most": most, **grid, "tile": tile, "even": plans[0], "fixed": plans[1]}


def _outputs() -> list[list[int]]:
    """[bits of a float32 output, its pixel]: every level, halves between them, beyond the range."""
    halves = (np.arange(-4, 520, dtype=np.float32) / 2) / np.float32(255)
    near = np.nextafter(halves, np.float32(2)), np.nextafter(halves, np.float32(-2))
    values = np.concatenate([halves, *near, np.float32([-3, 7, 1e9, -1e9, -0.0])])
    return [list(pair) for pair in zip(_bits(values), to_uint8(values).tolist(), strict=True)]


def _levels(dtype: str, scale: float, zero: int) -> dict[str, Any]:
    """What every pixel is as the model's integer, and what every integer is as a pixel."""
    kind = np.dtype(dtype)
    inputs = to_levels(to_float(np.arange(256, dtype=np.uint8)), kind, scale, zero)
    limits = np.iinfo(kind)
    every = np.arange(limits.min, limits.max + 1, dtype=kind)
    return {
        "dtype": dtype,
        "scale_bits": _bits(np.float32([scale]))[0],
        "zero": zero,
        "inputs": inputs.tolist(),
        "outputs": to_uint8(from_levels(every, scale, zero)).tolist(),
    }


def _reflected(length: int, wanted: int) -> dict[str, Any]:
    row = np.arange(length).reshape(1, length, 1)
    return {"length": length, "indices": pad_reflect(row, 1, wanted)[0, :, 0].tolist()}


def _restored(height: int, width: int, tile_px: int) -> dict[str, Any]:
    y, x, c = np.indices((height, width, 3))
    photo = ((37 * y + 101 * x + 53 * c + y * x % 17) % 256).astype(np.uint8)
    restored = Restorer(Blur(), tile_px=tile_px).restore(photo)
    return {
        "height": height,
        "width": width,
        "tile_px": tile_px,
        "crc32": zlib.crc32(restored.tobytes()),
    }


def _statistics(count: int) -> dict[str, Any]:
    times = [float(17 * i % 23) + 0.25 * i for i in range(count)]
    return {"times_ms": times, "spread_ms": deviation(times), **describe(times)}


def _verdict(rounds: list[list[float]]) -> dict[str, Any]:
    record = new_record(rounds=[timed_round(times) for times in rounds], run="in turns")
    return {"rounds": rounds, "verdict": record["verdict"], "why": record["why"]}


def _bits(values: NDArray[np.float32]) -> list[int]:
    return values.astype(np.float32).view(np.int32).tolist()


def main() -> None:
    """Write the files."""
    for name, content in golden().items():
        (FOLDER / name).write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
