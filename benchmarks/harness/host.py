"""Latency and memory of `.tflite` files on this machine, each in a process of its own."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from lpie.benchmarks.harness.host_turns import Turns
from lpie.benchmarks.records.record import Record
from lpie.errors import InputError
from lpie.restore.restorer import Restorer
from lpie.restore.tile_policy import Plan
from lpie.size import Size
from lpie.tflite.cost import xnnpack_peak_mb
from lpie.tflite.interpreter import RuntimeName, find_interpreter
from lpie.tflite.model import TfliteModel

SIZES = ("256x256", "fhd", "4k")
# Of the memory that is free now; the rest is for the system and for what the estimate misses.
USABLE = 0.8


def benchmark(
    models: Sequence[Path | str],
    *,
    sizes: Sequence[str] = SIZES,
    threads: int | None = None,
    tiles: bool = False,
    tile_px: int | None = None,
    min_runs: int = 5,
    seconds: float = 5.0,
    rounds: int = 5,
    max_memory_mb: float | None = None,
    runtime: RuntimeName = "ai-edge-litert",
    progress: Callable[[Sequence[Any]], Any] = lambda jobs: jobs,
) -> list[Record]:
    """Time each model at each size: one record per pair, in the order models, then sizes.

    The graph is resized to the image and run whole or, with `tiles`, restored as `lpie restore`
    does it: by the tiles of `Restorer.plan` (of at most `tile_px`, if given), 8 bits in and out,
    copies and padding included. After a warm-up (until stable, `seconds` at most) come `rounds` of
    together at least `min_runs` runs over at least `seconds`; the rounds of models of one size take
    turns, as many at once as fit in memory. A size whose estimated memory exceeds `max_memory_mb`
    (most of what is free unless given) is not run: its verdict is `failed`.
    """
    find_interpreter(runtime)
    options: dict[str, Any] = {
        "tiles": tiles, "tile_px": tile_px, "threads": threads, "min_runs": min_runs,
        "seconds": seconds, "rounds": rounds, "runtime": runtime,
    }  # fmt: skip
    jobs = [job_for(Path(model), size, **options) for model in models for size in sizes]
    limit_mb = max_memory_mb or USABLE * psutil.virtual_memory().available / 1e6
    groups = _groups(jobs, limit_mb)
    with contextlib.ExitStack() as stack:
        for group, number in progress([(group, n) for group in groups for n in range(rounds)]):
            if number == 0:
                stack.enter_context(group)
            group.take_turns(number)
            if number == rounds - 1:
                stack.pop_all().close()
    records = {id(each.job): each.record() for group in groups for each in group.members}
    return [records[id(job)] for job in jobs]


def _groups(jobs: Sequence[dict[str, Any]], limit_mb: float) -> list[Turns]:
    """Jobs of one size together, as far as the processes of all fit in memory side by side."""
    groups: list[Turns] = []
    for size in dict.fromkeys(job["size"] for job in jobs):
        used_mb = limit_mb
        for job in (job for job in jobs if job["size"] == size):
            used_mb += job["estimated_mb"]
            if used_mb > limit_mb:
                groups.append(Turns())
                used_mb = job["estimated_mb"]
            groups[-1].add(job, refused=_refusal(job, limit_mb))
    return groups


def job_for(
    model: Path,
    size: str,
    *,
    tiles: bool = False,
    tile_px: int | None = None,
    threads: int | None = None,
    min_runs: int = 5,
    seconds: float = 5.0,
    rounds: int = 5,
    runtime: RuntimeName = "ai-edge-litert",
) -> dict[str, Any]:
    """What one child process is told; every input is checked here."""
    network = TfliteModel.read(model)
    spec = network.spec
    height, width = Size.parse(size, multiple=spec.multiple if spec else 1)
    if tiles and (spec is None or spec.halo_px is None):
        raise InputError(f"{model} cannot be run by tiles: its spec names no halo.")
    plan: Plan | None = None
    if tiles:
        plan = Restorer(model, tile_px=tile_px, threads=threads, runtime=runtime).plan(
            height, width
        )
    network = network.resized(Size(*(plan.tile if plan else (height, width))))
    return {
        "model": str(model),
        "size": f"{width}x{height}",
        "mode": "tiles" if tiles else "whole",
        "tiles": _tiles(plan) if plan else None,
        "plan": dataclasses.asdict(plan) if plan else None,
        "threads": threads or os.cpu_count() or 1,
        "min_runs": min_runs,
        "seconds": seconds,
        "rounds": rounds,
        "runtime": runtime,
        "estimated_mb": round(plan.estimated_mb if plan else xnnpack_peak_mb(network)),
    }


def _tiles(plan: Plan) -> dict[str, Any]:
    """The schema's `tiles` of a plan."""
    height, width = plan.tile
    return {"tile": f"{width}x{height}", "count": len(plan.tiles()), "halo_px": plan.halo_px}


def _refusal(job: dict[str, Any], limit_mb: float) -> str:
    """Why a job is not run; empty when it is."""
    if job["estimated_mb"] <= limit_mb:
        return ""
    hint = "Use a smaller size." if job["mode"] == "tiles" else "Run it by tiles: --tiles."
    return (
        f"{job['size']} would need about {job['estimated_mb']:,} MB, mostly the runtime's own "
        f"buffers; {limit_mb:,.0f} MB may be used. {hint}"
    )
