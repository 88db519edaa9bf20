"""Tables of the time of each op: with tabs, as pasted with spaces, and as CSV, old and new."""

import re
from collections.abc import Sequence
from typing import Any

from lpie.benchmarks.logs.lines import Line

_SECTION = "Operator-wise Profiling Info for Regular Benchmark Runs"
_ORDER = re.compile(r"^=+ Run Order =+$")
_INSIDE = re.compile(r"^Delegate internal")
# The columns have had other names and, until about 2.15, the one of the start.
_COLUMNS = {
    "node type": "type", "start": "start", "first": "first", "avg ms": "mean_ms",
    "avg_ms": "mean_ms", "%": "percent", "cdf%": "cdf", "mem kb": "memory_kb",
    "times called": "count", "name": "name",
}  # fmt: skip
_CSV = re.compile(
    r"^node type, ?(?:start, ?)?first, ?avg[_ ]ms, ?%, ?cdf%, ?mem KB, ?times called, ?name"
)
_VALUE = r"[\d.]+(?:e[+-]?\d+)?%?"


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
    tables = [(i, _table(texts[i:])) for i, text in enumerate(texts) if _is_head(text)]
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
    gap = r", ?" if csv else r"(?:\t *| {2,}\t? *)"
    numbers = gap.join(rf"(?P<c{i}>{_VALUE})" for i in range(1, len(columns) - 1))
    row = re.compile(rf"^\s*(?P<type>\S.*?){gap}{numbers}{gap}(?P<name>.*)$")
    rows = []
    for text in texts[1:]:
        match = row.match(text)
        if match is None:
            break
        rows.append(_row(match, columns))
    return [each for each in rows if each]


def _row(match: re.Match[str], columns: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": match["type"].strip(), "name": match["name"].strip()}
    for i, column in enumerate(columns[1:-1], start=1):
        text = match[f"c{i}"].rstrip("%")
        if column in ("mean_ms", "percent", "memory_kb") and _is_number(text):
            found[column] = float(text)
        if column == "count" and re.fullmatch(r"\d{1,9}", text):
            found[column] = int(text)
    return found


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d{1,15}(?:\.\d{1,15})?(?:e[+-]?\d{1,2})?", text))
