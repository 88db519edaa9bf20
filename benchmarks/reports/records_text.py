"""Records as a Markdown table and as CSV, a line for each."""

import csv
import io
import re
from collections.abc import Sequence

from lpie.benchmarks.records.record import Record, latency_ms
from lpie.benchmarks.reports.record_rows import SHOWN, asked, device_name
from lpie.benchmarks.studies.study import markdown

COLUMNS = (
    "model", "device", "soc", "size", "mode", "delegate", "precision", "threads", "ran_on",
    "nodes_total", "nodes_delegated", "partitions", "verdict", "why", "rounds", "runs", "median_ms",
    "interval_low_ms", "interval_high_ms", "mean_ms", "p90_ms", "p95_ms", "p99_ms", "std_ms",
    "init_ms", "first_ms", "throttling", "peak_mb", "gpu_mb", "joules", "psnr_db",
    "residual_correlation", "target_psnr_db", "runner", "started", "model_sha256",
)  # fmt: skip


def to_markdown(records: Sequence[Record]) -> str:
    """A table, then a line for every record that is not valid, saying why."""
    head = ["model", "device", "size", "asked", "ran on", "median ms", "95 % interval", "p90 ms",
            "peak MB", "PSNR dB", "verdict"]  # fmt: skip
    whys = [
        f"- {_plain(r['model']['file'])}, {_plain(asked(r))}: {_verdict(r)}. {_plain(r['why'])}"
        for r in records
        if r["verdict"] != "valid"
    ]
    parts = [
        markdown(head, [_cells(record) for record in records]),
        *(["\n".join(whys)] if whys else []),
    ]
    return "\n\n".join(parts) + "\n"


def to_csv(records: Sequence[Record]) -> str:
    """A header and a line for each record; numbers only where the run did what was asked for."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({key: _safe(value) for key, value in _flat(record).items()})
    return text.getvalue()


def _cells(record: Record) -> list[str]:
    summary, quality = record["summary"], record["quality"] or {}
    shown = record["verdict"] in SHOWN
    around = summary["interval_ms"]
    return [
        _plain(record["model"]["file"]),
        _plain(device_name(record)),
        _plain(record["requested"]["size"]),
        _plain(asked(record)),
        _plain(record["executed"]["delegate"]),
        _number(latency_ms(record) if shown else None),
        f"{around[0]:,.1f} to {around[1]:,.1f}" if shown and around else "",
        _number(summary["p90_ms"] if shown else None),
        _number(record["memory"]["peak_mb"] if shown else None),
        "same" if quality.get("identical") else _number(quality.get("psnr_db")),
        _verdict(record),
    ]


def _flat(record: Record) -> dict[str, object]:
    model, device, request = record["model"], record["device"], record["requested"]
    ran, summary, memory = record["executed"], record["summary"], record["memory"]
    quality = record["quality"] or {}
    low, high = summary["interval_ms"] or (None, None)
    shown = record["verdict"] in SHOWN
    times = {
        **{key: summary[key] for key in COLUMNS if key in summary},
        "runs": summary["count"], "interval_low_ms": low, "interval_high_ms": high,
        "peak_mb": memory["peak_mb"], "gpu_mb": memory["gpu_mb"],
        "joules": record["energy"]["joules"],
    }  # fmt: skip
    return {
        "model": model["file"], "device": device_name(record), "soc": device["soc"],
        **{key: request[key] for key in ("size", "mode", "delegate", "precision", "threads")},
        "ran_on": ran["delegate"],
        **{key: ran[key] for key in ("nodes_total", "nodes_delegated", "partitions")},
        "verdict": record["verdict"], "why": record["why"], "rounds": len(record["rounds"]),
        **(times if shown else {}),
        **{key: quality.get(key) for key in COLUMNS if key in quality},
        "runner": record["runner"]["name"], "started": record["started"],
        "model_sha256": model["sha256"],
    }  # fmt: skip


def _safe(value: object) -> object:
    """`value`, with a quote before what a spreadsheet would take for a formula."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _plain(value: object) -> str:
    """`value` in one line of Markdown that means nothing but itself."""
    line = "" if value is None else " ".join(str(value).split())
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", line)


def _verdict(record: Record) -> str:
    return record["verdict"].replace("_", " ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"
