"""One self-contained HTML page about a training run."""

import datetime
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lpie.benchmarks.records.record import read_records
from lpie.benchmarks.reports.chart import Series, line_chart
from lpie.benchmarks.reports.page import write_page
from lpie.benchmarks.reports.record_rows import latency
from lpie.benchmarks.reports.slider import slider
from lpie.benchmarks.reports.table import finite, gain, number, table, text
from lpie.errors import InputError
from lpie.system.files import read_json
from lpie.training.run import read_log, read_settings

# What the page says of a part that the run lacks, and the command that makes it.
_MISSING = {
    "samples": ("No sample yet", "lpie train CONFIG.toml --workdir {run}"),
    "curves": ("No log yet", "lpie train CONFIG.toml --workdir {run}"),
    "quality": ("No evaluation yet", "lpie evaluate {run} --builtin -o {run}/evaluation.json"),
    "exports": ("No export yet", "lpie export {run} --recipe float16 --size fhd"),
    "latency": ("No benchmark yet", "lpie bench {run}/exports/*.tflite -o {run}/bench.json"),
}

_HEADINGS = {
    "samples": "Before and after",
    "curves": "Training curves",
    "quality": "Quality",
    "exports": "Exports",
    "latency": "Latency",
    "configuration": "Configuration",
}

# A JSON object: a whole file or a row of one. None of its values is to be trusted.
Record = dict[str, Any]


def write_report(run: Path, out: Path, *, today: datetime.date | None = None) -> None:
    """Write the page about the run folder `run` to `out`, saying how to make the parts it lacks.

    today: the date in the footer, the current one unless given. Raises `InputError` when `run`
    is not a run, or when one of its files is damaged.
    """
    config = read_settings(run)
    rows = _merged(read_log(run))
    evaluations = _read_objects(run, "evaluation*.json", rows="images")
    exports = _read_objects(run, "exports/*.spec.json")
    sections = {
        "samples": _samples(run / "samples"),
        "curves": _curves(rows),
        "quality": _quality(evaluations),
        "exports": _exports(list(exports.values())),
        "latency": "".join(_bench(path) for path in sorted(run.glob("bench*.json"))),
    }
    network = _network(config)
    shown = {name: section or _missing(name, run) for name, section in sections.items()}
    write_page(
        out,
        title=f"{network}: {run.resolve().name}",
        summary=_summary(
            network, [*exports.values(), *evaluations.values(), config], evaluations, rows
        ),
        sections={**shown, "configuration": _configuration(config)},
        headings=_HEADINGS,
        today=today,
    )


def _bench(path: Path) -> str:
    records = read_records(path)
    days = sorted({str(record["started"])[:10] for record in records})
    return latency(
        f"{path.name}, measured {' to '.join(dict.fromkeys((days[0], days[-1])))}", records
    )


def _read_object(path: Path, *, rows: str = "") -> Record:
    """The JSON object in `path`; its entry `rows`, when named, is a list of objects."""
    record = read_json(path)
    listed = record.get(rows, [])
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        raise InputError(f"{path}: {rows!r} must be a list of objects.")
    return record


def _read_objects(run: Path, pattern: str, *, rows: str = "") -> dict[str, Record]:
    return {path.name: _read_object(path, rows=rows) for path in sorted(run.glob(pattern))}


def _merged(rows: list[Record]) -> list[Record]:
    """`rows` in ascending step, those of one step merged."""
    steps: dict[int, Record] = {}
    for row in rows:
        steps.setdefault(row["step"], {}).update(row)
    return [steps[step] for step in sorted(steps)]


def _network(config: Record) -> str:
    model = config.get("model")
    return str(model.get("name", "network")) if isinstance(model, dict) else "network"


def _missing(section: str, run: Path) -> str:
    what, command = _MISSING[section]
    shown = text(command.format(run=shlex.quote(str(run))))
    return f'<p class="missing">{what}. Run: <code>{shown}</code></p>'


def _summary(
    network: str, sources: Sequence[Record], evaluations: dict[str, Record], rows: list[Record]
) -> str:
    """One sentence; `sources` are the records that may say how many parameters there are."""
    counts = [s["parameters"] for s in sources if finite(s.get("parameters"))]
    name = f"{network} ({counts[0]:,} parameters)" if counts else network
    measured = [(r, f"on {r.get('source', file)}") for file, r in evaluations.items()]
    measured += [(r, f"in validation at step {r['step']:,}") for r in reversed(rows)]
    for record, place in measured:
        change = gain(record)
        if change is not None:
            verb = "raises" if change >= 0 else "lowers"
            before, after = record["degraded_psnr_db"], record["psnr_db"]
            return text(
                f"{name} {verb} PSNR by {abs(change):.2f} dB, "
                f"from {before:.2f} to {after:.2f} dB, {place}."
            )
    return text(f"{name}: its quality has not been measured yet.")


def _samples(folder: Path) -> str:
    names = [p.name.removesuffix(".degraded.png") for p in sorted(folder.glob("*.degraded.png"))]
    figures = "".join(slider(folder, name) for name in names)
    note = (
        "Drag on the picture or move the slider; its arrow keys work too. "
        "Pictures are cropped, never resized; PSNR and SSIM are of the whole 8-bit picture."
    )
    return f'<p class="note">{note}</p><div class="pictures">{figures}</div>' if names else ""


def _curves(rows: list[Record]) -> str:
    parts = [(row["step"], p) for row in rows if isinstance(p := row.get("parts"), dict)]
    loss = [Series("loss", _points(rows, "loss"))]
    for key in sorted({key for _, part in parts for key in part}):
        loss.append(Series(key, [(x, p[key]) for x, p in parts if finite(p.get(key))]))
    charts = {"Loss": loss}
    for title, key in (("Validation PSNR (dB)", "psnr_db"), ("Validation SSIM", "ssim")):
        degraded = Series("degraded input", _points(rows, f"degraded_{key}"), dashed=True)
        charts[title] = [Series("restored", _points(rows, key)), degraded]
    figures = [
        f"<figure><figcaption>{title}</figcaption>"
        f"{line_chart(drawn, title=f'{title} against the training step', x_label='step')}</figure>"
        for title, series in charts.items()
        if (drawn := [s for s in series if s.points])
    ]
    return f'<div class="charts">{"".join(figures)}</div>' if figures else ""


def _points(rows: list[Record], key: str) -> list[tuple[float, float]]:
    return [(row["step"], row[key]) for row in rows if finite(row.get(key))]


def _quality(evaluations: dict[str, Record]) -> str:
    numbers = (
        "Degraded PSNR, dB",
        "Restored PSNR, dB",
        "Gain, dB",
        "Degraded SSIM",
        "Restored SSIM",
    )
    means = [
        [text(r.get("source", file)), text(r.get("degradation")), text(r.get("model")), *_scores(r)]
        for file, r in evaluations.items()
    ]
    tables = [
        table("Means over images", ["Images", "Degradation", "Model", *numbers], means, words=3)
    ]
    tables += [_per_image(file, r, numbers) for file, r in evaluations.items()]
    return "".join(tables) if evaluations else ""


def _per_image(file: str, evaluation: Record, numbers: Sequence[str]) -> str:
    rows = [[text(i.get("name")), *_scores(i)] for i in evaluation.get("images", [])]
    skipped = evaluation.get("skipped")
    left_out = (
        f", {len(skipped)} left out as unreadable" if skipped and isinstance(skipped, list) else ""
    )
    scores = table(f"Images of {text(file)}", ["Image", *numbers], rows, words=1)
    title = f"{text(file)}: images measured: {len(rows)}{left_out}"
    return f"<details><summary>{title}</summary>{scores}</details>"


def _scores(record: Record) -> list[str]:
    psnrs = record.get("degraded_psnr_db"), record.get("psnr_db"), gain(record)
    ssims = record.get("degraded_ssim"), record.get("ssim")
    return [number(v, 2) for v in psnrs] + [number(v, 4) for v in ssims]


def _exports(specs: list[Record]) -> str:
    head = ["File", "Recipe", "Size", "Input", "Verified", "kB", "Output PSNR, dB",
            "Residual PSNR, dB", "Residual correlation"]  # fmt: skip
    rows = [_export(spec) for spec in specs]
    caption = "Each export against its network; the residual is output minus input"
    return table(caption, head, rows, words=5) if specs else ""


def _export(spec: Record) -> list[str]:
    size = f"{spec.get('width')}x{spec.get('height')}"
    file_bytes = spec.get("file_bytes")
    digest = f"<br><code>sha256 {text(str(spec.get('sha256'))[:12])}</code>"
    words = [text(spec.get("file")) + digest, text(spec.get("recipe")), text(size)]
    words.append(text(spec.get("input_dtype")))
    kilobytes = number(file_bytes / 1000 if finite(file_bytes) else file_bytes, 1)
    verified = spec.get("verified")
    if not isinstance(verified, dict):
        return [*words, "not verified", kilobytes, *[text(None)] * 3]
    # JSON has no infinity: the PSNR of equal outputs is stored as null.
    psnrs = [verified.get(f"{k}_psnr_db") for k in ("output", "residual")]
    shown = ["∞" if value is None else number(value, 1) for value in psnrs]
    correlation = number(verified.get("residual_correlation"), 4)
    return [*words, _verdict(verified), kilobytes, *shown, correlation]


def _verdict(verified: Record) -> str:
    budget = verified.get("budget")
    limits = [f"{k} ≥ {v}" for k, v in budget.items()] if isinstance(budget, dict) else []
    kind, word = ("good", "passed") if verified.get("passed") is True else ("bad", "failed")
    return f'<strong class="{kind}">{word}</strong><br>{text(", ".join(limits))}'


def _configuration(config: Record) -> str:
    rows = [[f"<code>{text(key)}</code>", text(json.dumps(v))] for key, v in _flat(config)]
    settings = table("Every setting of the run", ["Setting", "Value"], rows, words=2)
    return f"<details><summary>{len(rows)} settings</summary>{settings}</details>"


def _flat(record: Record, prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for key, value in record.items():
        nested = isinstance(value, dict) and value
        found += _flat(value, f"{prefix}{key}.") if nested else [(prefix + key, value)]
    return found
