"""Measurements that a browser sends: checked against the schema, judged again, kept."""

import json
import re
from pathlib import Path
from typing import Any

from lpie.benchmarks.records.record import new_record, read_records, timed_round, write_records
from lpie.benchmarks.records.schema import Record, check
from lpie.errors import InputError
from lpie.system.documents import parse_json

# Bytes of what is sent at once, records in it, and times of a record: far more than a page sends.
MOST_BYTES = 2_000_000
MOST_RECORDS = 200
MOST_FILES = 500
SUMMED = ("init_ms", "first_ms", "warmup_ms", "warmup_runs", "parts_ms")


def received(body: bytes) -> list[Record]:
    """The records in what a page sent, their numbers computed and judged anew.

    Raises `InputError` for what is no record of a browser.
    """
    try:
        table = parse_json(body)
    except ValueError as error:
        raise InputError(f"The measurement is no JSON: {error}") from None
    values = table.get("records") if isinstance(table, dict) else None
    if not isinstance(values, list) or not 0 < len(values) <= MOST_RECORDS:
        raise InputError(f"The measurement must hold a list of 1 to {MOST_RECORDS} records.")
    return [_judged(check(value, "The measurement")) for value in values]


def _judged(record: Record) -> Record:
    if record["runner"]["name"] != "web":
        raise InputError("The measurement is not of a browser.")
    if not all(round_["times_ms"] for round_ in record["rounds"]):
        raise InputError("The measurement lacks the times of its runs.")
    rounds = [timed_round(r["times_ms"] or [], at_s=r["at_s"]) for r in record["rounds"]]
    summary = {name: record["summary"][name] for name in SUMMED}  # type: ignore[literal-required]
    bad = {record["verdict"]: record["why"] or "The page gave no reason."}
    return new_record(
        rounds=rounds,
        failed=bad.get("failed", ""),
        incomplete=bad.get("incomplete", ""),
        started=record["started"],
        lpie=record["lpie"],
        run=record["run"],
        model=record["model"],
        device=record["device"],
        runner=record["runner"],
        requested=record["requested"],
        executed=record["executed"],
        energy=record["energy"],
        notes=record["notes"],
        summary=summary,
    )


def keep(records: list[Record], folder: Path) -> Path:
    """Write `records` to a new file in `folder`, where `lpie compare` and `lpie report` read."""
    started = re.sub(r"\D", "", (records[0]["started"] or "")[:19]) or "unknown"
    for number in range(MOST_FILES):
        path = folder / f"web_{started}_{number}.json"
        if not path.exists():
            write_records(path, records)
            return path
    raise InputError(f"{folder} is full: it holds {MOST_FILES} measurements of one second.")


def kept(folder: Path) -> list[Record]:
    """The records in `folder`, the newest first; none where it does not exist or holds none."""
    try:
        records = read_records(folder)
    except InputError:
        return []
    return sorted(records, key=lambda record: record["started"] or "", reverse=True)[:MOST_RECORDS]


def to_page(value: Any) -> bytes:
    """`value` as JSON for the page."""
    return json.dumps(value).encode()
