"""Designs drawn by quality and time, with their Pareto front."""

import statistics
from pathlib import Path
from typing import Any

from lpie.errors import require
from lpie.files import atomic_path


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Write `path` (.svg or .png): mean PSNR in dB over ms, a panel each for float32 and int8."""
    require("matplotlib", extra="dev")
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "lpie"  # the same file from the same numbers
    figure = Figure(figsize=(12, 8), layout="constrained")
    for axes, recipe in zip(figure.subplots(1, 2, sharey=True), ("float32", "int8"), strict=True):
        points = {row["name"]: (row["median_ms"][recipe], mean_db(row)) for row in rows}
        best, front = float("-inf"), []
        for name, (x, y) in sorted(points.items(), key=lambda item: item[1][0]):
            if y > best:
                best = y
                front.append((x, y))
            axes.annotate(name, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7)
        axes.scatter(*zip(*points.values(), strict=True), s=18, color="#1f6fb4")
        axes.plot(*zip(*front, strict=True), color="#d9822b", linewidth=1, drawstyle="steps-post")
        axes.set(xlabel=f"{recipe}, ms", ylabel="mean PSNR, dB")
        axes.grid(alpha=0.3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata={"Date": None})


def mean_db(row: dict[str, Any]) -> float:
    """The mean over the noise levels."""
    return statistics.mean(row["psnr_db"].values())
