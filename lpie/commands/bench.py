"""`lpie bench`."""

import sys
from pathlib import Path
from typing import Any

import click

from lpie.commands.output import json_option, print_json, print_table, progress_bar
from lpie.commands.phone import NAMES, bench_phones, phone_options, refuse_phone_options
from lpie.errors import InputError
from lpie.files import to_json, write_atomic


@click.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--size", "sizes", multiple=True, help="May be repeated.  [default: 256x256, fhd and 4k]"
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    multiple=True,
    help="[default: all cores here, 4 on a device; may be repeated there]",
)
@click.option("--tiles", is_flag=True, help="Restore by exact tiles instead of the whole image.")
@click.option("--min-runs", type=click.IntRange(1), help="[default: 5, a round on a device 10]")
@click.option("--seconds", type=click.FloatRange(0), help="[default: 5, a round on a device 2]")
@click.option("--max-memory", "max_memory_mb", type=float, help="In MB.  [default: 80 % of free]")
@click.option("--runtime", default="ai-edge-litert", show_default=True, help="Or tflite-runtime.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON here.")
@json_option
@phone_options
def bench(
    models: tuple[Path, ...],
    sizes: tuple[str, ...],
    output: Path | None,
    as_json: bool,
    threads: tuple[int, ...],
    **options: Any,
) -> None:
    """Time .tflite MODELS (or shipped networks) on this machine, each size in a process of its own.

    A size that would not fit in memory is refused with the estimate; then the exit code is 1. With
    --device they are measured on phones and boards, in rounds that take turns; then the exit code
    is 1 where a verdict is not `valid`, and -o may be a folder, for a record each.

    \b
    Examples:
      lpie bench denoise
      lpie bench *.tflite --size fhd --threads 1 --json
      lpie bench lpienet_int8_512x512.tflite --size 4k --tiles
      lpie bench --devices
      lpie bench denoise denoise-s --device all --binary benchmark_model --delegate gpu -o results/
      lpie bench --suite benchmarks/suites/phone.toml --device R58M12ABCDE -o results/
    """
    if options["device"] or options["suite_file"] or options["list_them"]:
        bench_phones(models, output, as_json, {"sizes": sizes, "threads": threads, **options})
        return
    if not models:
        raise InputError("Give at least one .tflite or shipped network.")
    host = {k: v for k, v in options.items() if k not in NAMES and v is not None}
    refuse_phone_options()
    if len(threads) > 1:
        raise InputError("Give --threads once, or more often with --device.")
    from lpie.benchmarks.host import SIZES, benchmark
    from lpie.weights import tflite_file

    result = benchmark(
        [tflite_file(model) for model in models],
        sizes=sizes or SIZES,
        threads=threads[0] if threads else None,
        progress=lambda jobs: progress_bar(jobs, unit="model", disable=as_json),
        **host,
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
