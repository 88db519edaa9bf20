"""Tables of the time of each op: with tabs, as pasted with spaces, and as CSV, old and new."""

import re
from collections.abc import Sequence
from typing import Any

from lpie.benchmarks.logs.latency import MOST
from lpie.benchmarks.logs.lines import Line

_SECTION = "Operator-wise Profiling Info for Regular Benchmark Runs"
_INSIDE = re.compile(r"^Delegate internal")
# The columns have had other names and, until about 2.15, the one of the start.
_COLUMNS = {
    "node type": "type",
    "start": "start",
    "first": "first",
    "avg ms": "mean_ms",
    "avg_ms": "mean_ms",
    "%": "percent",
    "cdf%": "cdf",
    "mem kb": "memory_kb",
    "times called": "count",
    "name": "name",
}
_CSV = re.compile(
    r"^node type, ?(?:start, ?)?first, ?avg[_ ]ms, ?%, ?cdf%, ?mem KB, ?times called, ?name"
)
_MOST_TABLES = 20  # a tool prints at most eight
_VALUE = re.compile(r"\d{1,15}(?:\.\d{1,15})?(?:e[+-]?\d{1,2})?%?")


def is_cut(lines: Sequence[Line]) -> bool:
    """Whether the log announces a table of the runs' ops that is not there."""
    texts = [line.text for line in lines]
    initial = any(text.startswith("Profiling Info for Benchmark Initialization") for text in texts)
    regular = any(text.startswith(_SECTION) for text in texts)
    return (initial and not regular) or (regular and find_profile(lines) is None)


def find_profile(lines: Sequence[Line]) -> list[dict[str, Any]] | None:
    """The schema's `profile` of one run, in the order of running; None when there is none.

    Of the set-up nothing is told. Where a delegate took the graph and lists its own ops, these.
    """
    texts = [line.text for line in lines if line.whole]
    starts = [i for i, text in enumerate(texts) if text.startswith(_SECTION)]
    initial = any(text.startswith("Profiling Info for Benchmark Initialization") for text in texts)
    if not starts and initial:
        return None  # cut before the runs' own table
    texts = texts[starts[-1] :] if starts else texts
    heads = [i for i, text in enumerate(texts) if _is_head(text)][:_MOST_TABLES]
    tables = [(i, _table(texts[i:])) for i in heads]
    main = next((rows for i, rows in tables if rows), None)
    inside = next((i for i, text in enumerate(texts) if _INSIDE.match(text)), None)
    if main is None or inside is None:
        return main
    within = next((rows for i, rows in tables if i > inside and rows), None)
    return within if within and all("Delegate" in row["type"] for row in main) else main


def _is_head(text: str) -> bool:
    return "[node type]" in text or bool(_CSV.match(text.strip()))


def _table(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The rows under the header `texts[0]`, up to the first line that is none."""
    header = texts[0].strip()
    csv = "[node type]" not in header
    names = header.split(",") if csv else re.findall(r"\[([^\]]*)\]", header)
    columns = [_COLUMNS.get(name.strip().lower(), "") for name in names]
    if columns[:1] != ["type"] or columns[-1:] != ["name"] or "mean_ms" not in columns:
        return []
    rows = []
    for text in texts[1:]:
        row = _row(text.strip(), columns[1:-1], csv)
        if row is None:
            break
        rows.append(row)
    return rows


def _row(text: str, columns: Sequence[str], csv: bool) -> dict[str, Any] | None:
    """The row in `text`: a type, numbers for `columns`, a name; None when it is none."""
    gap = "," if csv else "\t" if "\t" in text else "  "
    fields = [field.strip() for field in text.split(gap)]
    if gap == "  ":
        fields = [field for field in fields if field]
    # Types and names may hold commas: the numbers are where as many as there must be follow.
    for start in range(1, len(fields) - len(columns)):
        numbers = fields[start : start + len(columns)]
        if all(_VALUE.fullmatch(number) for number in numbers):
            kind, name = gap.join(fields[:start]), gap.join(fields[start + len(columns) :])
            if csv:
                kind, name = kind.replace(",", ", "), name.replace(",", ", ")
            return {"type": kind, **_numbers(columns, numbers), "name": name}
    return None


def _numbers(columns: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column, text in zip(columns, texts, strict=True):
        if column in ("mean_ms", "percent", "memory_kb") and float(text.rstrip("%")) < MOST:
            values[column] = float(text.rstrip("%"))
        if column == "count" and text.isdigit():
            values[column] = int(text)
    return values
