"""`lpie demo`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lpie.cli.format import echo, json_option, print_json, progress_bar
from lpie.cli.options import command
from lpie.cli.paths import PATH
from lpie.errors import InputError
from lpie.system.files import to_json, write_atomic

PRETRAINED = "denoise"
RECIPES = ("float32", "float16", "int8")
STAGES = 6
LEAST_GAIN_DB = 8.0
# The small network with a balanced start and Muon gains over 10 dB within a minute on 2 cores; the
# learning rate and the short average suit so short a run.
SETTINGS: dict[str, Any] = {
    "model": {"name": "lpienet_rt", "hyperparameters": {"size": "s"}},
    "loss": {"ssim": 0.0, "l1": 1.0, "gradient": 0.0},
    "train": {
        "steps": 1000,
        "start": "balanced",
        "optimizer": "muon",
        "learning_rate": 4e-3,
        "warmup_steps": 50,
        "ema_momentum": 0.98,
        "validate_every": 200,
        "log_every": 20,
    },
}


@command()
@click.option(
    "-o",
    "--output",
    type=PATH,
    default="demo",
    show_default=True,
    help="Folder for all results of the demo.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=SETTINGS["train"]["steps"],
    show_default=True,
    help="Number of training steps.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of timing rounds.",
)
@click.option(
    "--photo",
    type=PATH,
    help="Only write a noisy photo to this file, to try other verbs on, and exit.",
)
@json_option
def demo(output: Path, steps: int, rounds: int, photo: Path | None, as_json: bool) -> None:
    """Restore a photo, then train, export, verify and time a network of your own, and report.

    Photos before and after are in the folder within seconds; the rest takes a few minutes on two
    cores. Running it again resumes the training. The exit code is 1 when the restored photo gains
    less than 8 dB.

    \b
    Examples:
      lpie demo
      lpie demo -o /tmp/lpie-demo
      lpie demo --photo photo.jpg
    """
    if photo is not None:
        _write_photo(photo, as_json)
        return
    if output.is_dir() and any(output.iterdir()) and not (output / "noisy.png").exists():
        raise InputError(
            f"`output` must be a new folder, or that of an earlier demo. Received: {output}, which "
            "holds other files."
        )
    run, clock = output / "run", _Clock(quiet=as_json)
    with clock.stage(f"Restoring a photo with the pretrained network {PRETRAINED}"):
        pretrained = _restore_pretrained(run, output)
    with clock.stage("Training LPIENet-RT s on built-in photos with Gaussian noise of sigma 25"):
        scores = _train(run, steps, as_json)
    with clock.stage("Restoring the same photo with the network just trained"):
        evaluation = _restore(run, output)
    with clock.stage("Exporting and verifying three recipes"):
        exports = _export(run)
    with clock.stage("Timing 256x256 and full HD whole, 4K by tiles"):
        timings = _bench(exports, run, rounds, as_json)
    with clock.stage("Writing the report"):
        report = _report(run, output / "report.html")
    gain_db = evaluation["psnr_db"] - evaluation["degraded_psnr_db"]
    if as_json:
        print_json(
            {
                "report": str(report),
                "gain_db": gain_db,
                "seconds": clock.seconds,
                "pretrained": pretrained,
                "training": scores,
                "evaluation": evaluation,
                "bench": timings,
            }
        )
    else:
        echo(
            "",
            f"Done in {sum(clock.seconds):.0f} s. The photo gained {gain_db:.2f} dB. "
            f"Open the report: {report.resolve()}",
        )
    if gain_db < LEAST_GAIN_DB:
        echo(f"Error: that is less than the {LEAST_GAIN_DB:g} dB expected.", err=True)
        sys.exit(1)


def _write_photo(path: Path, as_json: bool) -> None:
    """A photo with the noise of a dim room, which needs neither TensorFlow nor scikit-image."""
    from lpie.benchmarks.harness.quality import PHOTO, SIGMA, load
    from lpie.image.image import read_image, write_image
    from lpie.size import Size

    if path.exists():
        raise InputError(f"`photo` exists already: {path}. Choose another name.")
    _, noisy = load(None, Size(*read_image(PHOTO).shape[:2]))
    write_image(path, noisy)
    if as_json:
        print_json({"photo": str(path), "noise_sigma": SIGMA})
    else:
        echo(f"Wrote {path}, with noise of sigma {SIGMA}. Try `lpie restore denoise {path}`.")


class _Clock:
    """Announces the stages by number and measures them."""

    def __init__(self, *, quiet: bool) -> None:
        self.seconds: list[float] = []
        self._quiet = quiet

    @contextmanager
    def stage(self, what: str) -> Iterator[None]:
        if not self._quiet:
            echo("", f"== {len(self.seconds) + 1}/{STAGES} {what}")
        start = time.monotonic()
        yield
        self.seconds.append(round(time.monotonic() - start, 2))


def _restore_pretrained(run: Path, output: Path) -> dict[str, Any]:
    """Something to see before anything is trained; needs no TensorFlow."""
    from lpie.config.config import Config
    from lpie.data.sources import BUILTIN_VALIDATION, builtin, samples
    from lpie.image.image import to_uint8, write_image
    from lpie.restore.restorer import Restorer

    output.mkdir(parents=True, exist_ok=True)
    [photo] = samples(builtin(BUILTIN_VALIDATION), Config().data.degrade, seed=0)
    noisy = to_uint8(photo.degraded)
    write_image(output / "noisy.png", noisy)
    restorer = Restorer(PRETRAINED)
    result = _evaluate(restorer, run / "evaluation_pretrained.json", PRETRAINED)
    write_image(output / "restored_pretrained.png", restorer.restore(noisy))
    _print_pictures(result, output / "noisy.png", output / "restored_pretrained.png")
    return result


def _train(run: Path, steps: int, as_json: bool) -> dict[str, Any]:
    from lpie.config.config import config_from
    from lpie.training.trainer import train

    settings = {**SETTINGS, "train": {**SETTINGS["train"], "steps": steps}}
    return train(config_from(settings), run, progress=not as_json)


def _restore(run: Path, output: Path) -> dict[str, Any]:
    """Scores of the held-out photo, and the photo restored as a file."""
    from lpie.image.image import read_image, write_image
    from lpie.restore.restorer import Restorer

    restorer = Restorer(run)
    result = _evaluate(restorer, run / "evaluation.json", str(run))
    noisy, restored = output / "noisy.png", output / "restored.png"
    write_image(restored, restorer.restore(read_image(noisy)))
    _print_pictures(result, noisy, restored)
    return result


def _evaluate(restorer: Any, path: Path, name: str) -> dict[str, Any]:
    from lpie.evaluation.evaluate import evaluate

    result = {**evaluate(restorer, builtin=True), "model": name}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, to_json(result))
    return result


def _print_pictures(result: dict[str, Any], before: Path, after: Path) -> None:
    """What the photo gained and where it lies, before and after."""
    echo(
        f"Noisy {result['degraded_psnr_db']:.2f} dB: {before.resolve()}",
        f"Restored {result['psnr_db']:.2f} dB: {after.resolve()}",
        err=True,
    )


def _export(run: Path) -> list[Path]:
    from lpie.export.calibration import photos_for
    from lpie.export.pipeline import export_tflite
    from lpie.models.load import load_keras

    model, photos, paths = load_keras(run), photos_for(run), []
    for recipe in RECIPES:
        path = run / "exports" / f"{model.name}_{recipe}_512x512.tflite"
        spec = export_tflite(
            model,
            path,
            recipe=recipe,
            size=(512, 512),
            photos=photos,
            source=run / "best.keras",
            force=True,
        )
        numbers = spec.verified or {}
        echo(
            f"{path}: {(spec.file_bytes or 0) / 1e3:.0f} kB, against Keras "
            f"{numbers['output_psnr_db']:.1f} dB, residual correlation "
            f"{numbers['residual_correlation']:.5f}",
            err=True,
        )
        paths.append(path)
    return paths


def _bench(paths: list[Path], run: Path, rounds: int, as_json: bool) -> dict[str, Any]:
    """Time all files at 256x256 and full HD, and int8 once by tiles at 4K."""
    from lpie.benchmarks.bench import benchmark
    from lpie.benchmarks.records.record import collection, write_records
    from lpie.cli.benchmark.bench import print_results

    def bar(jobs: Any) -> Any:
        return progress_bar(jobs, unit="round", disable=as_json)

    records = [
        *benchmark(paths, sizes=("256x256", "fhd"), seconds=0.4, rounds=rounds, progress=bar),
        *benchmark(paths[-1:], sizes=("4k",), tiles=True, seconds=0, rounds=rounds, progress=bar),
    ]
    write_records(run / "bench.json", records)
    if not as_json:
        print_results(records)
    return dict(collection(records))


def _report(run: Path, path: Path) -> Path:
    from lpie.benchmarks.reports.run_page import write_report

    write_report(run, path)
    return path
