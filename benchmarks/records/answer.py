"""Which model is faster, by how much, and whether that can be believed, in one sentence."""

from collections.abc import Iterable, Sequence

from lpie.benchmarks.records.compare import Comparison, against_first, compared
from lpie.benchmarks.records.disturbance import disturbance, most_disturbed
from lpie.benchmarks.records.names import (
    UNKNOWN,
    device_name,
    record_name,
    setting,
    verdict_name,
)
from lpie.benchmarks.records.record import latency_ms
from lpie.benchmarks.records.schema import Record
from lpie.benchmarks.records.verdict import is_measured

_USUAL = "1920x1080"


def answer(records: Sequence[Record]) -> str:
    """Return which of `records` is the fastest and how sure that is, for their main setting.

    That is full HD, else the largest size, on the device with the most measurements.
    """
    counted = [r for r in records if is_measured(r) and latency_ms(r) is not None]
    if not counted:
        return "No measurement counts: " + _reasons(records)
    where = max(
        dict.fromkeys(setting(record) for record in counted),
        key=lambda s: (s[1] == _USUAL, _pixels(s[1]), sum(setting(r) == s for r in counted)),
    )
    here = sorted((r for r in counted if setting(r) == where), key=lambda r: latency_ms(r) or 0)
    fastest = here[0]
    start = f"{record_name(fastest)} takes {_time(fastest)}{_place(fastest)}"
    if len(here) == 1:
        return f"{start}. {_trust(fastest)}"
    second = here[1]
    comparison = compared(fastest, second, 0)
    return f"{start}; {record_name(second)} {_longer(comparison)}. {_belief(comparison)}"


def turns(records: Sequence[Record]) -> list[str]:
    """Return a sentence for each record whose rounds took turns with those of a first one."""
    runs = dict.fromkeys((r["run"], r["requested"]["size"]) for r in records if r["run"])
    groups = ([r for r in records if (r["run"], r["requested"]["size"]) == run] for run in runs)
    pairs = (pair for group in groups for pair in against_first(group))
    return [
        f"{record_name(new)} {_longer(comparison)} as {record_name(old)}. {_belief(comparison)}"
        for old, new in pairs
        if (comparison := compared(old, new, 0)).ratio is not None
    ]


def _place(record: Record) -> str:
    """Where it was measured, as far as the record tells."""
    size, device = record["requested"]["size"], device_name(record)
    parts = f" at {size}" if size else "", "" if device == UNKNOWN else f" on {device}"
    return "".join(parts)


def _longer(comparison: Comparison) -> str:
    interval = comparison.interval
    sure = f" (95 % interval {interval[0]:.3g} to {interval[1]:.3g})" if interval else ""
    return f"takes {comparison.ratio:.3g} times as long{sure}"


def _belief(comparison: Comparison) -> str:
    for record in (comparison.old, comparison.new):
        if record["verdict"] != "valid":
            return f"{record_name(record)} is {verdict_name(record)}: {record['why']}"
    _, disturbed = most_disturbed((comparison.old, comparison.new))
    return f"{_sure(comparison)} {disturbed}".rstrip()


def _sure(comparison: Comparison) -> str:
    if comparison.interval is None:
        return "Too few rounds to say how sure that is: three are the least."
    low, high = comparison.interval
    how = "in turns" if comparison.paired else "one after the other"
    if low <= 1 <= high:
        return f"That is no difference that the rounds, measured {how}, can show."
    return f"The rounds were measured {how}, and all agree on it."


def _trust(record: Record) -> str:
    if record["verdict"] != "valid":
        return f"It is {verdict_name(record)}: {record['why']}"
    bounds = record["summary"]["interval_ms"]
    if bounds is None:
        return "Too few rounds to say how sure that is: three are the least."
    sure = f"The 95 % interval is {bounds[0]:.4g} to {bounds[1]:.4g} ms."
    return f"{sure} {disturbance(record)}".rstrip()


def _reasons(records: Iterable[Record]) -> str:
    reasons = dict.fromkeys(f"{verdict_name(record)}. {record['why']}" for record in records)
    return next(iter(reasons), "there is none.")


def _time(record: Record) -> str:
    ms = latency_ms(record) or 0
    return f"{ms:,.0f} ms" if ms >= 1000 else f"{ms:,.3g} ms"


def _pixels(size: str) -> int:
    width, _, height = size.partition("x")
    return int(width) * int(height) if width.isdigit() and height.isdigit() else 0
