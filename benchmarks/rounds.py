"""Files timed in turns, so that what disturbs the machine disturbs them all."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from lpie.benchmarks.host import benchmark


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
    """{file: its `rounds`, as `benchmark` records them, and the medians of `median_ms`, `peak_mb`}.

    A file that was refused in every round has no medians. tiles: by exact tiles, not
    whole. min_runs: of each file in each round.
    """
    found: dict[str, dict[str, Any]] = {file: {"rounds": []} for file in files}
    for n in range(rounds):
        progress(f"round {n + 1} of {rounds}")
        result = benchmark(files, sizes=(size,), seconds=seconds, tiles=tiles, min_runs=min_runs)
        for timing in result["results"]:
            found[timing["model"]]["rounds"].append(timing)
    for file in found.values():
        timings = [each for each in file["rounds"] if each["refused"] is None]
        for key in ("median_ms", "peak_mb") if timings else ():
            file[key] = statistics.median(each[key] for each in timings)
    return found
