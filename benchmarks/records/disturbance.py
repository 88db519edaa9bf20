"""What disturbed a measurement from outside: other programs, heat, a container's limit."""

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

# Share of all cores that others may use unnoticed; a quiet desktop stays below it.
QUIET = 0.10


def disturbance(record: Mapping[str, Any]) -> str:
    """Return what disturbed the rounds of a record, in sentences; empty where nothing is known."""
    sentences = (_others(record), _heat(record), _held_back(record))
    return " ".join(sentence for sentence in sentences if sentence)


def most_disturbed(records: Iterable[Mapping[str, Any]]) -> tuple[int, str]:
    """Return (how many of the records were disturbed, what is said of the worst of them)."""
    disturbed = [record for record in records if disturbance(record)]
    worst = max(disturbed, key=lambda record: other_cores(record) or 0, default=None)
    return len(disturbed), disturbance(worst) if worst is not None else ""


def other_cores(record: Mapping[str, Any]) -> float | None:
    """Return the cores that other programs used over the rounds, on average; None if unknown."""
    known = _known(record, "other_cores")
    return statistics.fmean(known) if known else None


def _others(record: Mapping[str, Any]) -> str:
    used, cores = other_cores(record), record["device"]["cores"]
    if used is None or used < QUIET * (cores or 1):
        return ""
    of = f" of {cores}" if cores else ""
    return (
        f"Other programs kept {used:.1f}{of} cores busy during the rounds: measure again while "
        "nothing else runs."
    )


def _heat(record: Mapping[str, Any]) -> str:
    events = sum(_known(record, "heat_events"))
    times = "once" if events == 1 else f"{events} times"
    return f"The CPU slowed itself by heat {times} during the rounds." if events else ""


def _held_back(record: Mapping[str, Any]) -> str:
    seconds = sum(_known(record, "held_back_s"))
    if seconds < 0.01:
        return ""
    return f"The CPU limit of the container held the rounds back for {seconds:.2g} s."


def _known(record: Mapping[str, Any], field: str) -> list[Any]:
    values = (round_.get(field) for round_ in record["rounds"])
    return [value for value in values if value is not None]
