"""`lpie restore` against the whole image at once on the same runtime: time, set-up and memory."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.programs import own_programs, ratio, time_programs
from lpie.benchmarks.studies.study import in_turns, measured_on, sentences
from lpie.restore.tile_policy import HALOS, Halo
from lpie.size import Size
from lpie.system.environment import environment
from lpie.system.files import to_json
from lpie.weights import tflite_file

SIZES = ("fhd", "4k", "12000x9000")
# Beyond this the whole image is not tried, nor are tiles run twice in a round.
LARGE_PX = 20e6


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True)
@click.option(
    "--halo",
    type=click.Choice(HALOS),
    default=HALOS[0],
    show_default=True,
    help="How far tiles overlap.",
)
@in_turns(SIZES)
def main(as_json: bool, **options: Any) -> None:
    """Restore a picture with each of MODELS (.tflite or pretrained), by tiles and whole, in turns.

    Every program runs in a process of its own: the ratios are medians, over the rounds, of
    tiles by whole.
    Tiles are timed from pixels to pixels, the whole image without turning pixels into floats. Above
    20 megapixels there are tiles alone; their time per megapixel is compared with that at the first
    size.

    \b
    Examples:
      python -m lpie.benchmarks.studies.tiles_or_whole denoise-lpienet denoise
      python -m lpie.benchmarks.studies.tiles_or_whole denoise --size fhd --rounds 1 --runs 1
    """
    with sentences():
        result = compare(progress=lambda text: click.echo(text, err=True), **options)
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)


def compare(
    models: Sequence[str],
    sizes: Sequence[str] = SIZES,
    *,
    rounds: int = 5,
    runs: int = 2,
    threads: int | None = None,
    halo: Halo = "exact",
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """A row for each model and size: `tiles` and `whole` by `time_programs`, and their ratios."""
    computer = environment()
    results: list[dict[str, Any]] = []
    for model in models:
        first: float | None = None
        for size in sizes:
            height, width = Size.parse(size)
            large = width * height > LARGE_PX
            progress(f"{model} at {width}x{height}")
            programs = own_programs(
                tflite_file(model),
                width,
                height,
                threads=threads or os.cpu_count() or 1,
                halo=halo,
                whole=not large,
            )
            rows = time_programs(
                programs,
                rounds=1 if large else rounds,
                runs=0 if large else runs,
                progress=progress,
            )
            row: dict[str, Any] = {"model": model, "width": width, "height": height}
            cost = rows[0]["run_ms"] / 1e3 / (width * height / 1e6)
            first = first or cost
            row.update(tiles=rows[0], s_per_megapixel=cost, to_first_size=cost / first)
            if not large:
                row["whole"] = rows[1]
                row["ratios"] = {
                    k: ratio(rows[0], rows[1], k) for k in ("run_ms", "ready_ms", "peak_mb")
                }
            results.append(row)
    return {"environment": computer, "rounds": rounds, "halo": halo, "results": results}


def table(result: dict[str, Any]) -> str:
    """Return the rows as Markdown, under the environment."""
    header = [
        "model and size",
        "by",
        "set-up ms",
        "run ms",
        "set-up + run",
        "peak MB",
        "s/MP",
        "run",
        "set-up + run",
        "memory",
        "s/MP to first",
    ]
    rows = []
    for row in result["results"]:
        name = f"{row['model']} {row['width']}x{row['height']}"
        ratios = [
            _number(row.get("ratios", {}).get(k), 2) for k in ("run_ms", "ready_ms", "peak_mb")
        ]
        own = [_number(row["s_per_megapixel"], 3), *ratios, _number(row["to_first_size"], 2)]
        rows.append([name, row["tiles"]["name"], *numbers(row["tiles"]), *own])
        if whole := row.get("whole"):
            rows.append([name, whole["refused"] or whole["name"], *numbers(whole), *[""] * 5])
    about = measured_on(f"{result['rounds']} rounds, {result['halo']} halo", result["environment"])
    return "\n\n".join([about, markdown(header, rows)])


def numbers(row: dict[str, Any]) -> list[str]:
    """Set-up, run, both, and peak memory of what `time_programs` measured."""
    return [_number(row.get(key), 0) for key in ("setup_ms", "run_ms", "ready_ms", "peak_mb")]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


if __name__ == "__main__":
    main()
