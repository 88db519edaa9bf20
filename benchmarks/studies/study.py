"""What the studies share: exports, timing in turns, scores, and results as Markdown."""

import contextlib
import dataclasses
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from lpie.benchmarks.harness.interleave import interleave
from lpie.benchmarks.records.schema import Record
from lpie.errors import LpieError
from lpie.image.image import to_uint8


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """End the study with the sentence and the exit code of an `LpieError` raised inside."""
    try:
        yield
    except LpieError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


def keep_to(cores: int | None) -> None:
    """Leave this process, and those that it starts, only so many cores; None leaves all."""
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def measured_on(size: str, environment: dict[str, Any]) -> str:
    """Return the line above a table of latencies: the size and the environment."""
    return (
        f"{size}, {environment['cores']} cores of {environment['cpu']}, load "
        f"{environment['load']}, ai-edge-litert {environment['versions'].get('ai-edge-litert')}, "
        f"{environment['date']}"
    )


def on_noisy_photos(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments of a study that measures what files of MODELS lose on noisy photos."""
    for argument in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object only."),
        click.option(
            "--size",
            default="512x512",
            show_default=True,
            help="Size of the exported files, WIDTHxHEIGHT.",
        ),
        click.option(
            "--noise-sigma",
            default=25.0,
            show_default=True,
            help="Standard deviation of the noise, on a scale of 255.",
        ),
        click.option(
            "--clean",
            required=True,
            type=click.Path(path_type=Path, exists=True),
            help="Folder of clean photos to measure on.",
        ),
        click.argument("models", nargs=-1, required=True),
    ):
        command = argument(command)
    return command


def in_turns(sizes: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of a study whose programs take turns at each of `sizes`."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object only."),
            click.option(
                "--threads",
                type=click.IntRange(1),
                help="Threads of every program.  [default: all cores]",
            ),
            click.option(
                "--runs",
                type=click.IntRange(0),
                default=2,
                show_default=True,
                help="Runs of a program in a round, after its first.",
            ),
            click.option(
                "--rounds",
                type=click.IntRange(1),
                default=5,
                show_default=True,
                help="Number of rounds.",
            ),
            click.option(
                "--size",
                "sizes",
                multiple=True,
                default=sizes,
                show_default=True,
                help="Image size: WIDTHxHEIGHT, fhd or 4k. Repeatable.",
            ),
        ):
            command = option(command)
        return command

    return add


def photo_like(height: int, width: int) -> NDArray[np.float32]:
    """[height, width, 3] float32 in [0, 1]: a gradient with grain, as photos have."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.1, 0.9, width, dtype=np.float32)[None, :, None]
    grain = rng.standard_normal((height, width, 3), np.float32) * np.float32(0.1)
    return np.clip(ramp + grain, 0, 1)


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """[height, width, 3] uint8, copies of a full-HD one: no float copy of it ever exists."""
    cell = to_uint8(photo_like(min(height, 1080), min(width, 1920)))
    return np.tile(cell, (-(-height // 1080), -(-width // 1920), 1))[:height, :width]


def time_in_rounds(
    files: Sequence[str],
    *,
    size: str,
    rounds: int,
    seconds: float,
    tiles: bool = False,
    min_runs: int = 5,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, dict[str, Any]]:
    """Time files in turns; return {file: its `rounds`, and medians of `median_ms`, `peak_mb`}.

    Each round is a process of its own; it has `median_ms`, `min_ms`, `peak_mb`, and why it was
    `refused`, None when it was not. A file that was refused in every round has no medians.
    tiles: by exact tiles, not whole. min_runs: of each file in each round.
    """

    from lpie.benchmarks.bench import benchmark

    def measure(file: str, number: int) -> dict[str, Any]:
        (record,) = benchmark(
            [file], sizes=(size,), seconds=seconds, tiles=tiles, min_runs=min_runs, rounds=1
        )
        return _timing(record)

    timings = interleave(files, measure, rounds=rounds, progress=progress)
    return {file: _summary(of_file) for file, of_file in zip(files, timings, strict=True)}


def _timing(record: Record) -> dict[str, Any]:
    return {
        "refused": record["why"] if record["verdict"] == "failed" else None,
        "median_ms": record["summary"]["median_ms"],
        "min_ms": record["summary"]["min_ms"],
        "peak_mb": record["memory"]["peak_mb"],
    }


def _summary(timings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    measured = [timing for timing in timings if timing["refused"] is None]
    medians = {
        key: statistics.median(timing[key] for timing in measured)
        for key in (("median_ms", "peak_mb") if measured else ())
    }
    return {"rounds": list(timings), **medians}


def export(
    model: str | Path,
    file: Path,
    *,
    recipe: str,
    size: str,
    rewrites: Sequence[str] = (),
    verified: bool = True,
) -> dict[str, Any]:
    """Export a run or a pretrained network as `lpie export` does; return the file's spec.

    The spec has `compressed_bytes` and `float_ops` too, what of an int8 file is left in float.
    """
    from lpie.export.calibration import pairs_for, photos_for
    from lpie.export.int8.diagnosis import float_ops
    from lpie.export.pipeline import export_tflite
    from lpie.export.request import ExportRequest
    from lpie.models.load import load_keras
    from lpie.system.files import compressed_bytes
    from lpie.tflite.model import TfliteModel

    request = ExportRequest(
        recipe=recipe, sizes=(size,), rewrites=tuple(rewrites), verify=verified, overwrite=True
    )
    path, paired = Path(model), request.chosen.needs_pairs
    photos, ground_truth = pairs_for(path) if paired else (photos_for(path), None)
    spec = export_tflite(load_keras(path), file, request, photos=photos, ground_truth=ground_truth)
    return {
        **dataclasses.asdict(spec),
        "compressed_bytes": compressed_bytes(file),
        "float_ops": float_ops(TfliteModel.read(file)) if request.chosen.fully_quantized else {},
    }


def partitions(file: Path, delegates: Sequence[str]) -> dict[str, int]:
    """Return into how many partitions each delegate would split a file."""
    from lpie.export.delegates import check_delegate
    from lpie.tflite.model import TfliteModel

    model = TfliteModel.read(file)
    return {name: check_delegate(model, name).partitions for name in delegates}


def psnr_on(file: Path, clean: Path, noise_sigma: float) -> float:
    """Return the PSNR in dB of what `file` makes of `clean` photos with noise, in 8 bits."""
    from lpie.config.config import config_from
    from lpie.evaluation.evaluate import evaluate

    degrade = config_from({"data": {"degrade": {"noise_sigma": noise_sigma}}}).data.degrade
    scores = evaluate(file, clean=clean, degrade=degrade, clip=True, quantize=True)
    return float(scores["psnr_db"])


def noisy(result: dict[str, Any]) -> str:
    """Return the photos of `psnr_on`, for the line above a table."""
    return f"{result['clean']} with noise of sigma {result['noise_sigma']:g} in 8 bits"
