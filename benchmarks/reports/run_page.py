"""One self-contained HTML page about a training run."""

import datetime
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lpie.benchmarks.records.record import read_records
from lpie.benchmarks.reports.chart import Series, line_chart
from lpie.benchmarks.reports.latency import latency_section
from lpie.benchmarks.reports.page import figures, headline, write_page
from lpie.benchmarks.reports.slider import slider
from lpie.benchmarks.reports.table import badge, finite, gain, number, table, text
from lpie.errors import InputError
from lpie.system.files import read_json
from lpie.training.run import read_log, read_settings
from lpie.weights import pretrained

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
    "curves": "Training",
    "quality": "Quality",
    "exports": "Exports",
    "latency": "Latency",
    "configuration": "Configuration",
}

# A JSON object: a whole file or a row of one. None of its values is to be trusted.
Json = dict[str, Any]


def write_report(run: Path, out: Path, *, today: datetime.date | None = None) -> None:
    """Write one self-contained HTML page about a training run.

    It shows photos before and after, the training curves, and whatever evaluations, exports and
    benchmarks the run's folder holds. A part that is missing is replaced by the command that makes
    it. The page loads nothing from elsewhere.

    Args:
        run: Folder of a run of `lpie train`.
        out: The .html file to write; one that exists is replaced.
        today: Date in the footer. Default: the current date.

    Raises:
        InputError: If `run` is not a run, or one of its files is damaged.
    """
    config = read_settings(run)
    rows = _merged(read_log(run))
    evaluations = _read_objects(run, "evaluation*.json", rows="images")
    specs = list(_read_objects(run, "exports/*.spec.json").values())
    # Pretrained networks stand in the table beside this one, but the page is about this one.
    own = {file: e for file, e in evaluations.items() if str(e.get("model")) not in pretrained()}
    scores = _scores_of(own, rows)
    sections = {
        "samples": _samples(run / "samples", scores),
        "curves": _curves(rows),
        "quality": _quality(evaluations, scores),
        "exports": _exports(specs),
        "latency": "".join(_bench(path) for path in sorted(run.glob("bench*.json"))),
    }
    network = _network(config)
    shown = {name: section or _missing(name, run) for name, section in sections.items()}
    write_page(
        out,
        title=f"{network}: {run.resolve().name}",
        summary=_summary(network, [*specs, *own.values(), config], scores),
        sections={**shown, "configuration": _configuration(config)},
        headings=_HEADINGS,
        today=today,
    )


def _bench(path: Path) -> str:
    records = read_records(path)
    days = sorted({str(record["started"])[:10] for record in records})
    dates = " to ".join(dict.fromkeys((days[0], days[-1])))
    return latency_section(f"{path.name}, measured {dates}", records)


def _read_object(path: Path, *, rows: str = "") -> Json:
    """The JSON object in `path`; its entry `rows`, when named, is a list of objects."""
    record = read_json(path)
    listed = record.get(rows, [])
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        raise InputError(f"{path}: {rows!r} must be a list of objects.")
    return record


def _read_objects(run: Path, pattern: str, *, rows: str = "") -> dict[str, Json]:
    return {path.name: _read_object(path, rows=rows) for path in sorted(run.glob(pattern))}


def _merged(rows: list[Json]) -> list[Json]:
    """`rows` in ascending step, those of one step merged."""
    steps: dict[int, Json] = {}
    for row in rows:
        steps.setdefault(row["step"], {}).update(row)
    return [steps[step] for step in sorted(steps)]


def _network(config: Json) -> str:
    model = config.get("model")
    return str(model.get("name", "network")) if isinstance(model, dict) else "network"


def _missing(section: str, run: Path) -> str:
    what, command = _MISSING[section]
    shown = text(command.format(run=shlex.quote(str(run))))
    return f'<p class="missing">{what}. Run: <code>{shown}</code></p>'


def _scores_of(evaluations: dict[str, Json], rows: list[Json]) -> tuple[Json, str] | None:
    """Return (scores, where they were measured): the first evaluation, else the last validation."""
    measured = [(r, f"on {r.get('source', file)}") for file, r in evaluations.items()]
    measured += [(r, f"in validation at step {r['step']:,}") for r in reversed(rows)]
    return next((pair for pair in measured if gain(pair[0]) is not None), None)


def _summary(network: str, sources: Sequence[Json], scores: tuple[Json, str] | None) -> str:
    """Return one sentence; one of `sources` may say how many parameters there are."""
    counts = [s["parameters"] for s in sources if finite(s.get("parameters"))]
    name = f"{network} ({counts[0]:,} parameters)" if counts else network
    if scores is None:
        return text(f"{name}: its quality has not been measured yet.")
    record, where = scores
    change = gain(record) or 0.0
    verb = "raises" if change >= 0 else "lowers"
    before, after = record["degraded_psnr_db"], record["psnr_db"]
    return text(
        f"{name} {verb} PSNR by {abs(change):.2f} dB, from {before:.2f} to {after:.2f} dB, {where}."
    )


def _samples(folder: Path, scores: tuple[Json, str] | None) -> str:
    names = [p.name.removesuffix(".degraded.png") for p in sorted(folder.glob("*.degraded.png"))]
    if not names:
        return ""
    sliders = "".join(slider(folder, name) for name in names)
    note = (
        "Drag on the picture or move the slider; its arrow keys work too. "
        "Pictures are cropped, never resized; PSNR and SSIM are of the whole 8-bit picture."
    )
    gained = ""
    if scores:
        change, where = gain(scores[0]) or 0.0, scores[1]
        gained = headline(f"{change:+.2f} dB", f"PSNR, restored over degraded, {where}")
    return f'{gained}<div class="pictures">{sliders}</div><p class="note">{note}</p>'


def _curves(rows: list[Json]) -> str:
    parts = [(row["step"], p) for row in rows if isinstance(p := row.get("parts"), dict)]
    loss = [Series("loss", _points(rows, "loss"))]
    keys = sorted({key for _, part in parts for key in part})
    # A loss of one part is that part.
    for key in keys if len(keys) > 1 else ():
        loss.append(Series(key, [(x, p[key]) for x, p in parts if finite(p.get(key))]))
    charts = {"Loss": loss}
    for title, key in (("Validation PSNR (dB)", "psnr_db"), ("Validation SSIM", "ssim")):
        degraded = Series("degraded input", _points(rows, f"degraded_{key}"), dashed=True)
        charts[title] = [Series("restored", _points(rows, key)), degraded]
    drawings = [
        (title, line_chart(drawn, title=f"{title} against the training step", x_label="step"))
        for title, series in charts.items()
        if (drawn := [s for s in series if s.points])
    ]
    return _best(rows) + figures(drawings) if drawings else ""


def _best(rows: list[Json]) -> str:
    """Return the best validation as the headline, else how far the training has come."""
    points = _points(rows, "psnr_db")
    if points:
        step, psnr_db = max(points, key=lambda point: point[1])
        return headline(f"{psnr_db:.2f} dB", f"the best validation PSNR, at step {step:,}")
    return headline(f"{rows[-1]['step']:,}", "steps so far")


def _points(rows: list[Json], key: str) -> list[tuple[float, float]]:
    return [(row["step"], row[key]) for row in rows if finite(row.get(key))]


def _quality(evaluations: dict[str, Json], scores: tuple[Json, str] | None) -> str:
    if not evaluations:
        return ""
    numbers = (
        "Degraded PSNR, dB",
        "Restored PSNR, dB",
        "Gain, dB",
        "Degraded SSIM",
        "Restored SSIM",
    )
    means = [
        [
            text(_last(r.get("model"))),
            text(r.get("source", file)),
            text(r.get("degradation")),
            *_scores(r),
        ]
        for file, r in evaluations.items()
    ]
    head = ["Model", "Images", "Degradation", *numbers]
    tables = [table("Means over images", head, means, words=3)]
    tables += [_per_image(file, r, numbers) for file, r in evaluations.items()]
    return _similarity(scores) + "".join(tables)


def _similarity(scores: tuple[Json, str] | None) -> str:
    """Return SSIM as the headline: the gain of PSNR is that of the pictures."""
    record, where = scores or ({}, "")
    before, after = record.get("degraded_ssim"), record.get("ssim")
    if not finite(before) or not finite(after):
        return ""
    return headline(f"{after:.3f}", f"SSIM, restored ({before:.3f} degraded), {where}")


def _last(model: object) -> str | None:
    """Return the last part of a path: folders mean nothing on another computer."""
    return Path(str(model)).name if model else None


def _per_image(file: str, evaluation: Json, numbers: Sequence[str]) -> str:
    rows = [[text(i.get("name")), *_scores(i)] for i in evaluation.get("images", [])]
    skipped = evaluation.get("skipped")
    left_out = (
        f", {len(skipped)} left out as unreadable" if skipped and isinstance(skipped, list) else ""
    )
    scores = table(f"Images of {text(file)}", ["Image", *numbers], rows, words=1)
    title = f"{text(file)}: images measured: {len(rows)}{left_out}"
    return f"<details><summary>{title}</summary>{scores}</details>"


def _scores(record: Json) -> list[str]:
    psnrs = record.get("degraded_psnr_db"), record.get("psnr_db"), gain(record)
    ssims = record.get("degraded_ssim"), record.get("ssim")
    return [number(v, 2) for v in psnrs] + [number(v, 4) for v in ssims]


def _exports(specs: list[Json]) -> str:
    if not specs:
        return ""
    head = [
        "File",
        "Recipe",
        "Size",
        "Input",
        "Verified",
        "kB",
        "Output PSNR, dB",
        "Residual PSNR, dB",
        "Residual correlation",
    ]
    caption = "Each export against its network; the residual is output minus input"
    return _smallest(specs) + table(caption, head, [_export(spec) for spec in specs], words=5)


def _smallest(specs: list[Json]) -> str:
    sized = [spec for spec in specs if finite(spec.get("file_bytes"))]
    if not sized:
        return ""
    least = min(sized, key=lambda spec: spec["file_bytes"])
    passed = sum(_passed(spec) for spec in specs)
    caption = f"the smallest file, {least.get('recipe')}; verified: {passed} of {len(specs)}"
    return headline(f"{least['file_bytes'] / 1000:,.0f} kB", caption)


def _passed(spec: Json) -> bool:
    verified = spec.get("verified")
    return isinstance(verified, dict) and verified.get("passed") is True


def _export(spec: Json) -> list[str]:
    size = f"{spec.get('width')}x{spec.get('height')}"
    file_bytes = spec.get("file_bytes")
    digest = f"<br><code>sha256 {text(str(spec.get('sha256'))[:12])}</code>"
    words = [text(spec.get("file")) + digest, text(spec.get("recipe")), text(size)]
    words.append(text(spec.get("input_dtype")))
    kilobytes = number(file_bytes / 1000 if finite(file_bytes) else file_bytes, 1)
    verified = spec.get("verified")
    if not isinstance(verified, dict):
        unchecked = badge("not verified", "doubtful", "Nobody compared this file with its network.")
        return [*words, unchecked, kilobytes, *[text(None)] * 3]
    # JSON has no infinity: the PSNR of equal outputs is stored as null.
    psnrs = [verified.get(f"{k}_psnr_db") for k in ("output", "residual")]
    shown = ["∞" if value is None else number(value, 1) for value in psnrs]
    correlation = number(verified.get("residual_correlation"), 4)
    return [*words, _verdict(spec, verified), kilobytes, *shown, correlation]


def _verdict(spec: Json, verified: Json) -> str:
    budget = verified.get("budget")
    limits = [f"{k} ≥ {v}" for k, v in budget.items()] if isinstance(budget, dict) else []
    tip = f"Compared with its Keras network on photos. It must reach {', '.join(limits)}."
    return badge("passed", "good", tip) if _passed(spec) else badge("failed", "bad", tip)


def _configuration(config: Json) -> str:
    rows = [[f"<code>{text(key)}</code>", text(json.dumps(v))] for key, v in _flat(config)]
    settings = table("Every setting of the run", ["Setting", "Value"], rows, words=2)
    return f"<details><summary>{len(rows)} settings</summary>{settings}</details>"


def _flat(record: Json, prefix: str = "") -> list[tuple[str, Any]]:
    rows = []
    for key, value in record.items():
        nested = isinstance(value, dict) and value
        rows += _flat(value, f"{prefix}{key}.") if nested else [(prefix + key, value)]
    return rows
