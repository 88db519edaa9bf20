"""What LiteRT's run_model prints: four sentences about its runs, in whole microseconds."""

import re
from collections.abc import Sequence
from typing import Any

from lpie.benchmarks.logs.lines import Line

_RUNS = re.compile(
    r"^(?:(?P<first>First)|(?P<max>Slowest)|(?P<min>Fastest)|(?P<mean>All)) runs? took"
    r" (?:average )?(?P<us>\d{1,15}(?:\.\d{1,6})?) microseconds\s*$"
)
_COMPLETED = "Model run completed"


def find_model_runs(
    lines: Sequence[Line],
) -> tuple[dict[str, Any], dict[str, Any], str] | None:
    """(the round, the rest of the summary, why incomplete); None where run_model did not run."""
    ms: dict[str, float] = {}
    for line in lines:
        match = _RUNS.match(line.text) if line.whole else None
        if match and match.lastgroup:
            name = next(key for key in ("first", "max", "min", "mean") if match[key])
            ms[name] = float(match["us"]) / 1e3
    if not ms:
        return None
    completed = any(line.text.startswith(_COMPLETED) for line in lines)
    if "mean" not in ms or not completed:
        return {}, {}, "The log ends before its result: the mean of the runs is not in it."
    round_ = {f"{name}_ms": ms[name] for name in ("mean", "min", "max") if name in ms}
    return round_, {"first_ms": ms.get("first")}, ""
