"""How long each export took on a machine: bars and a table."""

from pathlib import PurePath
from typing import Any

from lpie.benchmarks.chart import Bar, bar_chart
from lpie.benchmarks.table import finite, number, table, text


def latency(file: str, bench: dict[str, Any]) -> str:
    """The section of one benchmark file: its machine, a chart for each size, and a table.

    bench: {"machine": {...}, "date": ..., "results": [...]}, as `lpie bench` writes it; times are
    in ms. A result with a `refused` sentence shows it in the place of its times.
    """
    machine = bench.get("machine")
    about = machine if isinstance(machine, dict) else {"machine": machine}
    described = ", ".join(f"{key}: {value}" for key, value in about.items())
    results: list[dict[str, Any]] = bench.get("results", [])
    sizes = dict.fromkeys(str(r.get("size")) for r in results)
    charts = "".join(
        _bars(size, [r for r in results if str(r.get("size")) == size]) for size in sizes
    )
    head = ["Model", "Recipe", "Size", "Mode", "Threads", "Init, ms", "First run, ms", "Median, ms",
            "p90, ms", "Runs", "Peak, MB"]  # fmt: skip
    rows = table(f"Results in {text(file)}", head, [_result(r) for r in results], words=5)
    note = text(f"{described}; measured {bench.get('date')}")
    return (
        f'<h3>{text(file)}</h3><p class="note">{note}</p><div class="charts">{charts}</div>{rows}'
    )


def _bars(size: str, results: list[dict[str, Any]]) -> str:
    bars = []
    for r in results:
        median, low, high = (r.get(f"{k}_ms") for k in ("median", "p10", "p90"))
        if finite(median) and r.get("refused") is None:
            label = f"{_name(r)}, {r.get('mode')}, {r.get('threads')} threads"
            whisker = (low, high) if finite(low) and finite(high) else (median, median)
            bars.append(Bar(label, median, *whisker))
    title = f"{size}: median latency, p10 to p90"
    drawing = bar_chart(bars, title=title, unit="ms") if bars else ""
    return f"<figure><figcaption>{text(title)}</figcaption>{drawing}</figure>" if bars else ""


def _name(r: dict[str, Any]) -> str:
    """The recipe, as bars are narrow and a run's files differ by it; else the file's name."""
    return str(r.get("recipe") or _file(r))


def _file(r: dict[str, Any]) -> str:
    return PurePath(str(r.get("model"))).name


def _result(r: dict[str, Any]) -> list[str]:
    words = [text(_file(r)), *(text(r.get(k)) for k in ("recipe", "size", "mode", "threads"))]
    if r.get("refused") is not None:
        return [*words, f'<span class="bad">Refused.</span> {text(r["refused"])}']
    times = [number(r.get(f"{key}_ms"), 1) for key in ("init", "first", "median", "p90")]
    return [*words, *times, text(r.get("runs")), number(r.get("peak_mb"), 0)]
