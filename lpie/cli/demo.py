"""`lpie demo`."""

import sys
from pathlib import Path
from typing import Any

import click

from lpie.cli.benchmark.bench import print_results
from lpie.cli.format import json_option, print_json, progress_bar
from lpie.system.files import to_json, write_atomic

RECIPES = ("float32", "float16", "int8")
LEAST_GAIN_DB = 3.0
# A few minutes on 2 cores; the learning rate and the short average suit so short a run.
SETTINGS = {
    "train": {
        "steps": 800,
        "warmup_steps": 50,
        "ema_momentum": 0.99,
        "learning_rate": 2e-3,
        "validate_every": 200,
    }
}


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="demo", show_default=True,
    help="Folder for everything that the demo makes.",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(1), default=SETTINGS["train"]["steps"],
              show_default=True, help="Of the training.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True,
              help="Of the timing.")  # fmt: skip
@json_option
def demo(output: Path, steps: int, rounds: int, as_json: bool) -> None:
    """Train LPIENet on built-in photographs, restore one, export, verify, time and report.

    Running it again resumes. Exits with 1 when the held-out photograph gains less than 3 dB.

    \b
    Examples:
      lpie demo
      lpie demo -o /tmp/lpie-demo
    """
    run = output / "run"
    say = (lambda text: None) if as_json else (lambda text: click.echo(f"\n== {text}"))
    scores = _train(run, steps, say, as_json)
    evaluation = _restore(run, output, say)
    exports = _export(run, say)
    timings = _bench(exports, run, rounds, say, as_json)
    report = _report(run, output / "report.html")
    gain = evaluation["psnr_db"] - evaluation["degraded_psnr_db"]
    if as_json:
        print_json(
            {"report": str(report), "gain_db": gain, "training": scores,
             "evaluation": evaluation, "bench": timings}
        )  # fmt: skip
    else:
        click.echo(f"\nThe held-out photograph gained {gain:.2f} dB. Report: {report.resolve()}")
    if gain < LEAST_GAIN_DB:
        click.echo(f"Error: that is less than the {LEAST_GAIN_DB:g} dB expected.", err=True)
        sys.exit(1)


def _train(run: Path, steps: int, say: Any, as_json: bool) -> dict[str, Any]:
    from lpie.config.config import config_from
    from lpie.training.trainer import train

    say("1/5 Training LPIENet on built-in photographs with Gaussian noise of sigma 25")
    settings = {"train": {**SETTINGS["train"], "steps": steps}}
    return train(config_from(settings), run, progress=not as_json)


def _restore(run: Path, output: Path, say: Any) -> dict[str, Any]:
    """Scores of the held-out photograph, and it as files before and after."""
    from lpie.evaluation.evaluate import evaluate
    from lpie.image.image import read_image, write_image
    from lpie.restore.restorer import Restorer

    say("2/5 Restoring the held-out photograph")
    result = evaluate(run, builtin=True)
    write_atomic(run / "evaluation.json", to_json(result))
    for picture in sorted((run / "samples").glob("*.degraded.png")):
        write_image(output / "noisy.png", read_image(picture))
        write_image(output / "restored.png", Restorer(run).restore(read_image(picture)))
    click.echo(
        f"Noisy {result['degraded_psnr_db']:.2f} dB, restored {result['psnr_db']:.2f} dB: "
        f"{output / 'noisy.png'}, {output / 'restored.png'}",
        err=True,
    )
    return result


def _export(run: Path, say: Any) -> list[Path]:
    from lpie.export.calibration_photos import photos_for
    from lpie.export.pipeline import export_tflite
    from lpie.models.load import load_keras

    say("3/5 Exporting and verifying three recipes")
    model, photos, paths = load_keras(run), photos_for(run), []
    for recipe in RECIPES:
        path = run / "exports" / f"{model.name}_{recipe}_512x512.tflite"
        spec = export_tflite(
            model, path, recipe=recipe, size=(512, 512), photos=photos,
            source=run / "best.keras", force=True,
        )  # fmt: skip
        numbers = spec.verified or {}
        click.echo(
            f"{path}: {(spec.file_bytes or 0) / 1e3:.0f} kB, against Keras "
            f"{numbers['output_psnr_db']:.1f} dB, residual correlation "
            f"{numbers['residual_correlation']:.5f}",
            err=True,
        )
        paths.append(path)
    return paths


def _bench(paths: list[Path], run: Path, rounds: int, say: Any, as_json: bool) -> dict[str, Any]:
    """256x256 and full HD whole, 4K by tiles."""
    from lpie.benchmarks.harness.host import benchmark
    from lpie.benchmarks.records.record import collection, write_records

    say("4/5 Timing 256x256 and full HD whole, 4K by tiles")

    def bar(jobs: Any) -> Any:
        return progress_bar(jobs, unit="round", disable=as_json)

    few = min(rounds, 2)
    records = [
        *benchmark(
            paths, sizes=("256x256", "fhd"), seconds=2, min_runs=3, rounds=rounds, progress=bar
        ),
        *benchmark(
            paths, sizes=("4k",), tiles=True, seconds=2, min_runs=1, rounds=few, progress=bar
        ),
    ]
    write_records(run / "bench.json", records)
    if not as_json:
        print_results(records)
    return collection(records)


def _report(run: Path, path: Path) -> Path:
    from lpie.benchmarks.reports.run_page import write_report

    write_report(run, path)
    return path
