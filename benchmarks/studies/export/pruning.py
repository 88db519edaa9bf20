"""How much smaller pruning and clustering make a file, alone and packed, and their cost in dB."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.study import export, noisy, on_noisy_photos, psnr_on, sentences
from lpie.system.environment import environment
from lpie.system.files import to_json
from lpie.tflite.model import TfliteModel

RECIPES = ("float32", "int8")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@on_noisy_photos
def main(as_json: bool, **options: Any) -> None:
    """Export MODELS, a network and its runs of `lpie compress`, and compare their files.

    A file is packed as in an app, by deflate. What it loses is against the first of MODELS by the
    same recipe. The photos' noise is clipped and rounded to 8 bits, for all files alike.

    \b
    Example:
      python -m lpie.benchmarks.studies.export.pruning denoise-s runs/sparse runs/clustered \
          --clean PHOTOS
    """
    with sentences():
        result = measure(progress=lambda text: click.echo(text, err=True), **options)
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)


def measure(
    models: Sequence[str],
    clean: Path,
    noise_sigma: float,
    size: str,
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Return a row for each recipe and model."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for recipe in RECIPES:
            for model in models:
                progress(f"{model} {recipe}")
                file = Path(folder) / f"{len(rows)}.tflite"
                rows.append(_row(model, recipe, file, clean, noise_sigma, size))
    facts = {"clean": clean.name, "noise_sigma": noise_sigma, "size": size}
    return {**facts, "environment": environment(), "results": rows}


def _row(
    model: str, recipe: str, file: Path, clean: Path, noise_sigma: float, size: str
) -> dict[str, Any]:
    spec = export(model, file, recipe=recipe, size=size)
    stored = kernels(file)
    weights = np.concatenate([kernel.ravel() for kernel in stored])
    return {
        "model": Path(model).name,
        "recipe": recipe,
        "file_bytes": spec["file_bytes"],
        "compressed_bytes": spec["compressed_bytes"],
        "zeros": float(np.mean(weights == 0)),
        "values": float(np.median([len(np.unique(kernel)) for kernel in stored])),
        "psnr_db": psnr_on(file, clean, noise_sigma),
    }


def kernels(file: Path) -> list[NDArray]:
    """Return the kernels of all convolutions of a float32 or int8 file, as it stores them."""
    model, names = TfliteModel.read(file), ("CONV_2D", "DEPTHWISE_CONV_2D")
    return [model.array(op.inputs[1]) for op in model.ops if op.name in names]


def table(result: dict[str, Any]) -> str:
    """Return the rows as Markdown, with what each loses against the first of its recipe."""
    first: dict[str, float] = {}
    cells = []
    for row in result["results"]:
        best = first.setdefault(row["recipe"], row["psnr_db"])
        cells.append(
            [
                row["model"],
                row["recipe"],
                f"{row['file_bytes'] / 1e3:,.0f}",
                f"{row['compressed_bytes'] / 1e3:,.0f}",
                f"{row['zeros']:.0%}",
                f"{row['values']:.0f}",
                f"{row['psnr_db']:.2f}",
                f"{best - row['psnr_db']:.2f}",
            ]
        )
    header = ["model", "recipe", "kB", "compressed", "zeros", "values in a kernel", "dB", "lost"]
    computer = result["environment"]
    about = (
        f"{noisy(result)}, files of {result['size']}, {computer['cores']} cores of "
        f"{computer['cpu']}, {computer['date']}; of the values in a kernel the median"
    )
    return f"{about}\n\n{markdown(header, cells)}"


if __name__ == "__main__":
    main()
