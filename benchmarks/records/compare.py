"""Compares two sets of records: how much slower or faster, and whether that is noise."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lpie.benchmarks.records.disturbance import disturbance, most_disturbed
from lpie.benchmarks.records.names import device_name, record_name, request_name, verdict_name
from lpie.benchmarks.records.record import Record, latency_ms, round_medians
from lpie.benchmarks.records.statistics import ratio_interval
from lpie.benchmarks.records.verdict import is_measured
from lpie.errors import InputError


@dataclass(frozen=True)
class Comparison:
    """A record of B against its counterpart in A.

    ratio: B's latency over A's; where the rounds took turns, the median of the ratios of each pair
    of rounds. interval: its 95 % bootstrap interval, None for fewer than three rounds. paired: the
    rounds took turns in one run. verdict: `slower` or `faster` when the whole
    interval (the ratio, without one) is beyond the threshold, `same` when it is within it,
    `undecided` when it lies on both sides, `invalid` when one of the records is no measurement.
    """

    old: Record
    new: Record
    ratio: float | None
    interval: tuple[float, float] | None
    paired: bool
    verdict: str
    why: str = ""


def compare(
    old: Sequence[Record],
    new: Sequence[Record],
    *,
    threshold: float = 0.05,
    ignore_mismatch: bool = False,
) -> list[Comparison]:
    """Compare each record of `new` with the one of `old` that was asked for the same.

    threshold: the share by which a latency may change before it counts. One record on each side is
    compared whatever its model is called. ignore_mismatch: compare even if devices, their builds
    or sizes differ, which raises an `InputError` otherwise, as does it when no records match.
    """
    pairs = _pairs(old, new)
    for before, after in pairs:
        if not ignore_mismatch:
            _refuse_mismatch(before, after)
    return [compared(before, after, threshold) for before, after in pairs]


def compare_within(
    records: Sequence[Record], *, threshold: float = 0.05, ignore_mismatch: bool = False
) -> list[Comparison]:
    """Compare each record with the first that was asked for the same, whatever its model is.

    Two records alone are compared as they are. Raises an `InputError` when no two belong together,
    and as `compare` does.
    """
    pairs = [(records[0], records[1])] if len(records) == 2 else against_first(records)
    if not pairs:
        raise InputError(
            f"No two of the {len(records)} records of A are of one size on one device. Give a "
            "second file to compare with."
        )
    for before, after in pairs:
        if not ignore_mismatch:
            _refuse_mismatch(before, after)
    return [compared(before, after, threshold) for before, after in pairs]


def against_first(records: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Pair each record with the first of the same device and request, but for the model.

    Where no request is there twice, with the first of the same device and size.
    """
    return _by_key(records, lambda record: (_build(record), *_key(record)[1:])) or _by_key(
        records, lambda record: (_build(record), record["requested"]["size"])
    )


def _by_key(
    records: Sequence[Record], key_of: Callable[[Record], tuple[object, ...]]
) -> list[tuple[Record, Record]]:
    first: dict[tuple[object, ...], Record] = {}
    pairs = ((first.setdefault(key_of(record), record), record) for record in records)
    return [(before, after) for before, after in pairs if before is not after]


def _pairs(old: Sequence[Record], new: Sequence[Record]) -> list[tuple[Record, Record]]:
    if len(old) == len(new) == 1:
        return [(old[0], new[0])]
    known = {_key(record): record for record in old}
    pairs = [(known[_key(record)], record) for record in new if _key(record) in known]
    if not pairs:
        raise InputError(
            "No record of B matches one of A: model, size, delegate, accelerator, precision, "
            "threads and mode must be equal. To compare two models, give files of one record each."
        )
    return pairs


def _key(record: Record) -> tuple[object, ...]:
    request = record["requested"]
    return (
        record["model"]["file"],
        request["size"],
        _delegate(record),
        request["accelerator"],
        request["precision"],
        request["threads"],
        request["mode"],
    )


def _refuse_mismatch(old: Record, new: Record) -> None:
    for what, (before, after) in (
        ("sizes", [(r["requested"]["size"] or "unknown",) for r in (old, new)]),
        ("devices", [_build(record) for record in (old, new)]),
    ):
        if before != after:
            first, second = (", ".join(filter(None, parts)) for parts in (before, after))
            raise InputError(
                f"The {what} differ: {first} and {second}. Add --ignore-mismatch to compare them "
                "nevertheless."
            )


def _build(record: Record) -> tuple[str | None, ...]:
    serial = "host" if _of_plain_bench(record) else record["device"]["serial"]
    return (device_name(record), serial, record["device"]["fingerprint"])


def _delegate(record: Record) -> str | None:
    return "xnnpack" if _of_plain_bench(record) else record["requested"]["delegate"]


def _of_plain_bench(record: Record) -> bool:
    """Whether `lpie bench` of 0.1 wrote it, which named no serial and called XNNPACK `cpu`."""
    return record["runner"]["name"] == "host" and record["device"]["serial"] is None


def compared(old: Record, new: Record, threshold: float) -> Comparison:
    """Compare one record with another, whatever was asked for."""
    for which, record in (("A", old), ("B", new)):
        if not is_measured(record):
            why = f"{which} is {verdict_name(record)}: {record['why']}"
            return Comparison(old, new, None, None, False, "invalid", why)
    before, after = latency_ms(old), latency_ms(new)
    if not before or after is None:
        return Comparison(old, new, None, None, False, "invalid", "A record has no latency.")
    paired = bool(old["run"]) and old["run"] == new["run"]
    olds, news = round_medians(old["rounds"]), round_medians(new["rounds"])
    paired = paired and len(olds) == len(news)
    positive = min([*olds, *news], default=0) > 0
    bounds = ratio_interval(news, olds, paired=paired) if positive else None
    ratio = after / before
    if paired and positive:
        ratio = statistics.median(b / a for a, b in zip(olds, news, strict=True))
    verdict = _judged(bounds or (ratio, ratio), threshold)
    return Comparison(old, new, ratio, bounds, paired, verdict, _doubts(old, new, bounds))


def _doubts(old: Record, new: Record, bounds: tuple[float, float] | None) -> str:
    """Why the ratio may mislead: doubtful records, other work, no interval."""
    sides = ("A", old), ("B", new)
    doubts = [
        f"{which} is {verdict_name(record)}: {record['why']}"
        for which, record in sides
        if record["verdict"] != "valid"
    ]
    count, why = most_disturbed((old, new))
    if count:
        which = "A and B" if count == 2 else "A" if disturbance(old) else "B"
        doubts.append(f"{which}: {why}")
    if bounds is None and not doubts:
        doubts = ["Without three rounds on both sides nobody knows how sure the ratio is."]
    return " ".join(doubts)


def _judged(interval: tuple[float, float], threshold: float) -> str:
    low, high = interval
    if low > 1 + threshold:
        return "slower"
    if high < 1 / (1 + threshold):
        return "faster"
    inside = 1 / (1 + threshold) <= low and high <= 1 + threshold
    return "same" if inside else "undecided"


def comparison_name(comparison: Comparison) -> str:
    """Return what was compared, in words."""
    if request_name(comparison.old) != request_name(comparison.new):
        return f"{record_name(comparison.new)} against {record_name(comparison.old)}"
    old, new = (r["model"]["file"] or "model unknown" for r in (comparison.old, comparison.new))
    files = new if old == new else f"{new} against {old}"
    parts = files, comparison.new["requested"]["size"], request_name(comparison.new)
    return ", ".join(part for part in parts if part)
