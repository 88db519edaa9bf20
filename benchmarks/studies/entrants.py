"""Programs that take turns on one picture, each turn a process of its own."""

import dataclasses
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from lpie.benchmarks.harness.child import Child
from lpie.errors import InputError, LpieError
from lpie.restore.restorer import Restorer
from lpie.restore.tile_policy import Halo
from lpie.size import Size
from lpie.tflite.cost import xnnpack_peak_mb
from lpie.tflite.model import TfliteModel

OWN = (sys.executable, "-m", "lpie.benchmarks.studies.children.own_run")


@dataclasses.dataclass(frozen=True)
class Entrant:
    """A program, and the job that it is given; refused: why it does not run at all."""

    name: str
    command: tuple[str, ...] = OWN
    job: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    refused: str = ""


def take_turns(
    entrants: Sequence[Entrant],
    *,
    rounds: int,
    runs: int,
    progress: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """For each entrant its `rounds`, and the medians of what they measured.

    Each round has `setup_ms`, `first_ms`, `run_ms` (the median of `runs` after the first, or the
    first where that is all), `ready_ms` (set-up and first run) and `peak_mb` of the process. Who
    fails is `refused`, unless it is lpie itself.
    """
    rows: list[dict[str, Any]] = [
        {"name": each.name, "refused": each.refused, "rounds": []} for each in entrants
    ]
    for n in range(rounds):
        for entrant, row in zip(entrants, rows, strict=True):
            if row["refused"]:
                continue
            progress(f"round {n + 1} of {rounds}: {entrant.name}")
            try:
                row["rounds"].append(_turn(entrant, runs))
            except LpieError as error:
                if entrant.command == OWN:
                    raise
                row["refused"] = f"cannot run here: {error}"
    for row in rows:
        for key in ("setup_ms", "ready_ms", "run_ms", "peak_mb") if row["rounds"] else ():
            row[key] = statistics.median(each[key] for each in row["rounds"])
    return rows


def ratio(row: dict[str, Any], to: dict[str, Any], key: str) -> float | None:
    """The median over the rounds of `row`'s value by that of `to` in the same round."""
    pairs = list(zip(row["rounds"], to["rounds"], strict=False))
    return statistics.median(a[key] / b[key] for a, b in pairs) if pairs else None


def own_entrants(
    model: Path, width: int, height: int, *, threads: int, halo: Halo = "exact", whole: bool = True
) -> list[Entrant]:
    """`lpie restore`'s plan for this machine, measured here if it was not; and the whole image."""
    restorer = Restorer(model, threads=threads, halo=halo)
    restorer.plan(3000, 4000)  # a first large photo, at which this machine is measured
    plan = restorer.plan(height, width)
    restorer.close()
    job = {"model": str(model), "width": width, "height": height, "threads": threads}
    tiles = Entrant(
        f"lpie, {plan.workers}x{plan.threads} threads, tiles of {plan.tile[1]}x{plan.tile[0]}",
        job={**job, "plan": dataclasses.asdict(plan)},
    )
    if not whole:
        return [tiles]
    alone = Entrant(
        "LiteRT, whole", job={**job, "plan": None}, refused=too_large(model, width, height)
    )
    return [tiles, alone]


def too_large(model: Path, width: int, height: int) -> str:
    """Why LiteRT cannot take the whole image here, or nothing."""
    try:
        resized = TfliteModel.read(model).resized(Size(height, width))
    except InputError as error:
        return str(error)
    needed, free = xnnpack_peak_mb(resized), psutil.virtual_memory().available / 1e6
    return f"needs {needed:,.0f} MB, {free:,.0f} are free" if needed > 0.9 * free else ""


def _turn(entrant: Entrant, runs: int) -> dict[str, Any]:
    with Child(entrant.name, entrant.command, dict(entrant.job)) as child:
        found = child.about
        times = child.ask({"runs": runs})["times_ms"] if runs else []
        return {
            **found,
            "ready_ms": found["setup_ms"] + found["first_ms"],
            "run_ms": statistics.median(times or [found["first_ms"]]),
            "peak_mb": child.peak_mb(),
        }
