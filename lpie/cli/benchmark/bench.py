"""`lpie bench`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpie.cli.benchmark.bench_devices import (
    NAMES,
    bench_phones,
    phone_options,
    refuse_phone_options,
)
from lpie.cli.format import json_option, print_json, print_table, progress_bar
from lpie.errors import InputError

if TYPE_CHECKING:
    from lpie.benchmarks.records.schema import Record


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


def _parsed(log: Path) -> list["Record"]:
    from lpie.benchmarks.logs.read import read_log

    return read_log(log)


def _timed(
    models: tuple[Path, ...],
    sizes: tuple[str, ...],
    threads: tuple[int, ...],
    as_json: bool,
    options: dict[str, Any],
) -> list["Record"]:
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


def tell(records: Sequence["Record"], output: Path | None, as_json: bool) -> None:
    """Print `records`, and write them to `output` where it is given."""
    from lpie.benchmarks.records.record import collection, write_records

    if output:
        write_records(output, records)
    if as_json:
        print_json(records[0] if len(records) == 1 else collection(records))
    else:
        print_results(records)


def print_results(records: Sequence["Record"]) -> None:
    """Print the records as a table, then why those that are not valid do not count."""
    from lpie.benchmarks.records.names import environment_line, short_name
    from lpie.benchmarks.reports.record_rows import to_terminal

    for line in dict.fromkeys(environment_line(record) for record in records):
        click.echo(line)
    print_table(*to_terminal(records))
    for record in records:
        if record["verdict"] != "valid":
            click.echo(f"{short_name(record)}: {record['verdict']}. {record['why']}", err=True)
