"""The latency section of a page: a headline, bars and a table."""

from collections.abc import Sequence

from lpie.benchmarks.records.names import record_name, setting, verdict_name
from lpie.benchmarks.records.record import latency_ms
from lpie.benchmarks.records.schema import Record
from lpie.benchmarks.records.verdict import is_measured
from lpie.benchmarks.reports.chart import Bar, bar_chart
from lpie.benchmarks.reports.page import figures, headline
from lpie.benchmarks.reports.record_rows import to_html

_FULL_HD = "1920x1080"
_NOTE = (
    '<p class="note">Bars are medians, or means where the tool gives no median. Whiskers span the '
    "95 % interval over rounds, or the 5th to 95th percentile. Pale bars are doubtful "
    "measurements: point at the verdict in the table to see why.</p>"
)


def latency_section(caption: str, records: Sequence[Record]) -> str:
    """Return the HTML of `records`: a chart for each device and size, and a table of them all.

    A record that fell back, failed or is incomplete shows why in the place of its times.
    """
    charts = figures(
        (" at ".join(where), drawing)
        for where in dict.fromkeys(setting(record) for record in records)
        if (drawing := _bars(where, [r for r in records if setting(r) == where]))
    )
    return _headline(records) + (_NOTE + charts if charts else "") + to_html(caption, records)


def _headline(records: Sequence[Record]) -> str:
    """Return the fastest time at full HD, else at the largest size that was measured."""
    times = [
        (ms, record)
        for record in records
        if is_measured(record) and (ms := latency_ms(record)) is not None
    ]
    if not times:
        return headline("no time", "No record did what was asked for.")
    sizes = {record["requested"]["size"] for _, record in times}
    size = _FULL_HD if _FULL_HD in sizes else max(sizes, key=_pixels)
    ms, record = min(
        ((ms, r) for ms, r in times if r["requested"]["size"] == size), key=lambda pair: pair[0]
    )
    return headline(
        f"{ms:,.0f} ms" if ms >= 100 else f"{ms:,.3g} ms",
        f"the fastest at {' on '.join(reversed(setting(record)))}: {record_name(record)}",
    )


def _pixels(size: str | None) -> int:
    width, _, height = (size or "0x0").partition("x")
    return int(width) * int(height)


def _bars(where: tuple[str, str], records: Sequence[Record]) -> str:
    bars = []
    for record in records:
        middle = latency_ms(record)
        if is_measured(record) and middle is not None:
            doubtful = record["verdict"] != "valid"
            name = record_name(record) + (f" ({verdict_name(record)})" if doubtful else "")
            bars.append(Bar(name, middle, *_whisker(record, middle), doubtful))
    title = f"Latency on {' at '.join(where)}"
    return bar_chart(bars, title=title, unit="ms") if bars else ""


def _whisker(record: Record, middle: float) -> tuple[float, float]:
    summary = record["summary"]
    if summary["interval_ms"]:
        low, high = summary["interval_ms"]
        return low, high
    for lowest, highest in (
        (summary["p5_ms"], summary["p95_ms"]),
        (summary["min_ms"], summary["max_ms"]),
    ):
        if lowest is not None and highest is not None:
            return lowest, highest
    return middle, middle
