"""Every export recipe of several networks: file size, loss of quality, delegate partitions."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.study import (
    export,
    measured_on,
    noisy,
    on_noisy_photos,
    partitions,
    psnr_on,
    sentences,
)
from lpie.errors import InputError, LpieError
from lpie.system.environment import environment
from lpie.system.files import to_json

RECIPES = ("float32", "float16", "dynamic_wi8_afp32", "static_wi8_ai8", "mixed", "static_wi8_ai16")
DELEGATES = ("gpu", "gpu-gl", "mldrift", "nnapi-29", "nnapi-31", "xnnpack")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    help="Export by this recipe only. Repeatable.  [default: all]",
)
@on_noisy_photos
def main(as_json: bool, **options: Any) -> None:
    """Export each of MODELS by each recipe and measure what the file loses on real photos.

    MODEL=RUN adds the recipe qat_int8, of a RUN of `lpie quantize-aware MODEL`.

    The photos' noise is clipped and rounded to 8 bits, for all files alike. A file that
    `lpie export` would not write, as it strays too far from the network, is measured and marked.

    \b
    Example:
      python -m lpie.benchmarks.studies.export.recipes denoise denoise-lpienet --clean PHOTOS
      python -m lpie.benchmarks.studies.export.recipes denoise=runs/denoise-int8 --clean PHOTOS
    """
    with sentences():
        result = measure(progress=lambda text: click.echo(text, err=True), **options)
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)


def measure(
    models: Sequence[str],
    clean: Path,
    noise_sigma: float,
    size: str,
    recipes: Sequence[str] = (),
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Return a row for each model and recipe; the first recipe is the reference of the others."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for argument in models:
            model, _, quantized = argument.partition("=")
            sources = [(model, recipe) for recipe in recipes or RECIPES]
            for source, recipe in [*sources, *([(quantized, "qat_int8")] if quantized else [])]:
                progress(f"{source} {recipe}")
                file = Path(folder) / f"{len(rows)}.tflite"
                row = _row(source, recipe, file, clean, noise_sigma, size)
                rows.append({**row, "model": model})
                progress("  " + (row["refused"] or f"{row['psnr_db']:.2f} dB"))
    facts = {
        "clean": clean.name,
        "noise_sigma": noise_sigma,
        "size": size,
        "environment": environment(),
    }
    return {**facts, "results": rows}


def _row(
    model: str, recipe: str, file: Path, clean: Path, noise_sigma: float, size: str
) -> dict[str, Any]:
    refused = ""
    try:
        spec = export(model, file, recipe=recipe, size=size)
    except InputError:
        raise
    except LpieError as error:
        refused = str(error)
        if "The export was not written" not in refused:
            return {"model": model, "recipe": recipe, "refused": refused, "file_bytes": None}
        spec = export(model, file, recipe=recipe, size=size, verified=False)
    verified = spec["verified"]
    return {
        "model": model,
        "recipe": recipe,
        "file_bytes": file.stat().st_size,
        "psnr_db": psnr_on(file, clean, noise_sigma),
        "residual_correlation": verified["residual_correlation"] if verified else None,
        "refused": refused,
        "float_ops": spec["float_ops"],
        "float_layers": spec["float_layers"],
        "partitions": partitions(file, DELEGATES),
    }


def table(result: dict[str, Any]) -> str:
    """Return the rows as Markdown, with what each loses against its model's first recipe."""
    first: dict[str, float] = {}
    cells = []
    for row in result["results"]:
        if row["file_bytes"] is None:
            blank = [""] * (4 + len(DELEGATES))
            cells.append([row["model"], row["recipe"], row["refused"], *blank])
            continue
        best = first.setdefault(row["model"], row["psnr_db"])
        float_ops = ", ".join(f"{n} {op}" for op, n in row["float_ops"].items())
        left = float_ops or (f"{len(row['float_layers'])} chosen" if row["float_layers"] else "")
        cells.append(
            [
                row["model"],
                row["recipe"],
                f"{row['file_bytes'] / 1e3:,.0f}",
                f"{row['psnr_db']:.2f}",
                f"{round(best - row['psnr_db'], 2) + 0:.2f}",
                f"{row['residual_correlation']:.5f}" if not row["refused"] else "refused",
                left,
                *(str(row["partitions"][name]) for name in DELEGATES),
            ]
        )
    header = [
        "network",
        "recipe",
        "kB",
        "dB",
        "lost",
        "residual's correlation",
        "left in float",
        *DELEGATES,
    ]
    about = f"{measured_on(result['size'], result['environment'])}; {noisy(result)}"
    return f"{about}; partitions on each delegate\n\n{markdown(header, cells)}"


if __name__ == "__main__":
    main()
