"""`lpie bench`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lpie.cli.benchmark.bench_devices import (
    NAMES,
    bench_phones,
    phone_options,
    refuse_phone_options,
)
from lpie.cli.format import json_option, print_json, print_table, progress_bar
from lpie.errors import InputError


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
@click.option(
    "--rounds", type=click.IntRange(1, 1000), help="Models take turns, a round each.  [default: 5]"
)
@click.option(
    "--min-runs", type=click.IntRange(1), help="[default: 5 in all rounds, on a device 10 in each]"
)
@click.option(
    "--seconds", type=click.FloatRange(0), help="[default: 5 for all rounds, on a device 2 each]"
)
@click.option("--max-memory", "max_memory_mb", type=float, help="In MB.  [default: 80 % of free]")
@click.option("--runtime", default="ai-edge-litert", show_default=True, help="Or tflite-runtime.")
@click.option(
    "--parse",
    "log",
    type=click.Path(path_type=Path),
    help="Measure nothing: read what benchmark_model printed.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON here.")
@json_option
@phone_options
def bench(
    models: tuple[Path, ...],
    sizes: tuple[str, ...],
    log: Path | None,
    output: Path | None,
    as_json: bool,
    threads: tuple[int, ...],
    **options: Any,
) -> None:
    """Time .tflite MODELS (or pretrained networks) on this machine, each size in a process of its own.

    The JSON is a record of each measurement, with its verdict (benchmarks/records/record.schema.json). A
    size that would not fit in memory has the verdict `failed` and the estimate; then the exit code
    is 1. With --device they are measured on phones and boards, and -o may be a folder, for a record
    each. With --device and --parse the exit code is 1 for every verdict but `valid`.

    \b
    Examples:
      lpie bench denoise
      lpie bench *.tflite --size fhd --threads 1 --json
      lpie bench lpienet_int8_512x512.tflite --size 4k --tiles
      lpie bench --parse phone.log --json
      lpie bench --devices
      lpie bench denoise denoise-s --device all --binary benchmark_model --delegate gpu -o results/
      lpie bench --suite benchmarks/suites/phone.toml --device R58M12ABCDE -o results/
    """
    if options["device"] or options["suite_file"] or options["list_them"]:
        if log:
            raise InputError("--parse measures nothing: give it without --device and --suite.")
        bench_phones(models, output, as_json, {"sizes": sizes, "threads": threads, **options})
        return
    refuse_phone_options()
    if bool(models) == bool(log):
        raise InputError("Name MODELS to time, or the log to read by --parse LOG, not both.")
    records = _parsed(log) if log else _timed(models, sizes, threads, as_json, options)
    tell(records, output, as_json)
    if any(record["verdict"] not in _GOOD[bool(log)] for record in records):
        sys.exit(1)


# By whether the records come from a log: a busy machine is no failure of what is timed here.
_GOOD = {True: ("valid",), False: ("valid", "unstable", "throttled")}


def _parsed(log: Path) -> list[dict[str, Any]]:
    from lpie.benchmarks.logs.read import read_log

    return read_log(log)


def _timed(
    models: tuple[Path, ...],
    sizes: tuple[str, ...],
    threads: tuple[int, ...],
    as_json: bool,
    options: dict[str, Any],
) -> list[dict[str, Any]]:
    """The records of this machine."""
    from lpie.benchmarks.harness.host import SIZES, benchmark
    from lpie.weights import tflite_file

    if len(threads) > 1:
        raise InputError("Give --threads once, or more often with --device.")
    return benchmark(
        [tflite_file(model) for model in models],
        sizes=sizes or SIZES,
        threads=threads[0] if threads else None,
        progress=lambda jobs: progress_bar(jobs, unit="round", disable=as_json),
        **{k: v for k, v in options.items() if k not in NAMES and v is not None},
    )


def tell(records: Sequence[dict[str, Any]], output: Path | None, as_json: bool) -> None:
    """Print `records`, and write them to `output` where it is given."""
    from lpie.benchmarks.records.record import collection, write_records

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
