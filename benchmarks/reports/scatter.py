"""Designs drawn by quality and time, with their Pareto front."""

import statistics
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lpie.errors import require
from lpie.system.files import atomic_path

FEW = 12  # designs whose names have room
WIDE = 20  # times as long, where a linear axis would crowd the fast ones


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Write `path` (.svg or .png): mean PSNR in dB over ms, a panel each for float32 and int8."""
    require("matplotlib", extra="dev")
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "lpie"  # the same file from the same numbers
    few = len(rows) <= FEW
    figure = Figure(figsize=(9, 5) if few else (12, 8), layout="constrained")
    for axes, recipe in zip(figure.subplots(1, 2, sharey=True), ("float32", "int8"), strict=True):
        points = {row["name"]: (row["median_ms"][recipe], mean_db(row)) for row in rows}
        best, front = float("-inf"), []
        for name, (x, y) in sorted(points.items(), key=lambda item: item[1][0]):
            if y > best:
                best = y
                front.append((x, y))
            left = few and _has_right_neighbour((x, y), points.values())
            axes.annotate(name, (x, y), xytext=(-4 if left else 4, 3), textcoords="offset points",
                          ha="right" if left else "left", fontsize=9 if few else 7)  # fmt: skip
        axes.scatter(*zip(*points.values(), strict=True), s=18, color="#1f6fb4")
        axes.plot(*zip(*front, strict=True), color="#d9822b", linewidth=1, drawstyle="steps-post")
        if max(x for x, _ in points.values()) > WIDE * min(x for x, _ in points.values()):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        if few:
            axes.margins(x=0.3)
        axes.set(xlabel=f"{recipe}, ms", ylabel="mean PSNR, dB")
        axes.grid(alpha=0.3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata={"Date": None})


def _has_right_neighbour(
    point: tuple[float, float], points: Collection[tuple[float, float]]
) -> bool:
    """Whether another would stand in its name: at its height, and up to twice as slow."""
    heights = [y for _, y in points]
    near = (max(heights) - min(heights)) / 10
    x, y = point
    return any(x < other <= 2 * x and abs(height - y) < near for other, height in points)


def mean_db(row: dict[str, Any]) -> float:
    """The mean over the noise levels."""
    return statistics.mean(row["psnr_db"].values())
