"""One page about records: latency, throttling, ops, quality, and which delegate took what."""

import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from lpie.benchmarks.records.record import Record, latency_ms
from lpie.benchmarks.reports.chart import Bar, Series, bar_chart, line_chart, scatter_chart
from lpie.benchmarks.reports.page import write_page
from lpie.benchmarks.reports.record_rows import (
    SHOWN,
    asked,
    device_name,
    label,
    latency,
    place,
    verdict_cell,
)
from lpie.benchmarks.reports.table import table, text

_HEADINGS = {
    "latency": "Latency",
    "throttling": "Over time",
    "quality": "Quality against latency",
    "ops": "Time by op",
    "verdicts": "Where it ran",
}
# A curve over fewer rounds says nothing about throttling.
_LEAST_ROUNDS = 6
_MOST_OPS = 12
_NOTHING = {
    "throttling": f"A record needs {_LEAST_ROUNDS} rounds; <code>lpie bench --rounds 20</code>, or "
    "<code>--sustained</code> on a device.",
    "quality": "No record says how good the output is; <code>lpie bench --device</code> does.",
    "ops": "No record has a profile; <code>lpie bench --device SERIAL --profile</code> makes one.",
}


def write_results(
    records: Sequence[Record], out: Path, *, today: datetime.date | None = None
) -> None:
    """Write the page about `records` to `out`. Nothing in a record becomes markup.

    A time is drawn only where the run did what was asked for: what fell back, failed or is
    incomplete stands in the tables alone. today: the date in the footer.
    """
    good = [record for record in records if record["verdict"] in SHOWN]
    sections = {
        "latency": latency("Every measurement", records),
        "throttling": _charts(_throttling(good)),
        "quality": _charts(_quality(good)) + _identical(good),
        "ops": _charts(_ops(good)),
        "verdicts": _verdicts(records),
    }
    write_page(
        out,
        title=_title(records),
        summary=text(_summary(records)),
        sections={
            name: section or f'<p class="missing">{_NOTHING[name]}</p>'
            for name, section in sections.items()
        },
        headings=_HEADINGS,
        today=today,
    )


def _title(records: Sequence[Record]) -> str:
    devices = list(dict.fromkeys(device_name(record) for record in records))
    return (
        f"Benchmark on {devices[0]}"
        if len(devices) == 1
        else f"Benchmark on {len(devices)} devices"
    )


def _summary(records: Sequence[Record]) -> str:
    counts = Counter(record["verdict"].replace("_", " ") for record in records)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    models = {record["model"]["file"] for record in records}
    days = sorted(str(record["started"])[:10] for record in records)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    noun = "measurement" if len(records) == 1 else "measurements"
    return (
        f"{len(records)} {noun} of {len(models)} {'model' if len(models) == 1 else 'models'}, "
        f"{when}: {told}."
    )


def _charts(figures: Iterator[tuple[str, str]]) -> str:
    """Figures (caption, drawing) side by side; nothing for none."""
    shown = "".join(
        f"<figure><figcaption>{text(caption)}</figcaption>{drawing}</figure>"
        for caption, drawing in figures
    )
    return f'<div class="charts">{shown}</div>' if shown else ""


def _throttling(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """For each device and size the median of each round over time."""
    long = [record for record in records if len(record["rounds"]) >= _LEAST_ROUNDS]
    for where in dict.fromkeys(place(record) for record in long):
        series = [
            Series(label(record), sorted(points))
            for record in long
            if place(record) == where and (points := _over_time(record))
        ]
        if series:
            title = f"{where[0]}, {where[1]}: ms of each round"
            yield title, line_chart(series, title=title, x_label="minutes")


def _over_time(record: Record) -> list[tuple[float, float]]:
    pairs = ((each["at_s"], each["median_ms"] or each["mean_ms"]) for each in record["rounds"])
    return [(at / 60, ms) for at, ms in pairs if at is not None and ms is not None]


def _quality(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """For each device and size PSNR over latency, with the front of what none beats."""
    for key, noun in (
        ("target_psnr_db", "clean photos"),
        ("psnr_db", "the float model on the host"),
    ):
        scored = [r for r in records if r["quality"] and r["quality"][key] is not None]
        for where in dict.fromkeys(place(record) for record in scored):
            points = [
                (label(r), middle, r["quality"][key])
                for r in scored
                if place(r) == where and (middle := latency_ms(r)) is not None
            ]
            if points:
                title = f"{where[0]}, {where[1]}: PSNR against {noun}"
                drawing = scatter_chart(points, title=title, x_label="ms", y_label="dB")
                yield title, drawing


def _identical(records: Sequence[Record]) -> str:
    """Those whose output has no finite PSNR, as it is that of the float model."""
    names = [
        f"{label(r)} on {' at '.join(place(r))}"
        for r in records
        if r["quality"] and r["quality"]["identical"]
    ]
    equal = "; ".join(dict.fromkeys(names))
    return f'<p class="note">Equal to the float model: {text(equal)}.</p>' if names else ""


def _ops(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """For each profile the kinds of op that took most."""
    for record in records:
        sums: Counter[str] = Counter()
        for op in record["profile"] or ():
            if op["mean_ms"]:
                sums[str(op["type"])] += op["mean_ms"]
        most = sums.most_common(_MOST_OPS)
        if most:
            title = f"{label(record)} on {' at '.join(place(record))}"
            bars = [Bar(kind, ms, ms, ms) for kind, ms in most]
            yield title, bar_chart(bars, title=f"Time by op: {title}", unit="ms")


def _verdicts(records: Sequence[Record]) -> str:
    head = ["Model", "Device", "Asked", "Ran on", "Verdict", "Why", "Nodes", "Taken", "Pieces"]
    rows = []
    for record in records:
        ran = record["executed"]
        words = record["model"]["file"], device_name(record), asked(record), ran["delegate"]
        counts = ran["nodes_total"], ran["nodes_delegated"], ran["partitions"]
        why = [text(line) for line in dict.fromkeys([record["why"], *ran["reasons"]]) if line]
        rows.append(
            [*map(text, words), verdict_cell(record), "<br>".join(why) or text(None),
             *map(text, counts)]
        )  # fmt: skip
    return table("The delegate that was asked for, and what ran", head, rows, words=6)
