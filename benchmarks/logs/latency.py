"""Latencies in a log: lines of statistics in microseconds, LiteRT's block in milliseconds."""

import re
from collections.abc import Sequence
from typing import Any

from lpie.benchmarks.logs.lines import Line

NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
COUNT = re.compile(
    rf"^count=(?P<count>\d+)(?: first=(?P<first>{NUMBER}))? curr=(?P<curr>{NUMBER})"
    rf"(?:\(all same\)|(?: min=(?P<min>{NUMBER}) max=(?P<max>{NUMBER}) avg=(?P<avg>{NUMBER})"
    rf" std=(?P<std>{NUMBER}))?(?: p5=(?P<p5>{NUMBER}) median=(?P<median>{NUMBER})"
    rf" p95=(?P<p95>{NUMBER}))?)\s*$"
)
_TIMINGS = re.compile(r"^(?:Average inference|Inference) timings in us: (?P<pairs>.*)$")
_PAIR = re.compile(rf"(?P<name>[A-Z][\w ()]*|no stats|with stats): (?P<value>{NUMBER})(?=,|\s*$)")
_BLOCK = re.compile(
    rf"^(?P<name>Model initialization|(?:Warmup|Inference) \(\w+\)): +(?P<value>{NUMBER})(?: ms)?"
    r"(?: \((?P<runs>\d+) runs\))?\s*$"
)
# LiteRT's run_model.
_RUNS = re.compile(
    r"^(?:(?P<first>First)|(?P<max>Slowest)|(?P<min>Fastest)|(?P<mean>All)) runs? took"
    r" (?:average )?(?P<us>\d{1,15}(?:\.\d{1,6})?) microseconds\s*$"
)
_COMPLETED = "Model run completed"
_HEADER = re.compile(r"^=* ?BENCHMARK RESULTS ?=*$")
MOST = 1e15  # of any number in a record; 30 years in us
# The mean has six digits, and an int in 2017.
_DIGITS = 1e-5

Numbers = dict[str, Any]


def find_latency(lines: Sequence[Line]) -> tuple[Numbers, Numbers, str]:
    """(the round, the rest of the summary, why incomplete) of one run, both empty in that case.

    The round has the schema's `median_ms` and so on, as far as the log tells: nothing is derived.
    """
    counts = [_counted(line.text) for line in lines if line.whole and line.text[:6] == "count="]
    timings = [line for line in lines if _TIMINGS.match(line.text)]
    block = _block(lines)
    if timings:
        return _from_timings(timings[-1], counts)
    if block is not None:
        return _from_block(block, counts)
    model_runs = _model_runs(lines)
    if model_runs is not None:
        return model_runs
    if any(count.get("count") == 0 for count in counts):
        return {}, {}, "The log tells of no run."
    if counts:
        return (
            {},
            {},
            "The log ends before its result: only statistics of unfinished runs are in it.",
        )
    return {}, {}, "The log holds no result."


def doubt(numbers: Numbers) -> str:
    """Why the numbers of a round cannot be a result, as a sentence; empty where they can."""
    if numbers.get("count") == 0:
        return "The log tells of no run."
    values = [value for key, value in numbers.items() if key.endswith("_ms") and value is not None]
    if numbers and not values:
        return "A line of statistics is garbled."
    if not all(0 <= value < MOST for value in values):
        return "The result holds a number that no run can have taken."
    if numbers and not (numbers.get("mean_ms") or numbers.get("median_ms")):
        return "The result tells of runs that took no time."
    low, high = numbers.get("min_ms"), numbers.get("max_ms")
    middle = numbers.get("median_ms") or numbers.get("mean_ms")
    slack = 1 + _DIGITS
    if middle and ((low or 0) > middle * slack or middle > (high or middle) * slack):
        return "The numbers of the result contradict each other."
    return ""


def _counted(text: str) -> Numbers:
    """The round of a line of statistics; {"garbled": True} where it is none."""
    return count_line(text) or {"garbled": True}


def count_line(text: str) -> Numbers | None:
    """The round of a line `count=... avg=...` of microseconds; None when it is none, or garbled."""
    if text.strip() == "count=0":
        return {"count": 0}
    match = COUNT.match(text)
    if match is None:
        return None
    values = {key: float(value) for key, value in match.groupdict().items() if value is not None}
    count = int(match["count"])
    # One run, or all equal: the tool prints that one number.
    middle = (
        {} if "avg" in values else dict.fromkeys(("min", "max", "avg", "median"), values["curr"])
    )
    if not middle or count == 1 or "(all same)" in text:
        values = {**middle, **values}
        return _round(count, values) if _plausible(values) else None
    return None


def _round(count: int, us: dict[str, float]) -> Numbers:
    names = {"avg": "mean"}
    kept = ("median", "avg", "min", "max", "std", "p5", "p95")
    return {
        "count": count,
        **{f"{names.get(key, key)}_ms": _ms(us[key]) for key in kept if key in us},
    }


def _plausible(us: dict[str, float]) -> bool:
    """Whether the numbers of one line can be true together; a damaged digit often shows here."""
    low, high = us["min"], us["max"]
    if not all(value < MOST for value in us.values()):
        return False
    inside = [us[key] for key in ("first", "curr", "avg", "median", "p5", "p95") if key in us]
    ordered = us.get("p5", low) <= us.get("median", us.get("p5", low)) <= us.get("p95", high)
    slack = _DIGITS * high + 1  # us, for what the mean's six digits lose
    return ordered and all(low - slack <= value <= high + slack for value in inside)


def _from_timings(line: Line, counts: list[Numbers]) -> tuple[Numbers, Numbers, str]:
    pairs = _TIMINGS.match(line.text)
    assert pairs is not None
    us = {m["name"]: float(m["value"]) for m in _PAIR.finditer(pairs["pairs"])}
    mean = next((us[k] for k in ("Inference (avg)", "Inference", "no stats") if k in us), None)
    if mean is None:
        return {}, {}, "The log ends within its result."
    if not all(value < MOST for value in us.values()):
        return {}, {}, "The result holds a number that no run can have taken."
    warmup = next((us[k] for k in ("Warmup (avg)", "Warmup") if k in us), None)
    agreed = _agreed(counts, _ms(mean), _ms(warmup))
    if counts and not agreed:
        garbled = any("garbled" in count for count in counts)
        lost = "No line of statistics agrees with the mean at the end: the log lost lines."
        return {}, {}, "A line of statistics is garbled." if garbled else lost
    if not agreed and not line.whole:
        return {}, {}, "The log ends in the middle of a line, whose number may be cut."
    measured = agreed[-1] if agreed else {"mean_ms": _ms(mean)}
    summary = {
        "init_ms": _ms(us.get("Init")),
        "first_ms": _ms(us.get("First inference")),
        "warmup_ms": _ms(warmup),
        "warmup_runs": _warmup_runs(counts, measured, _ms(warmup)),
    }
    return measured, summary, ""


def _agreed(
    counts: list[Numbers],
    mean_ms: float | None,
    warmup_ms: float | None,
    *,
    slack_ms: float = 0.001,
) -> list[Numbers]:
    """The lines of statistics with that mean; never the first, where it is the warm-up's."""
    if counts and _equal(counts[0].get("mean_ms"), warmup_ms, slack_ms=slack_ms):
        counts = counts[1:]
    return [count for count in counts if _equal(count.get("mean_ms"), mean_ms, slack_ms=slack_ms)]


def _warmup_runs(counts: list[Numbers], measured: Numbers, mean_ms: float | None) -> int | None:
    first = counts[0] if counts and counts[0] is not measured else {}
    return first.get("count") if _equal(first.get("mean_ms"), mean_ms) else None


def _block(lines: Sequence[Line]) -> dict[str, tuple[float, int | None]] | None:
    """LiteRT's last block: {name: (ms, runs)}; None when there is none."""
    starts = [i for i, line in enumerate(lines) if _HEADER.match(line.text.strip())]
    if not starts:
        return None
    matches = [_BLOCK.match(line.text) for line in lines[starts[-1] :] if line.whole]
    return {
        match["name"]: (float(match["value"]), int(match["runs"]) if match["runs"] else None)
        for match in matches
        if match
    }


def _from_block(
    block: dict[str, tuple[float, int | None]], counts: list[Numbers]
) -> tuple[Numbers, Numbers, str]:
    ms = {name: value for name, (value, _) in block.items()}
    # The deviation comes last of what C++ prints, the 95th percentile last of what Python does.
    last = "p95" if "Inference (median)" in ms else "std"
    if any(f"Inference ({key})" not in ms for key in ("avg", "min", "max", last)):
        return {}, {}, "The log ends within its block of results."
    low, mean, high = (ms[f"Inference ({key})"] for key in ("min", "avg", "max"))
    if not all(value < MOST for value in ms.values()):
        return {}, {}, "The result holds a number that no run can have taken."
    if not low <= mean <= high:
        return {}, {}, "The numbers of the block of results contradict each other."
    summary = {
        "init_ms": ms.get("Model initialization"),
        "first_ms": ms.get("Warmup (first)"),
        "warmup_ms": ms.get("Warmup (avg)"),
        "warmup_runs": block.get("Warmup (avg)", (0, None))[1],
    }
    # The block has two decimals; the line of statistics above it, where there is one, all of them.
    exact = _agreed(counts, mean, summary["warmup_ms"], slack_ms=0.006)
    if counts and not exact:
        return {}, {}, "No line of statistics agrees with the block of results: the log lost lines."
    names = {"avg": "mean"}
    keys = ("median", "avg", "min", "max", "std", "p5", "p95")
    rough = {
        f"{names.get(key, key)}_ms": ms[f"Inference ({key})"]
        for key in keys
        if f"Inference ({key})" in ms
    }
    count = block["Inference (avg)"][1]
    return exact[-1] if exact else {"count": count, **rough}, summary, ""


def _model_runs(
    lines: Sequence[Line],
) -> tuple[dict[str, Any], dict[str, Any], str] | None:
    """The same of what LiteRT's run_model prints; None where it did not run."""
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


def _equal(one: float | None, other: float | None, *, slack_ms: float = 0.001) -> bool:
    """Whether two means are the same but for the digits that one of them was printed with."""
    if one is None or other is None:
        return False
    return abs(one - other) <= slack_ms + _DIGITS * max(one, other)


def _ms(us: float | None) -> float | None:
    """us in ms, without the binary dust of the division."""
    return None if us is None else round(us / 1e3, 9)
