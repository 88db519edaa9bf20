"""Records as rows: the columns, and their cells in HTML, Markdown, CSV and the terminal."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lpie.benchmarks.records.disturbance import disturbance, other_cores
from lpie.benchmarks.records.names import device_name, request_name, short_name, verdict_name
from lpie.benchmarks.records.record import latency_ms
from lpie.benchmarks.records.schema import Record, Verdict
from lpie.benchmarks.records.verdict import MEANINGS, is_measured
from lpie.benchmarks.reports.table import badge, markdown, table, text


@dataclass(frozen=True)
class Column:
    """One field of a record.

    name: in CSV. head: for people. digits: decimals of a number, for people; None for words.
    measured: the value counts only where the run did what was asked for.
    """

    name: str
    head: str
    value: Callable[[Record], object]
    digits: int | None = None
    measured: bool = False


def _time(name: str, head: str, value: Callable[[Record], object]) -> Column:
    return Column(name, head, value, digits=1, measured=True)


def _interval(record: Record) -> str | None:
    bounds = record["summary"]["interval_ms"]
    return f"{bounds[0]:,.1f} to {bounds[1]:,.1f}" if bounds else None


def _bound(record: Record, index: int) -> float | None:
    bounds = record["summary"]["interval_ms"]
    return bounds[index] if bounds else None


def _quality(record: Record) -> object:
    quality = record["quality"]
    return "same" if quality and quality["identical"] else quality and quality["psnr_db"]


COLUMNS = {
    column.name: column
    for column in (
        Column("model", "model", lambda r: r["model"]["file"]),
        Column("device", "device", device_name),
        Column("soc", "SoC", lambda r: r["device"]["soc"]),
        Column("size", "size", lambda r: r["requested"]["size"]),
        Column("mode", "mode", lambda r: r["requested"]["mode"]),
        Column("delegate", "delegate", lambda r: r["requested"]["delegate"]),
        Column("precision", "precision", lambda r: r["requested"]["precision"]),
        Column("threads", "threads", lambda r: r["requested"]["threads"]),
        Column("ran_on", "ran on", lambda r: r["executed"]["delegate"]),
        Column("nodes_total", "nodes", lambda r: r["executed"]["nodes_total"]),
        Column("nodes_delegated", "delegated", lambda r: r["executed"]["nodes_delegated"]),
        Column("partitions", "partitions", lambda r: r["executed"]["partitions"]),
        Column("verdict", "verdict", lambda r: r["verdict"]),
        Column("why", "why", lambda r: r["why"]),
        Column("rounds", "rounds", lambda r: len(r["rounds"])),
        Column("runs", "runs", lambda r: r["summary"]["count"], digits=0, measured=True),
        _time("median_ms", "median ms", lambda r: r["summary"]["median_ms"]),
        _time("interval_low_ms", "interval from ms", lambda r: _bound(r, 0)),
        _time("interval_high_ms", "interval to ms", lambda r: _bound(r, 1)),
        _time("mean_ms", "mean ms", lambda r: r["summary"]["mean_ms"]),
        _time("p90_ms", "p90 ms", lambda r: r["summary"]["p90_ms"]),
        _time("p95_ms", "p95 ms", lambda r: r["summary"]["p95_ms"]),
        _time("p99_ms", "p99 ms", lambda r: r["summary"]["p99_ms"]),
        _time("std_ms", "std ms", lambda r: r["summary"]["std_ms"]),
        _time("init_ms", "init ms", lambda r: r["summary"]["init_ms"]),
        _time("first_ms", "first ms", lambda r: r["summary"]["first_ms"]),
        _time("throttling", "throttling", lambda r: r["summary"]["throttling"]),
        _time("peak_mb", "peak MB", lambda r: r["memory"]["peak_mb"]),
        _time("gpu_mb", "GPU MB", lambda r: r["memory"]["gpu_mb"]),
        _time("joules", "joules", lambda r: r["energy"]["joules"]),
        Column("psnr_db", "PSNR dB", lambda r: r["quality"] and r["quality"]["psnr_db"], digits=1),
        Column(
            "residual_correlation",
            "residual correlation",
            lambda r: r["quality"] and r["quality"]["residual_correlation"],
            digits=4,
        ),
        Column(
            "target_psnr_db",
            "PSNR dB against clean photos",
            lambda r: r["quality"] and r["quality"]["target_psnr_db"],
            digits=1,
        ),
        Column("other_cores", "cores of other programs", other_cores, digits=1),
        Column("runner", "runner", lambda r: r["runner"]["name"]),
        Column("started", "started", lambda r: r["started"]),
        Column("model_sha256", "model SHA-256", lambda r: r["model"]["sha256"]),
    )
}
CSV = tuple(COLUMNS.values())

# Columns for people alone, which hold what CSV spreads over several or spells differently.
_FILE = Column(
    "file", "model", lambda r: (r["model"]["file"] or "").removesuffix(".tflite") or None
)
_NAME = Column("name", "model", short_name)
_REQUEST = Column("request", "requested", request_name)
_VERDICT = Column("verdict", "verdict", verdict_name)
_LATENCY = _time("latency_ms", "median ms", latency_ms)
_INTERVAL = Column("interval_ms", "95 % interval", _interval, measured=True)
_QUALITY = Column("quality", "PSNR dB", _quality, digits=1)


def _columns(*columns: Column | str) -> tuple[Column, ...]:
    return tuple(COLUMNS[column] if isinstance(column, str) else column for column in columns)


HTML = _columns(
    _FILE,
    "device",
    _REQUEST,
    "size",
    _VERDICT,
    "init_ms",
    _LATENCY,
    _INTERVAL,
    "p90_ms",
    "runs",
    "peak_mb",
)
MARKDOWN = _columns(
    "model",
    "device",
    "size",
    _REQUEST,
    "ran_on",
    _LATENCY,
    _INTERVAL,
    "p90_ms",
    "peak_mb",
    _QUALITY,
    _VERDICT,
)
TERMINAL = _columns(
    _NAME,
    "init_ms",
    "first_ms",
    "median_ms",
    "mean_ms",
    "p90_ms",
    "std_ms",
    "peak_mb",
    Column("verdict", "verdict", lambda r: r["verdict"]),
)


DEVICES = _columns(
    "model", "device", "size", _REQUEST, "ran_on", _VERDICT, _LATENCY, _INTERVAL, _QUALITY
)


def cell(record: Record, column: Column) -> object:
    """Return the value of a column: None where it is unknown or was not measured as asked."""
    return column.value(record) if is_measured(record) or not column.measured else None


def shown(record: Record, column: Column, *, nothing: str = "") -> str:
    """Return the value of a column as text for people; `nothing` where there is none."""
    value = cell(record, column)
    if value is None:
        return nothing
    number = column.digits is not None and isinstance(value, int | float)
    return f"{value:,.{column.digits}f}" if number else str(value)


def to_html(caption: str, records: Sequence[Record]) -> str:
    """Return a table of `records`; one without times says why in their place."""
    head = [column.head if column.head[1].isdigit() else _sentence(column.head) for column in HTML]
    return table(text(caption), head, [_html_row(record) for record in records], words=5)


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _html_row(record: Record) -> list[str]:
    cells = [
        verdict_cell(record) if column is _VERDICT else text(shown(record, column) or None)
        for column in HTML
    ]
    return cells if is_measured(record) else [*cells[:5], text(record["why"])]


def verdict_cell(record: Record) -> str:
    """Return the verdict as HTML, with its meaning and its reason in a tooltip."""
    verdict: Verdict = record["verdict"]
    kind = "good" if verdict == "valid" else "doubtful" if is_measured(record) else "bad"
    disturbed = disturbance(record)
    tip = " ".join(part for part in (MEANINGS[verdict], record["why"], disturbed) if part)
    name = verdict_name(record) + (", disturbed" if disturbed and verdict == "valid" else "")
    return badge(name, "doubtful" if disturbed and kind == "good" else kind, tip)


def to_markdown(records: Sequence[Record]) -> str:
    """Return a Markdown table, then a line for every record that is not valid, saying why."""
    rows = [[_plain(shown(record, column)) for column in MARKDOWN] for record in records]
    reasons = [
        f"- {_plain(r['model']['file'])}, {_plain(request_name(r))}: {verdict_name(r)}. "
        f"{_plain(' '.join(filter(None, (r['why'], disturbance(r)))))}"
        for r in records
        if r["verdict"] != "valid" or disturbance(r)
    ]
    parts = [markdown([column.head for column in MARKDOWN], rows)]
    return "\n\n".join([*parts, *(["\n".join(reasons)] if reasons else [])]) + "\n"


def to_csv(records: Sequence[Record]) -> str:
    """Return a header and a line for each record; numbers are not rounded for people."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([column.name for column in CSV])
    for record in records:
        writer.writerow([_safe(cell(record, column)) for column in CSV])
    return lines.getvalue()


def to_terminal(
    records: Sequence[Record], columns: Sequence[Column] = TERMINAL
) -> tuple[list[str], list[list[str]]]:
    """Return (header, rows) for `lpie.cli.format.print_table`."""
    header = [column.head for column in columns]
    rows = [[shown(r, column, nothing="-") for column in columns] for r in records]
    if columns is TERMINAL:
        _tell_apart(records, rows)
    return header, rows


def _tell_apart(records: Sequence[Record], rows: list[list[str]]) -> None:
    """Add the threads to names that several rows have, as the runs of one log may."""
    counts = Counter(row[0] for row in rows)
    for record, row in zip(records, rows, strict=True):
        threads = record["requested"]["threads"]
        if counts[row[0]] > 1 and threads:
            row[0] += f", {threads} threads"


def _safe(value: object) -> object:
    """Put a quote before what a spreadsheet would take for a formula; shorten floats."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _plain(value: object) -> str:
    """Return `value` as one line of Markdown without markup."""
    line = "" if value is None else " ".join(str(value).split())
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", line)
