"""`lpie bench`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lpie.commands.output import json_option, print_json, print_table, progress_bar


@click.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--size", "sizes", multiple=True, help="May be repeated.  [default: 256x256, fhd and 4k]"
)
@click.option("--threads", type=click.IntRange(1), help="[default: all cores]")
@click.option("--tiles", is_flag=True, help="Restore by exact tiles instead of the whole image.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True,
              help="Models take turns, one round each.")  # fmt: skip
@click.option("--min-runs", type=click.IntRange(1), default=5, show_default=True,
              help="Of all rounds together.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0), default=5.0, show_default=True,
              help="The least that all rounds take.")  # fmt: skip
@click.option("--max-memory", "max_memory_mb", type=float, help="In MB.  [default: 80 % of free]")
@click.option("--runtime", default="ai-edge-litert", show_default=True, help="Or tflite-runtime.")
@click.option("--parse", "log", type=click.Path(path_type=Path),
              help="Measure nothing: read what benchmark_model printed.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON here.")
@json_option
def bench(
    models: tuple[Path, ...],
    sizes: tuple[str, ...],
    log: Path | None,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Time .tflite MODELS (or shipped networks) on this machine, each size in a process of its own.

    The JSON is a record of each measurement, with its verdict (benchmarks/record.schema.json). A
    size that would not fit in memory has the verdict `failed` and the estimate; then the exit code
    is 1. With --parse it is 1 for every verdict but `valid`.

    \b
    Examples:
      lpie bench denoise
      lpie bench *.tflite --size fhd --threads 1 --json
      lpie bench lpienet_int8_512x512.tflite --size 4k --tiles
      lpie bench --parse phone.log --json
    """
    from lpie.benchmarks.host import SIZES, benchmark
    from lpie.benchmarks.parse import read_log
    from lpie.errors import InputError
    from lpie.weights import tflite_file

    if bool(models) == bool(log):
        raise InputError("Name MODELS to time, or the log to read by --parse LOG, not both.")
    if log:
        records, good = read_log(log), ("valid",)
    else:
        records, good = (
            benchmark(
                [tflite_file(model) for model in models],
                sizes=sizes or SIZES,
                progress=lambda jobs: progress_bar(jobs, unit="round", disable=as_json),
                **options,
            ),
            ("valid", "unstable", "throttled"),
        )
    tell(records, output, as_json)
    if any(record["verdict"] not in good for record in records):
        sys.exit(1)


def tell(records: Sequence[dict[str, Any]], output: Path | None, as_json: bool) -> None:
    """Print `records`, and write them to `output` where it is given."""
    from lpie.benchmarks.record import collection, write_records

    if output:
        write_records(output, records)
    if as_json:
        print_json(records[0] if len(records) == 1 else collection(records))
    else:
        print_results(records)


def print_results(records: Sequence[dict[str, Any]]) -> None:
    """The records as a table, then why those do not count that are not valid."""
    places = dict.fromkeys(_place(record) for record in records)
    for place in places:
        click.echo(place)
    print_table(
        ["model", "init ms", "first ms", "median ms", "mean ms", "p90 ms", "std ms", "peak MB",
         "verdict"],
        [_row(record) for record in records],
    )  # fmt: skip
    for record in records:
        if record["verdict"] != "valid":
            click.echo(f"{_name(record)}: {record['verdict']}. {record['why']}", err=True)


def _place(record: dict[str, Any]) -> str:
    """Where it ran, on one line."""
    device, runner = record["device"], record["runner"]
    named = [device["manufacturer"], device["model"], device["soc"], device["cpu"]]
    cores = [f"{device['cores']} cores"] if device["cores"] else []
    parts = [*(str(name) for name in named if name), *cores, runner["version"] or runner["name"]]
    return ", ".join(str(part) for part in parts if part)


def _name(record: dict[str, Any]) -> str:
    asked = record["requested"]
    parts = [record["model"]["file"], asked["size"], asked["mode"]]
    if asked["delegate"] not in (None, "cpu"):
        parts.append(asked["delegate"])
    return " ".join(str(part) for part in parts if part) or "model unknown"


def _row(record: dict[str, Any]) -> list[str]:
    summary = record["summary"]
    keys = ("init_ms", "first_ms", "median_ms", "mean_ms", "p90_ms", "std_ms")
    values = [*(summary[key] for key in keys), record["memory"]["peak_mb"]]
    shown = ["-" if value is None else f"{value:,.1f}" for value in values]
    # A number that was not measured where it was asked for stands in no column.
    if record["verdict"] in ("fell_back", "failed", "incomplete"):
        shown = ["-"] * len(shown)
    return [_name(record), *shown, record["verdict"]]
