"""One page about records: latency, throttling, ops, quality, and which delegate took what."""

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from lpie.benchmarks.records.answer import answer
from lpie.benchmarks.records.disturbance import disturbance
from lpie.benchmarks.records.names import (
    device_name,
    record_name,
    request_name,
    setting,
    verdict_name,
)
from lpie.benchmarks.records.record import latency_ms
from lpie.benchmarks.records.schema import Record
from lpie.benchmarks.records.verdict import is_measured
from lpie.benchmarks.reports.chart import Bar, Series, bar_chart, line_chart, scatter_chart
from lpie.benchmarks.reports.latency import latency_section
from lpie.benchmarks.reports.page import figures, headline, write_page
from lpie.benchmarks.reports.record_rows import verdict_cell
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
    "throttling": f"A curve over time needs {_LEAST_ROUNDS} rounds. Run: "
    "<code>lpie bench MODEL --rounds 20</code>, or add <code>--sustained MINUTES</code> on a "
    "device.",
    "quality": "No record says how good the output is. Run: <code>lpie bench MODEL</code>",
    "ops": "No record has a profile. Run: <code>lpie bench MODEL --device SERIAL --profile</code>",
}


def write_results(
    records: Sequence[Record], out: Path, *, today: datetime.date | None = None
) -> None:
    """Write the page about `records` to `out`. Nothing in a record becomes markup.

    A time is drawn only where the run did what was asked for: what fell back, failed or is
    incomplete stands in the tables alone. today: the date in the footer.
    """
    measured = [record for record in records if is_measured(record)]
    sections = {
        "latency": latency_section("Every measurement", records),
        "throttling": _throttling(measured),
        "quality": _quality(measured),
        "ops": _ops(measured),
        "verdicts": _verdicts(records),
    }
    write_page(
        out,
        title=_title(records),
        summary=f"<strong>{text(answer(records))}</strong> {text(_summary(records))}",
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
    counts = Counter(verdict_name(record) for record in records)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    models = {record["model"]["file"] for record in records}
    days = sorted(str(record["started"])[:10] for record in records)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    noun = "measurement" if len(records) == 1 else "measurements"
    return (
        f"{len(records)} {noun} of {len(models)} {'model' if len(models) == 1 else 'models'}, "
        f"{when}: {verdicts}."
    )


def _throttling(records: Sequence[Record]) -> str:
    charts = figures(_over_time(records))
    slowdowns = [s for r in records if (s := r["summary"]["throttling"]) is not None]
    if not charts or not slowdowns:
        return charts
    change = f"{max(slowdowns):.2f} times"
    return headline(change, "the last third of the rounds over the first, at worst") + charts


def _over_time(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """For each device and size draw the median of each round over time."""
    long = [record for record in records if len(record["rounds"]) >= _LEAST_ROUNDS]
    for where in dict.fromkeys(setting(record) for record in long):
        series = [
            Series(record_name(record), sorted(points))
            for record in long
            if setting(record) == where and (points := _round_points(record))
        ]
        if series:
            title = f"{where[0]}, {where[1]}: ms of each round"
            yield title, line_chart(series, title=title, x_label="minutes")


def _round_points(record: Record) -> list[tuple[float, float]]:
    pairs = ((r["at_s"], r["median_ms"] or r["mean_ms"]) for r in record["rounds"])
    return [(at / 60, ms) for at, ms in pairs if at is not None and ms is not None]


# What a PSNR is against, by its field.
_TRUTHS = (
    ("target_psnr_db", "clean photos"),
    ("psnr_db", "the float model on the host"),
)


def _quality(records: Sequence[Record]) -> str:
    body = figures(_fronts(records)) + _identical(records)
    best = [
        (psnr_db, truth, record)
        for key, truth in _TRUTHS
        for record in records
        if (psnr_db := _psnr_db(record, key)) is not None
    ]
    if not best:
        return body
    # Against clean photos, where there are any.
    psnr_db, truth, record = max(
        (row for row in best if row[1] == best[0][1]), key=lambda row: row[0]
    )
    return headline(f"{psnr_db:.1f} dB", f"against {truth}: {record_name(record)}") + body


def _psnr_db(record: Record, key: str) -> float | None:
    quality = record["quality"]
    if quality is None:
        return None
    return quality["target_psnr_db"] if key == "target_psnr_db" else quality["psnr_db"]


def _fronts(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """For each device and size draw PSNR over latency, with the Pareto front."""
    for key, truth in _TRUTHS:
        scored = [(r, p) for r in records if (p := _psnr_db(r, key)) is not None]
        for where in dict.fromkeys(setting(record) for record, _ in scored):
            points = [
                (record_name(r), ms, psnr_db)
                for r, psnr_db in scored
                if setting(r) == where and (ms := latency_ms(r)) is not None
            ]
            if points:
                title = f"{where[0]}, {where[1]}: PSNR against {truth}"
                yield title, scatter_chart(points, title=title, x_label="ms", y_label="dB")


def _identical(records: Sequence[Record]) -> str:
    """Name those whose output has no finite PSNR, as it is that of the float model."""
    names = [
        f"{record_name(r)} on {' at '.join(setting(r))}"
        for r in records
        if r["quality"] and r["quality"]["identical"]
    ]
    equal = "; ".join(dict.fromkeys(names))
    return f'<p class="note">Equal to the float model: {text(equal)}.</p>' if names else ""


def _ops(records: Sequence[Record]) -> str:
    """For each profile draw the kinds of op that took most."""
    drawings, shares = [], []
    for record in records:
        sums: defaultdict[str, float] = defaultdict(float)
        for op in record["profile"] or ():
            if op["mean_ms"]:
                sums[str(op["type"])] += op["mean_ms"]
        most = sorted(sums.items(), key=lambda item: -item[1])[:_MOST_OPS]
        if most:
            title = f"{record_name(record)} on {' at '.join(setting(record))}"
            bars = [Bar(kind, ms, ms, ms) for kind, ms in most]
            drawings.append((title, bar_chart(bars, title=f"Time by op: {title}", unit="ms")))
            shares.append((most[0][1] / sum(sums.values()), most[0][0], title))
    if not drawings:
        return ""
    share, kind, title = max(shares)
    return headline(f"{share:.0%}", f"of the time is {kind}: {title}") + figures(drawings)


def _verdicts(records: Sequence[Record]) -> str:
    head = [
        "Model",
        "Device",
        "Requested",
        "Ran on",
        "Verdict",
        "Why",
        "Nodes",
        "Delegated",
        "Partitions",
    ]
    rows = []
    for record in records:
        ran = record["executed"]
        words = record["model"]["file"], device_name(record), request_name(record), ran["delegate"]
        counts = ran["nodes_total"], ran["nodes_delegated"], ran["partitions"]
        reasons = record["why"], disturbance(record), *ran["reasons"], *record.get("notes", ())
        why = [text(line) for line in dict.fromkeys(reasons) if line]
        rows.append(
            [
                *map(text, words),
                verdict_cell(record),
                "<br>".join(why) or text(None),
                *map(text, counts),
            ]
        )
    valid = sum(record["verdict"] == "valid" for record in records)
    return headline(f"{valid} of {len(records)}", "records are valid") + table(
        "The delegate that was asked for, and the one that ran", head, rows, words=6
    )
