"""Time and peak memory of an export at several sizes, against the first size."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from lpie.benchmarks.harness.interleave import interleave
from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.study import sentences
from lpie.errors import LpieError, last_line
from lpie.system.environment import environment
from lpie.system.files import to_json


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model")
@click.option("--recipe", default="int8", show_default=True, help="Recipe of the export.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=("256x256", "fhd", "4k"),
    show_default=True,
    help="Size of the export. Repeatable.",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Number of rounds."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(as_json: bool, **options: Any) -> None:
    """Export MODEL at each size in turns, every export in a process of its own.

    Prints the medians of its time and peak memory, and their ratios to those of the first size.

    \b
    Example:
      python -m lpie.benchmarks.studies.export.export_cost denoise
    """
    with sentences():
        result = measure(progress=lambda text: click.echo(text, err=True), **options)
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)


def measure(
    model: str,
    recipe: str,
    sizes: Sequence[str],
    rounds: int,
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Return every size's medians of seconds and of the most resident memory, in 10^6 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.tflite"
        costs = interleave(
            sizes,
            lambda size, number: _export(model, recipe, size, file),
            rounds=rounds,
            progress=progress,
        )
    rows = [
        {
            "size": size,
            "seconds": statistics.median(seconds for seconds, _ in exports),
            "peak_mb": statistics.median(peak for _, peak in exports),
        }
        for size, exports in zip(sizes, costs, strict=True)
    ]
    facts = {"model": model, "recipe": recipe, "rounds": rounds, "environment": environment()}
    return {**facts, "results": rows}


def _export(model: str, recipe: str, size: str, file: Path) -> tuple[float, float]:
    """Return (seconds, peak in 10^6 bytes) of the process of one `lpie export`."""
    command = ["export", model, "--recipe", recipe, "--size", size, "-o", str(file), "--force"]
    began = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "lpie", *command], stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            last = last_line(errors.read().decode(errors="replace"))
            raise LpieError(f"lpie export failed at {size}: {last.removeprefix('Error: ')}")
    return time.perf_counter() - began, usage.ru_maxrss * 1024 / 1e6


def table(result: dict[str, Any]) -> str:
    """Return the rows as Markdown, with the ratios to the first."""
    first, computer = result["results"][0], result["environment"]
    cells = [
        [
            row["size"],
            f"{row['seconds']:.1f} s ({row['seconds'] / first['seconds']:.2f})",
            f"{row['peak_mb']:,.0f} MB ({row['peak_mb'] / first['peak_mb']:.2f})",
        ]
        for row in result["results"]
    ]
    about = (
        f"{result['model']}, {result['recipe']}, medians of {result['rounds']}, "
        f"{computer['cores']} cores of {computer['cpu']}, {computer['date']}"
    )
    return f"{about}\n\n{markdown(['size', 'time', 'peak'], cells)}"


if __name__ == "__main__":
    main()
