"""`lpie bench`."""

import sys
from pathlib import Path
from typing import Any

import click

from lpie.commands.output import json_option, print_json, print_table, progress_bar
from lpie.files import to_json, write_atomic


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--size", "sizes", multiple=True, help="May be repeated.  [default: 256x256, fhd and 4k]"
)
@click.option("--threads", type=click.IntRange(1), help="[default: all cores]")
@click.option("--tiles", is_flag=True, help="Restore by exact tiles instead of the whole image.")
@click.option("--min-runs", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seconds", type=click.FloatRange(0), default=5.0, show_default=True)
@click.option("--max-memory", "max_memory_mb", type=float, help="In MB.  [default: 80 % of free]")
@click.option("--runtime", default="ai-edge-litert", show_default=True, help="Or tflite-runtime.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON here.")
@json_option
def bench(
    models: tuple[Path, ...],
    sizes: tuple[str, ...],
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Time .tflite MODELS (or shipped networks) on this machine, each size in a process of its own.

    A size that would not fit in memory is refused with the estimate; then the exit code is 1.

    \b
    Examples:
      lpie bench denoise
      lpie bench *.tflite --size fhd --threads 1 --json
      lpie bench lpienet_int8_512x512.tflite --size 4k --tiles
    """
    from lpie.benchmarks.host import SIZES, benchmark
    from lpie.weights import tflite_file

    result = benchmark(
        [tflite_file(model) for model in models],
        sizes=sizes or SIZES,
        progress=lambda jobs: progress_bar(jobs, unit="model", disable=as_json),
        **options,
    )
    if output:
        write_atomic(output, to_json(result))
    if as_json:
        print_json(result)
    else:
        print_results(result)
    if any(row["refused"] for row in result["results"]):
        sys.exit(1)


def print_results(result: dict[str, Any]) -> None:
    """The records as a table, and the reasons of those that were refused."""
    machine = result["machine"]
    click.echo(f"{machine['cpu']}, {machine['cores']} cores, {machine['runtime']}")
    keys = ("init_ms", "first_ms", "median_ms", "p90_ms", "std_ms", "peak_mb")
    rows = [
        [f"{Path(row['model']).name} {row['size']} {row['mode']}"]
        + [f"{row[key]:,.1f}" if not row["refused"] else "-" for key in keys]
        for row in result["results"]
    ]
    print_table(["model", "init ms", "first ms", "median ms", "p90 ms", "std ms", "peak MB"], rows)
    for row in result["results"]:
        if row["refused"]:
            click.echo(f"Refused: {row['refused']}", err=True)
