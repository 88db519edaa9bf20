"""One measurement as one JSON record: built, checked against its published schema, written, read.

The schema, `record.schema.json`, says what every field means. A record is a plain dictionary, typed
as `schema.Record`.
"""

import datetime
import functools
import importlib.metadata
import json
import re
import statistics
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from lpie.benchmarks.records.schema import (
    SCHEMA,
    Collection,
    Model,
    Record,
    Round,
    Verdict,
    blank,
    check,
    completed,
)
from lpie.benchmarks.records.statistics import describe, deviation, interval
from lpie.benchmarks.records.verdict import VERDICTS, judge
from lpie.errors import InputError
from lpie.system.files import to_json, write_atomic
from lpie.tflite.model import TfliteModel

# A record holds its log; one that is larger than this was not written by a benchmark.
MOST_BYTES = 256_000_000

_QUANTITIES = ("median_ms", "mean_ms", "std_ms", "p5_ms", "p90_ms", "p95_ms", "p99_ms")


def new_record(
    *,
    rounds: Iterable[Mapping[str, Any]] = (),
    failed: str = "",
    incomplete: str = "",
    **sections: Any,
) -> Record:
    """Build the record of one measurement, judged and checked; unknown fields are null.

    rounds: as `timed_round` or `summed_round` return them. failed, incomplete: why, as a sentence;
    empty when the measurement went well. sections: fields of the schema, as much of each as is
    known: `model={"file": "a.tflite"}`. A section `summary` adds to what the rounds say. A field
    that the schema does not know raises an `InputError`.
    """
    record: Any = completed({"rounds": list(rounds), **sections})
    record["schema"] = SCHEMA
    record["lpie"] = record["lpie"] or _version()
    record["started"] = record["started"] or now()
    summary = {k: v for k, v in record["summary"].items() if v not in (None, {})}
    record["summary"] = {**record["summary"], **summarized(record["rounds"]), **summary}
    record["verdict"], record["why"] = judge(record, failed=failed, incomplete=incomplete)
    return check(record, "the new record")


@functools.cache
def _version() -> str:
    return importlib.metadata.version("lpie")


def timed_round(times_ms: Sequence[float], **more: Any) -> Round:
    """Build a round of which each run's time is known. more: `at_s`, `state`."""
    fields = {**blank("round"), "times_ms": list(times_ms), **describe(times_ms), **more}
    return cast(Round, fields)


def summed_round(**numbers: Any) -> Round:
    """Build a round of which the runner gave only aggregates (`median_ms=`, `count=` ...)."""
    return cast(Round, {**blank("round"), **numbers})


def summarized(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the schema's `summary` of `rounds`, as far as they tell."""
    if not rounds:
        return {}
    times = [time for round_ in rounds for time in round_["times_ms"] or ()]
    if all(round_["times_ms"] for round_ in rounds):
        numbers: dict[str, Any] = describe(times)
    else:
        numbers = {key: _over(rounds, key, statistics.median) for key in _QUANTITIES}
        numbers["count"] = _over(rounds, "count", sum)
        numbers["min_ms"] = _over(rounds, "min_ms", min)
        numbers["max_ms"] = _over(rounds, "max_ms", max)
        times = []
    medians = round_medians(rounds)
    spread = times or (medians if len(medians) > 1 else [])
    bounds = interval(medians)
    third = len(medians) // 3
    first, last = medians[:third], medians[-third:]
    return {
        **numbers,
        "spread_ms": deviation(spread) if spread else None,
        "interval_ms": list(bounds) if bounds else None,
        "throttling": (
            statistics.median(last) / statistics.median(first)
            if third >= 2 and min(first) > 0
            else None
        ),
    }


def round_medians(rounds: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the median of each round, its mean where the runner gives no median, in ms."""
    middles = (
        round_["mean_ms"] if round_["median_ms"] is None else round_["median_ms"]
        for round_ in rounds
    )
    return [middle for middle in middles if middle is not None]


def latency_ms(record: Mapping[str, Any]) -> float | None:
    """Return the median over a record's runs, their mean where there is no median, in ms."""
    summary = record["summary"]
    return summary["mean_ms"] if summary["median_ms"] is None else summary["median_ms"]


def model_section(model: Path | TfliteModel) -> Model:
    """Return the schema's `model` of a TFLite file, or of what was read from it."""
    network = TfliteModel.read(model) if isinstance(model, Path) else model
    spec = network.spec
    return {
        "file": Path(network.name).name,
        "sha256": network.sha256,
        "bytes": len(network.to_bytes()),
        "spec": None if spec is None else json.loads(spec.to_json()),
    }


def new_run() -> str:
    """Return a new name for records whose rounds take turns; see the schema's `run`."""
    return uuid.uuid4().hex


def now() -> str:
    """Return the present time in UTC, as the schema's `started`."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write one record as it is, several as `collection`; checked, whole or not at all."""
    for record in records:
        check(record, str(path))
    write_atomic(path, to_json(records[0] if len(records) == 1 else collection(records)))


def collection(records: Sequence[Record]) -> Collection:
    """Return several records as one JSON object, with the worst of their verdicts."""
    verdicts: list[Verdict] = [record["verdict"] for record in records]
    worst: Verdict = max(verdicts, key=VERDICTS.index, default="valid")
    return {"schema": SCHEMA, "verdict": worst, "records": list(records)}


def read_records(path: Path) -> list[Record]:
    """Read the records in a file, or in the .json files of a folder; their text is not trusted.

    Raises `InputError` when `path` is missing, holds none, or holds one that is damaged. Files of
    a folder that are no records at all are passed over.
    """
    if path.is_dir():
        files = [(file, _load(file)) for file in sorted(path.rglob("*.json"), key=_numbered)]
        pairs = [(file, value) for file, value in files if is_record(value)]
    elif path.exists():
        pairs = [(path, _load(path))]
    else:
        raise InputError(f"{path} does not exist. Give a file or folder that lpie bench wrote.")
    records = [check(record, str(file)) for file, value in pairs for record in _listed(value)]
    if not records:
        raise InputError(f"{path} holds no record. Give a file or folder that lpie bench wrote.")
    return records


def _numbered(path: Path) -> list[tuple[int, str]]:
    """A key that sorts numbers in names as numbers: a size of 512 before one of 1024."""
    parts = re.findall(r"\d{1,12}|\D+", str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def is_record(value: Any) -> bool:
    """Whether `value` says that it is a record, or several, of some version of the schema."""
    return isinstance(value, dict) and str(value.get("schema", "")).startswith("lpie-bench/")


def _listed(value: Any) -> list[Any]:
    several = isinstance(value, dict) and "records" in value and value.get("schema") == SCHEMA
    if not several:
        return [value]
    return value["records"] if isinstance(value["records"], list) else [value["records"]]


def _load(path: Path) -> Any:
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES / 1e6:.0f} MB: it is no record.")
    try:
        return json.loads(path.read_bytes(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        why = str(error)[:200] or "it nests too deeply"
        raise InputError(f"{path} is not valid JSON: {why}. Make it again.") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _over(
    rounds: Sequence[Mapping[str, Any]], key: str, combined: Callable[[list[Any]], Any]
) -> Any:
    known = [round_[key] for round_ in rounds if round_[key] is not None]
    return combined(known) if known else None
