"""Whether the numbers of a record count, by rules with their thresholds named."""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from lpie.benchmarks.records.schema import Verdict
from lpie.benchmarks.records.statistics import deviation

# From good to bad: of several that apply the last one counts.
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
# What each means to a reader of a report.
MEANINGS: dict[Verdict, str] = {
    "valid": "The delegate that was asked for ran the whole graph, and the rounds agree.",
    "too_few": "Fewer than three rounds: nobody knows how much they vary, so the number cannot be "
    "trusted yet. Measure with more --rounds.",
    "unstable": "The runs differ so much that a small change could not be seen. Measure again "
    "while nothing else runs.",
    "throttled": "The device grew hot or slower during the measurement. Let it cool down first.",
    "fell_back": "Another delegate than the one asked for ran the graph or a part of it, so the "
    "times are not shown.",
    "incomplete": "The measurement did not end, or its log is cut, so there is no time to show.",
    "failed": "The tool or the model failed, so there is no time to show.",
}
# The numbers of these are of what was asked for; all but the `valid` ones are doubtful.
MEASURED: tuple[Verdict, ...] = ("valid", "too_few", "unstable", "throttled")
# Where a graph runs when no delegate takes it; XNNPACK is the runtime's own choice there.
CPU = ("cpu", "xnnpack")
# Times the median absolute deviation: the standard deviation, where the distribution is normal.
NORMAL = 1.4826


@dataclass(frozen=True)
class Limits:
    """Beyond these a record is `throttled`, `unstable` or `too_few`."""

    # Android calls 2 "moderate": the system slows its clocks. A rise by one during the run tells
    # that the device was not at rest.
    thermal_status: int = 1
    # Last third of the rounds over the first: clocks fell.
    throttling: float = 1.10
    # Width of the bootstrap interval over the median: what a comparison could not see.
    interval: float = 0.10
    # The slowest round over the fastest: what the interval of few rounds does not show, and that of
    # two, which have none, cannot.
    spread: float = 1.25
    # Deviation of the runs of a round over their middle, of the middle one of the rounds. Where the
    # single runs are known one interruption does not move it.
    deviation: float = 0.25
    # The least rounds, and the least runs of a tool that knows no rounds: fewer have no interval.
    rounds: int = 3


def judge(
    record: Mapping[str, Any],
    *,
    failed: str = "",
    incomplete: str = "",
    limits: Limits | None = None,
) -> tuple[Verdict, str]:
    """Return (verdict, why in one sentence, empty when valid) of a record without them.

    failed, incomplete: what the runner saw go wrong.
    """
    limits = limits or Limits()
    if failed:
        return "failed", failed
    if incomplete:
        return "incomplete", incomplete
    if not any(_middle(round_) is not None for round_ in record["rounds"]):
        return "incomplete", "There is no measured round."
    for verdict, reasons in (
        ("fell_back", _fallen_back(record)),
        ("throttled", _throttled(record, limits)),
        ("unstable", _unstable(record, limits)),
        ("too_few", _too_few(record, limits)),
    ):
        why = next(reasons, None)
        if why:
            return verdict, why  # type: ignore[return-value]
    return "valid", ""


def is_measured(record: Mapping[str, Any]) -> bool:
    """Whether the times of a record are of what was asked for, and may be shown."""
    return record["verdict"] in MEASURED


def same_place(requested: str | None, executed: str | None) -> bool:
    """Whether a graph that was to run at `requested` ran at `executed`; None is unknown.

    XNNPACK counts as `cpu`, and a backend (`gpu-cl`) as its delegate (`gpu`). That nothing is known
    of where it ran is as good as the CPU.
    """
    if requested is None:
        return True
    if requested in CPU:
        return executed in (None, "xnnpack", requested)
    forced = requested.partition("-")[2], (executed or "").partition("-")[2]
    same = requested.split("-")[0] == (executed or "").split("-")[0]
    return same and (not all(forced) or forced[0] == forced[1])


def _fallen_back(record: Mapping[str, Any]) -> Iterator[str]:
    asked, ran = record["requested"]["delegate"], record["executed"]
    because = f" {ran['reasons'][0]}" if ran["reasons"] else ""
    if not same_place(asked, ran["delegate"]):
        where = f"the graph ran on {ran['delegate']}"
        unseen = "nothing shows that the delegate took the graph"
        yield f"Asked for {asked}; {where if ran['delegate'] else unseen}.{because}"
    if asked is None or asked in CPU:
        return
    total, taken = ran["nodes_total"], ran["nodes_delegated"]
    if total is not None and taken is not None and taken < total:
        yield f"{asked} took {taken} of {total} nodes; the CPU ran the others.{because}"
    elif ran["full"] is False:
        yield f"{asked} took only a part of the graph; the CPU ran the rest.{because}"


def _throttled(record: Mapping[str, Any], limits: Limits) -> Iterator[str]:
    before, after = record["state"]["before"], record["state"]["after"]
    states = [before, *(round_["state"] for round_ in record["rounds"]), after]
    statuses = [s["thermal_status"] for s in states if s and s["thermal_status"] is not None]
    if statuses and max(statuses) > limits.thermal_status:
        yield f"The thermal status reached {max(statuses)}."
    if statuses and max(statuses) > statuses[0]:
        yield f"The thermal status rose from {statuses[0]} to {max(statuses)}."
    slowdown = record["summary"]["throttling"]
    if slowdown is not None and slowdown > limits.throttling:
        yield f"The last third of the rounds took {slowdown:.2f} times as long as the first."


def _unstable(record: Mapping[str, Any], limits: Limits) -> Iterator[str]:
    summary = record["summary"]
    middle = _middle(summary)
    if summary["interval_ms"] and middle:
        low, high = summary["interval_ms"]
        if high - low > limits.interval * middle:
            yield (
                f"The interval of the median, {_plain(low)} to {_plain(high)} ms, is wider than "
                f"{limits.interval:.0%} of it."
            )
    middles = [ms for round_ in record["rounds"] if (ms := _middle(round_))]
    if middles and max(middles) > limits.spread * min(middles):
        yield (
            f"The rounds took {_plain(min(middles))} to {_plain(max(middles))} ms: the slowest is "
            f"{max(middles) / min(middles):.3g} times the fastest, more than {limits.spread:g}."
        )
    shares = [share for round_ in record["rounds"] if (share := _share(round_)) is not None]
    if shares and statistics.median(shares) > limits.deviation:
        yield (
            f"The runs of a round deviate by {statistics.median(shares):.0%} of their middle, "
            f"more than {limits.deviation:.0%}."
        )


def _too_few(record: Mapping[str, Any], limits: Limits) -> Iterator[str]:
    middles = [ms for round_ in record["rounds"] if (ms := _middle(round_)) is not None]
    # The log of another tool is one round of many runs, whose deviation is judged instead.
    by_rounds = record["run"] is not None or len(middles) > 1
    count, what = len(middles), "Rounds"
    if not by_rounds:
        runs = record["summary"]["count"]
        count, what = limits.rounds if runs is None else runs, "Runs"
    if count < limits.rounds:
        yield f"{what}: {count}. {limits.rounds} are the least that show how much the times vary."


def _plain(ms: float) -> str:
    """Four significant digits, without an exponent: 40600, not 4.06e+04."""
    return f"{float(f'{ms:.4g}'):.12g}"


def _share(numbers: Mapping[str, Any]) -> float | None:
    """The deviation of a round's runs over their middle."""
    if numbers["times_ms"]:
        middle = statistics.median(numbers["times_ms"])
        return NORMAL * deviation(numbers["times_ms"]) / middle if middle else None
    if numbers["std_ms"] is None or not numbers["mean_ms"]:
        return None
    return numbers["std_ms"] / numbers["mean_ms"]


def _middle(numbers: Mapping[str, Any]) -> float | None:
    return numbers["mean_ms"] if numbers["median_ms"] is None else numbers["median_ms"]
