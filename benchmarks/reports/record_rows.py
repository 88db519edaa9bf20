"""How long each model took, from records: bars and a table."""

from collections.abc import Sequence

from lpie.benchmarks.records.record import Record, latency_ms
from lpie.benchmarks.reports.chart import Bar, bar_chart
from lpie.benchmarks.reports.table import number, table, text

# Of these the numbers are what was asked for; of the last two they are doubtful.
SHOWN = ("valid", "unstable", "throttled")
_HEAD = (
    "Model", "Device", "Asked", "Size", "Verdict", "Init, ms", "Median, ms", "95 % interval",
    "p90, ms", "Runs", "Peak, MB",
)  # fmt: skip


def latency(title: str, records: Sequence[Record]) -> str:
    """The HTML of `records`: a chart for each device and size, and a table of them all.

    A record that fell back, failed or is incomplete shows why in the place of its times.
    """
    places = dict.fromkeys(place(record) for record in records)
    charts = "".join(
        _bars(where, [r for r in records if place(r) == where and r["verdict"] in SHOWN])
        for where in places
    )
    rows = table(text(title), _HEAD, [_row(record) for record in records], words=5)
    note = (
        "Bars are medians, means where the tool gives no median; whiskers span the 95 % interval "
    )
    note += "over rounds, or the 5th to 95th percentile. Pale bars are of doubtful measurements."
    shown = f'<p class="note">{note}</p><div class="charts">{charts}</div>' if charts else ""
    return shown + rows


def place(record: Record) -> tuple[str, str]:
    """(device, size) of a record: what may be compared."""
    return device_name(record), record["requested"]["size"] or "size unknown"


def device_name(record: Record) -> str:
    """A phone's maker and model, else the processor."""
    device = record["device"]
    named = " ".join(str(part) for part in (device["manufacturer"], device["model"]) if part)
    return named or device["cpu"] or device["serial"] or "device unknown"


def asked(record: Record) -> str:
    """What was asked for, as `gpu fp16, 4 threads, tiles`."""
    request = record["requested"]
    delegate = " ".join(
        str(part) for part in (request["delegate"], request["precision"]) if part is not None
    )
    threads = f"{request['threads']} threads" if request["threads"] else ""
    tiles = "tiles" if request["mode"] == "tiles" else ""
    return ", ".join(part for part in (delegate, threads, tiles) if part)


def label(record: Record) -> str:
    """The model and what was asked for, for a bar or a line."""
    file = str(record["model"]["file"] or "model unknown").removesuffix(".tflite")
    return ", ".join(part for part in (file, asked(record)) if part)


def _bars(where: tuple[str, str], records: Sequence[Record]) -> str:
    bars = []
    for record in records:
        middle = latency_ms(record)
        if middle is not None:
            low, high = _whisker(record, middle)
            doubtful = record["verdict"] != "valid"
            name = label(record) + (f" ({record['verdict']})" if doubtful else "")
            bars.append(Bar(name, middle, low, high, doubtful))
    if not bars:
        return ""
    title = f"{where[0]}, {where[1]}"
    drawing = bar_chart(bars, title=f"Latency on {title}", unit="ms")
    return f"<figure><figcaption>{text(title)}</figcaption>{drawing}</figure>"


def _whisker(record: Record, middle: float) -> tuple[float, float]:
    summary = record["summary"]
    if summary["interval_ms"]:
        low, high = summary["interval_ms"]
        return low, high
    pairs = ("p5_ms", "p95_ms"), ("min_ms", "max_ms")
    for low_key, high_key in pairs:
        if summary[low_key] is not None and summary[high_key] is not None:
            return summary[low_key], summary[high_key]
    return middle, middle


def _row(record: Record) -> list[str]:
    summary = record["summary"]
    size = record["requested"]["size"]
    words = record["model"]["file"], device_name(record), asked(record), size
    cells = [*map(text, words), verdict_cell(record)]
    if record["verdict"] not in SHOWN:
        return [*cells, text(record["why"])]
    around = summary["interval_ms"]
    return [
        *cells,
        number(summary["init_ms"], 1),
        number(latency_ms(record), 1),
        f"{around[0]:,.1f} to {around[1]:,.1f}" if around else text(None),
        number(summary["p90_ms"], 1),
        text(summary["count"]),
        number(record["memory"]["peak_mb"], 0),
    ]


def verdict_cell(record: Record) -> str:
    """The verdict as HTML, coloured by whether the numbers count."""
    kind = "good" if record["verdict"] == "valid" else "bad"
    return f'<strong class="{kind}">{text(record["verdict"].replace("_", " "))}</strong>'
