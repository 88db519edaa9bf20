"""Files timed in turns, so that what disturbs the machine disturbs them all."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from lpie.benchmarks.bench import benchmark
from lpie.benchmarks.records.record import Record


def time_in_rounds(
    files: Sequence[str],
    *,
    size: str,
    rounds: int,
    seconds: float,
    tiles: bool = False,
    min_runs: int = 5,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, dict[str, Any]]:
    """{file: its `rounds`, and the medians of `median_ms`, `peak_mb` over them}.

    Each round is a process of its own; of it there are `median_ms`, `min_ms`, `peak_mb`, and why it
    was `refused`, None when it was not. A file that was refused in every round has no medians.
    tiles: by exact tiles, not whole. min_runs: of each file in each round.
    """
    found: dict[str, dict[str, Any]] = {file: {"rounds": []} for file in files}
    for n in range(rounds):
        progress(f"round {n + 1} of {rounds}")
        records = benchmark(
            files, sizes=(size,), seconds=seconds, tiles=tiles, min_runs=min_runs, rounds=1
        )
        for file, record in zip(files, records, strict=True):
            found[file]["rounds"].append(_round(record))
    for timed in found.values():
        timings = [each for each in timed["rounds"] if each["refused"] is None]
        for key in ("median_ms", "peak_mb") if timings else ():
            timed[key] = statistics.median(each[key] for each in timings)
    return found


def _round(record: Record) -> dict[str, Any]:
    return {
        "refused": record["why"] if record["verdict"] == "failed" else None,
        "median_ms": record["summary"]["median_ms"],
        "min_ms": record["summary"]["min_ms"],
        "peak_mb": record["memory"]["peak_mb"],
    }
