"""Programs that restore one picture in turns, each time in a process of its own."""

import dataclasses
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from lpie.benchmarks.harness.interleave import interleave
from lpie.errors import InputError, LpieError
from lpie.restore.restorer import Restorer
from lpie.restore.tile_policy import Halo
from lpie.size import Size
from lpie.system.child import Child
from lpie.tflite.cost import xnnpack_peak_mb
from lpie.tflite.model import TfliteModel

OWN = (sys.executable, "-m", "lpie.benchmarks.studies.children.own_run")


@dataclasses.dataclass(frozen=True)
class Program:
    """A program and its job. refused: why it does not run at all."""

    name: str
    command: tuple[str, ...] = OWN
    job: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    refused: str = ""


def time_programs(
    programs: Sequence[Program],
    *,
    rounds: int,
    runs: int,
    progress: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Return for each program its `rounds`, and the medians of what they measured.

    Each round has `setup_ms`, `first_ms`, `run_ms` (the median of `runs` after the first, or the
    first where that is all), `ready_ms` (set-up and first run) and `peak_mb` of the process. A
    program that fails is `refused`, unless it is lpie itself.
    """
    refused = {program.name: program.refused for program in programs}

    def measure(program: Program, number: int) -> dict[str, Any] | None:
        if refused[program.name]:
            return None
        progress(f"round {number + 1} of {rounds}: {program.name}")
        try:
            return _run(program, runs)
        except LpieError as error:
            if program.command == OWN:
                raise
            refused[program.name] = f"cannot run here: {error}"
            return None

    timings = interleave(programs, measure, rounds=rounds)
    return [
        {
            "name": program.name,
            "refused": refused[program.name],
            "rounds": results,
            **_medians(results),
        }
        for program, results in zip(programs, timings, strict=True)
    ]


def _medians(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    keys = ("setup_ms", "ready_ms", "run_ms", "peak_mb") if results else ()
    return {key: statistics.median(result[key] for result in results) for key in keys}


def ratio(row: dict[str, Any], to: dict[str, Any], key: str) -> float | None:
    """Return the median over the rounds of `row`'s value by that of `to` in the same round."""
    pairs = list(zip(row["rounds"], to["rounds"], strict=False))
    return statistics.median(a[key] / b[key] for a, b in pairs) if pairs else None


def own_programs(
    model: Path, width: int, height: int, *, threads: int, halo: Halo = "exact", whole: bool = True
) -> list[Program]:
    """Return lpie with the tiles that are best on this computer, and LiteRT on the whole image."""
    restorer = Restorer(model, threads=threads, halo=halo)
    restorer.plan(3000, 4000)  # a first large photo, at which this computer is measured
    plan = restorer.plan(height, width)
    restorer.close()
    job = {"model": str(model), "width": width, "height": height, "threads": threads}
    tiles = Program(
        f"lpie, {plan.workers}x{plan.threads} threads, tiles of {plan.tile[1]}x{plan.tile[0]}",
        job={**job, "plan": dataclasses.asdict(plan)},
    )
    if not whole:
        return [tiles]
    alone = Program(
        "LiteRT, whole", job={**job, "plan": None}, refused=too_large(model, width, height)
    )
    return [tiles, alone]


def too_large(model: Path, width: int, height: int) -> str:
    """Return why LiteRT cannot take the whole image here; empty when it can."""
    try:
        resized = TfliteModel.read(model).resized(Size(height, width))
    except InputError as error:
        return str(error)
    needed, free = xnnpack_peak_mb(resized), psutil.virtual_memory().available / 1e6
    return f"needs {needed:,.0f} MB, {free:,.0f} are free" if needed > 0.9 * free else ""


def _run(program: Program, runs: int) -> dict[str, Any]:
    with Child(program.name, program.command, dict(program.job)) as child:
        about = child.about
        times = child.ask({"runs": runs})["times_ms"] if runs else []
        return {
            **about,
            "ready_ms": about["setup_ms"] + about["first_ms"],
            "run_ms": statistics.median(times or [about["first_ms"]]),
            "peak_mb": child.peak_mb(),
        }
