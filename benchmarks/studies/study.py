"""What the benchmark scripts show: results as Markdown, errors as one sentence."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError, LpieError, last_line
from lpie.image.image import to_uint8

# For work that goes on beside other work.
ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}  # fmt: skip


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Ends the script with the sentence and the exit code of an `LpieError` raised inside."""
    try:
        yield
    except LpieError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


def keep_to(cores: int | None) -> None:
    """Leave this process, and those that it starts, only so many cores; None leaves all."""
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def conditions(size: str, machine: dict[str, Any]) -> str:
    """What a table of latencies was measured under; machine: `lpie.system.environment.environment`'s."""
    return (
        f"{size}, {machine['cores']} cores of {machine['cpu']}, load {machine['load']}, "
        f"ai-edge-litert {machine['versions'].get('ai-edge-litert')}, {machine['date']}"
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, aligned for the terminal: the first column left, the others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in (header, rule, *rows)
    )


def on_noisy_photos(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments of a script that measures what files of MODELS lose on noisy photos."""
    for argument in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object only."),
        click.option("--size", default="512x512", show_default=True,
                     help="WIDTHxHEIGHT of the files."),
        click.option("--noise-sigma", default=25.0, show_default=True, help="Their noise, of 255."),
        click.option("--clean", required=True, type=click.Path(path_type=Path, exists=True),
                     help="Clean photos, to lose quality on."),
        click.argument("models", nargs=-1, required=True),
    ):  # fmt: skip
        command = argument(command)
    return command


def in_turns(sizes: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a script whose entrants take turns at each of `sizes`."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object only."),
            click.option("--threads", type=click.IntRange(1), help="[default: all cores]"),
            click.option("--runs", type=click.IntRange(0), default=2, show_default=True,
                         help="Of each in a round, after the first."),
            click.option("--rounds", type=click.IntRange(1), default=5, show_default=True),
            click.option("--size", "sizes", multiple=True, default=sizes, show_default=True),
        ):  # fmt: skip
            command = option(command)
        return command

    return add


def psnr_on(file: Path, clean: Path, noise_sigma: float) -> float:
    """The PSNR in dB of what `file` makes of `clean` photos with noise, clipped, in 8 bits."""
    noise = ["--noise-sigma", str(noise_sigma), "--clip", "--quantize"]
    scores = json.loads(run_lpie("evaluate", str(file), "--clean", str(clean), *noise, "--json"))
    return float(scores["psnr_db"])


def noisy(result: dict[str, Any]) -> str:
    """The photos of `psnr_on`, for the line above a table."""
    return f"{result['clean']} with noise of sigma {result['noise_sigma']:g} in 8 bits"


def inspected(file: str, delegates: Sequence[str]) -> dict[str, Any]:
    """What `lpie inspect` reports of `file`, and its `partitions`: {delegate: pieces}."""
    asked = [word for name in delegates for word in ("--delegate", name)]
    report = json.loads(run_lpie("inspect", file, *asked, "--json"))
    pieces = {each["delegate"]: each["partitions"] for each in report["delegates"]}
    return {**report, "partitions": pieces}


def run_lpie(*arguments: str) -> str:
    """What `lpie` with `arguments` prints, TensorFlow on one thread.

    Raises an `LpieError` with its last words, an `InputError` where they are about the question.
    """
    child = subprocess.run(
        [sys.executable, "-m", "lpie", *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip
    if child.returncode:
        last = last_line(child.stderr)
        kind = InputError if child.returncode == InputError.exit_code else LpieError
        raise kind(f"lpie {arguments[0]} failed: {last.removeprefix('Error: ')}")
    return child.stdout


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
