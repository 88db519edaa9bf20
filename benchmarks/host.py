"""Latency and memory of `.tflite` files on this machine, each in a process of its own."""

import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from lpie import flatbuffer
from lpie.cost import xnnpack_peak_mb
from lpie.errors import InputError, LpieError, last_line
from lpie.machine import cpu_name
from lpie.plan import Plan
from lpie.restorer import Restorer
from lpie.runtime import RuntimeName, find_interpreter
from lpie.spec import ModelSpec, parse_size, spec_inside
from lpie.stopping import child

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
    max_memory_mb: float | None = None,
    runtime: RuntimeName = "ai-edge-litert",
    progress: Callable[[Sequence[Any]], Any] = lambda jobs: jobs,
) -> dict[str, Any]:
    """Time each model at each size: one record per pair, beside the machine and the date.

    The graph is resized to the image and run whole or, with `tiles`, restored as `lpie restore`
    does it: by the tiles of `Restorer.plan` (of at most `tile_px`, if given), 8 bits in and out,
    copies and padding included. Each record has `init_ms`, `first_ms` (first run),
    `median_ms`, `p10_ms`, `p90_ms`, `min_ms`, `std_ms` of at least `min_runs` runs over at least
    `seconds`, after a warm-up (until stable, `seconds` at most), and `peak_mb` (resident memory of
    the process, of which `baseline_mb` before the model). A size whose estimated memory exceeds
    `max_memory_mb` (most of what is free unless given) is not run: its `refused` says why.
    """
    find_interpreter(runtime)
    jobs = [
        _job(Path(model), size, tiles, tile_px, threads, min_runs, seconds, runtime)
        for model in models
        for size in sizes
    ]
    free_mb = psutil.virtual_memory().available / 1e6
    limit_mb = max_memory_mb or USABLE * free_mb
    return {
        "machine": _machine(runtime),
        "date": datetime.date.today().isoformat(),
        "results": [_measure(job, limit_mb) for job in progress(jobs)],
    }


def _job(
    model: Path,
    size: str,
    tiles: bool,
    tile_px: int | None,
    threads: int | None,
    min_runs: int,
    seconds: float,
    runtime: RuntimeName,
) -> dict[str, Any]:
    """What one child process is told; every input is checked here."""
    graph = flatbuffer.read_tflite(model)
    spec = spec_inside(graph, str(model))
    width, height = parse_size(size, multiple=spec.multiple if spec else 1)
    if tiles and (spec is None or spec.halo_px is None):
        raise InputError(f"{model} cannot be run by tiles: its spec names no halo.")
    plan: Plan | None = None
    if tiles:
        plan = Restorer(model, tile_px=tile_px, threads=threads, runtime=runtime).plan(
            height, width
        )
    flatbuffer.resize(graph, *(plan.tile if plan else (height, width)))
    return {
        "model": str(model),
        "recipe": spec.recipe if spec else "",
        "verified": _verified(spec),
        "size": f"{width}x{height}",
        "mode": "tiles" if tiles else "whole",
        "plan": dataclasses.asdict(plan) if plan else None,
        "threads": threads or os.cpu_count() or 1,
        "min_runs": min_runs,
        "seconds": seconds,
        "runtime": runtime,
        "estimated_mb": round(plan.estimated_mb if plan else xnnpack_peak_mb(graph)),
    }


def _verified(spec: ModelSpec | None) -> bool:
    return bool(spec and spec.verified and spec.verified["passed"])


def _measure(job: dict[str, Any], limit_mb: float) -> dict[str, Any]:
    if job["estimated_mb"] > limit_mb:
        hint = "Use a smaller size." if job["mode"] == "tiles" else "Run it by tiles: --tiles."
        reason = (
            f"{job['size']} would need about {job['estimated_mb']:,} MB, mostly the runtime's own "
            f"buffers; {limit_mb:,.0f} MB may be used. {hint}"
        )
        return {**job, "refused": reason}
    command = [sys.executable, "-m", "lpie.benchmarks.measure"]
    pipe = subprocess.PIPE
    with child(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        printed, errors = process.communicate(json.dumps(job))
    if process.returncode == -signal.SIGKILL:
        return {**job, "refused": f"{job['size']}: the process was killed, likely out of memory."}
    if process.returncode:
        why = last_line(errors)
        raise LpieError(f"Timing {job['model']} at {job['size']} failed: {why}")
    return {**job, **json.loads(printed), "refused": None}


def _machine(runtime: str) -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "system": f"{platform.system()} {platform.machine()}",
        "runtime": f"{runtime} {importlib.metadata.version(runtime)}",
    }
