"""What a call of a benchmark tool gave, out of its log and its exit code."""

import re
import signal

from lpie.benchmarks.adb.failures import last_words
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.runner import Outcome, out_of_memory
from lpie.benchmarks.logs.read import Parsed, parse_log
from lpie.benchmarks.records.record import summed_round
from lpie.benchmarks.records.schema import Round
from lpie.printable import printable

KILLED = 128 + signal.SIGKILL
# Said of a failure; a runtime that could not allocate may end by itself or by a crash.
MEMORY = re.compile(
    r"out of memory|failed to allocate tensors|bad_alloc|MemoryError|cannot allocate memory", re.I
)


def read_log(log: str, code: int | None, job: Job) -> Outcome:
    """The outcome of a `benchmark_model`, whichever build, by what it printed.

    code: its exit code, None where nobody knows it (an app's).
    """
    parsed = parse_log(log, exit_code=code)
    if parsed.failed:
        return failed(log, code, job, reason=parsed.failed)
    return Outcome(
        log=log,
        rounds=[_round(parsed, job)] if parsed.round else [],
        executed=parsed.executed,
        summary={**parsed.summary, "parts_ms": _parts(parsed, job)},
        memory=parsed.memory,
        profile=parsed.profile,
        incomplete=parsed.incomplete,
    )


def failed(log: str, code: int | None, job: Job, *, reason: str = "") -> Outcome:
    """The outcome of a program that failed; reason: why, where its log was understood."""
    memory = code == KILLED or (bool(code) and bool(MEMORY.search(reason or log)))
    if not reason:
        reason = parse_log(log, exit_code=code).failed or f"It failed: {last_words(log)}."
    reason = printable(reason)  # names in files are anybody's
    why = f"{out_of_memory(job)} ({reason})" if memory else reason
    return Outcome(log=log, failed=why, out_of_memory=memory)


def _round(parsed: Parsed, job: Job) -> Round:
    """One image's: of a tool that times a tile, so many times as much as there are tiles.

    How a sum of tiles spreads cannot be told from how a tile does.
    """
    if job.whole:
        return summed_round(**parsed.round)
    tiles = len(job.plan())
    kept = ("median_ms", "mean_ms", "min_ms", "max_ms")
    known = {key: parsed.round[key] for key in kept if parsed.round.get(key) is not None}
    return summed_round(
        count=parsed.round.get("count"), **{key: tiles * ms for key, ms in known.items()}
    )


def _parts(parsed: Parsed, job: Job) -> dict[str, float]:
    """What was measured, and what it makes; copies and conversion this tool does not time."""
    tile = parsed.round.get("median_ms") or parsed.round.get("mean_ms")
    if job.whole or tile is None:
        return {}
    return {"tile (measured)": tile, "inference (tiles x tile)": len(job.plan()) * tile}
