"""Two sets of records against each other: how much slower or faster, and whether that is noise."""

from collections.abc import Sequence
from dataclasses import dataclass

from lpie.benchmarks.records.record import Record, latency_ms, round_medians
from lpie.benchmarks.records.statistics import ratio_interval
from lpie.benchmarks.reports.record_rows import SHOWN, asked, device_name
from lpie.errors import InputError


@dataclass(frozen=True)
class Comparison:
    """A record of B against its counterpart in A.

    ratio: B's latency over A's. interval: its 95 % bootstrap interval, None for fewer than three
    rounds. paired: the rounds took turns in one run. verdict: `slower` or `faster` when the whole
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
    anyway: bool = False,
) -> list[Comparison]:
    """Each record of `new` beside the one of `old` that was asked for the same.

    threshold: the share by which a latency may change before it counts. One record on each side is
    compared whatever its model is called. anyway: though devices, their builds or sizes differ,
    which raises an `InputError` else, as does it when nothing belongs together.
    """
    pairs = _pairs(old, new)
    for before, after in pairs:
        if not anyway:
            _refuse_unlike(before, after)
    return [_compared(before, after, threshold) for before, after in pairs]


def _pairs(old: Sequence[Record], new: Sequence[Record]) -> list[tuple[Record, Record]]:
    if len(old) == len(new) == 1:
        return [(old[0], new[0])]
    known = {_key(record): record for record in old}
    pairs = [(known[_key(record)], record) for record in new if _key(record) in known]
    if not pairs:
        raise InputError(
            "No record of B was asked for what one of A was: model, size, delegate, precision, "
            "threads and mode must be equal. Compare files of one record each."
        )
    return pairs


def _key(record: Record) -> tuple[object, ...]:
    request = record["requested"]
    same = ("size", "delegate", "accelerator", "precision", "threads", "mode")
    return (record["model"]["file"], *(request[key] for key in same))


def _refuse_unlike(old: Record, new: Record) -> None:
    for what, (before, after) in (
        ("sizes", [(r["requested"]["size"] or "unknown",) for r in (old, new)]),
        ("devices", [_build(record) for record in (old, new)]),
    ):
        if before != after:
            first, second = (", ".join(map(str, filter(None, each))) for each in (before, after))
            raise InputError(
                f"The {what} differ: {first} and {second}. Add --anyway to compare all the same."
            )


def _build(record: Record) -> tuple[str | None, ...]:
    return (device_name(record), record["device"]["serial"], record["device"]["fingerprint"])


def _compared(old: Record, new: Record, threshold: float) -> Comparison:
    for which, record in (("A", old), ("B", new)):
        if record["verdict"] not in SHOWN:
            why = f"{which} is {record['verdict'].replace('_', ' ')}: {record['why']}"
            return Comparison(old, new, None, None, False, "invalid", why)
    before, after = latency_ms(old), latency_ms(new)
    if not before or after is None:
        return Comparison(old, new, None, None, False, "invalid", "A record has no latency.")
    doubts = [
        f"{which} is {record['verdict']}: {record['why']}"
        for which, record in (("A", old), ("B", new))
        if record["verdict"] != "valid"
    ]
    paired = bool(old["run"]) and old["run"] == new["run"]
    olds, news = round_medians(old["rounds"]), round_medians(new["rounds"])
    paired = paired and len(olds) == len(news)
    around = ratio_interval(news, olds, paired=paired) if min([*olds, *news]) > 0 else None
    ratio = after / before
    verdict = _judged(around or (ratio, ratio), threshold)
    return Comparison(old, new, ratio, around, paired, verdict, " ".join(doubts))


def _judged(around: tuple[float, float], threshold: float) -> str:
    low, high = around
    if low > 1 + threshold:
        return "slower"
    if high < 1 / (1 + threshold):
        return "faster"
    inside = 1 / (1 + threshold) <= low and high <= 1 + threshold
    return "same" if inside else "undecided"


def name(comparison: Comparison) -> str:
    """What was compared, in words."""
    files = [str(r["model"]["file"] or "model unknown") for r in (comparison.old, comparison.new)]
    told = files[1] if files[0] == files[1] else f"{files[1]} against {files[0]}"
    parts = told, comparison.new["requested"]["size"], asked(comparison.new)
    return ", ".join(str(part) for part in parts if part)
