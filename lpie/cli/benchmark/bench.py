"""`lpie bench`."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpie.cli.benchmark.bench_options import Options, bench_options, typed_options
from lpie.cli.format import echo, print_json, print_table, progress_bar
from lpie.cli.options import command
from lpie.cli.paths import PATH, refuse_overwriting
from lpie.errors import InputError
from lpie.system.files import refuse_existing

if TYPE_CHECKING:
    from lpie.benchmarks.harness.settings import Settings
    from lpie.benchmarks.harness.suite import Suite
    from lpie.benchmarks.records.schema import Record

MOST_NAMED = 3  # in a line about several measurements


@command()
@click.argument("models", nargs=-1, type=PATH)
@bench_options
def bench(**values: Any) -> None:
    """Measure the latency and memory of .tflite MODELS (or pretrained networks).

    They run on this computer, each in a process of its own, or with --device on phones and boards
    behind adb. Each measurement becomes a record with a verdict: whether its number counts.

    \b
    Examples:
      lpie bench denoise
      lpie bench *.tflite --size fhd --threads 1 --json
      lpie bench --parse phone.log --json
      lpie bench --list-devices
      lpie bench denoise denoise-s --device all --binary benchmark_model --delegate gpu -o results/
    \f
    \b
    More examples:
      lpie bench lpienet_int8_512x512.tflite --size 4k --tiles
      lpie bench --suite benchmarks/suites/phone.toml --device R58M12ABCDE -o results/

    The rounds of all models at one size take turns, so that nothing that slows the machine for a
    while slows only one of them. The records follow benchmarks/records/record.schema.json.

    The exit code is 1 where a measurement failed, fell back to another delegate or is incomplete:
    a size that would not fit in memory fails with the estimate. On a device, and for --parse, it is
    1 for every verdict but `valid` and `too_few`.
    """
    options, typed = Options(**values), typed_options()
    refuse_overwriting([options.output], _inputs(options))
    if options.list_devices:
        from lpie.cli.benchmark.devices import print_devices

        _only(typed, {"list_devices", "adb", "as_json"}, "--list-devices measures nothing")
        print_devices(options.adb, options.as_json)
        return
    if options.log is not None:
        if options.models:
            raise InputError("Name MODELS to time, or the log to read by --parse LOG, not both.")
        _only(typed, {"log", "output", "force", "as_json"}, "--parse measures nothing")
        if options.output:
            refuse_existing(options.output, force=options.force)
        records = _parsed(options.log)
    else:
        records = _measured(options, typed)
    _show(records, options)
    if any(record["verdict"] not in _good(record) for record in records):
        sys.exit(1)


def _inputs(options: Options) -> list[Path | None]:
    """The files that the options name to be read."""
    return [
        *options.models,
        *options.libraries,
        options.photo,
        options.reference,
        options.suite_file,
        options.binary,
        options.apk,
        options.log,
    ]


def _only(typed: set[str], kept: set[str], why: str) -> None:
    """Refuse what was typed beside an option that measures nothing."""
    for name in sorted(typed - kept):
        raise InputError(f"{why}: omit `{name}`.")


def _good(record: "Record") -> tuple[str, ...]:
    """The verdicts that are a success: a busy computer is no failure of what is timed on it."""
    from lpie.benchmarks.records.verdict import MEASURED

    here = record["device"]["serial"] == "host" and record["log"]["file"] is None
    return MEASURED if here else ("valid", "too_few")


def _parsed(log: Path) -> "list[Record]":
    from lpie.benchmarks.logs.read import read_log

    return read_log(log)


def _measured(options: Options, typed: set[str]) -> "list[Record]":
    """The records of the devices that were asked for, this computer where none was."""
    from lpie.cli.benchmark.browser import BROWSER, measured_in_browser

    if BROWSER in options.device:
        return measured_in_browser(options, typed)
    from lpie.benchmarks.bench import Photos, Tools
    from lpie.benchmarks.bench import bench as measure
    from lpie.benchmarks.runners.options import check_options, kinds_of
    from lpie.cli.benchmark.devices import chosen_devices

    if not options.models and options.suite_file is None:
        raise InputError(
            "Name MODELS to time, or the log to read by --parse LOG. Give at least one .tflite or "
            "pretrained network, or a --suite."
        )
    tools = Tools(
        options.runner,
        options.binary,
        options.libraries,
        options.apk,
        options.python,
        options.runtime,
    )
    asked = options.device or (("all",) if options.suite_file else ("host",))
    here = set(asked) == {"host"}
    check_options(typed, kinds_of(asked, tools.runner))
    suite = _suite(options, here)
    suite.check_files()
    folder = _folder(options)
    devices = chosen_devices(asked, options.adb)
    return measure(
        suite,
        devices,
        tools=tools,
        photos=Photos(options.photo, options.reference),
        folder=folder,
        report=lambda line: None if here or options.as_json else echo(line, err=True),
        progress=lambda jobs: progress_bar(jobs, unit="round", disable=not here or options.as_json),
    )


def _suite(options: Options, here: bool) -> "Suite":
    """The file's suite, or the one that the options describe."""
    from lpie.benchmarks.harness.settings import Settings
    from lpie.benchmarks.harness.suite import Suite, read_suite

    if options.tiles and options.whole:
        raise InputError("Choose one of --tiles and --whole.")
    if options.suite_file is None:
        return Suite(
            tuple(map(str, options.models)),
            options.sizes,
            options.delegates or ("xnnpack",),
            options.threads,
            settings=_changed(Settings.for_host() if here else Settings(), options),
        )
    if options.models or options.sizes or options.delegates or options.threads:
        raise InputError("A suite lists its models, sizes, delegates and threads: omit yours.")
    suite = read_suite(options.suite_file)
    return dataclasses.replace(suite, settings=_changed(suite.settings, options))


def _changed(settings: "Settings", options: Options) -> "Settings":
    """`settings` with what somebody typed in their place."""
    typed = {
        "rounds": options.rounds,
        "runs": options.runs,
        "seconds": options.seconds,
        "warmup_s": options.warmup_s,
        "limit_s": options.limit_s,
        "cool_to_c": options.cool_to_c,
        "cool_s": options.cool_s,
        "sustained_min": options.sustained_min,
        "profile": options.profile or None,
        "max_memory_mb": options.max_memory_mb,
        "mode": "tiles" if options.tiles else "whole" if options.whole else None,
    }
    changes: dict[str, Any] = {name: value for name, value in typed.items() if value is not None}
    return dataclasses.replace(settings, **changes)


def _folder(options: Options) -> Path | None:
    """The folder for a file for each record; None where there is none. Raises an `InputError` for a
    place that cannot be written to, before anything is measured."""
    output = options.output
    if output is None:
        return None
    if output.suffix == ".json":
        refuse_existing(output, force=options.force)
    if output.suffix != ".json" and output.exists():
        if not output.is_dir():
            raise InputError(f"{output} is a file: give a folder, or a name that ends in .json.")
        if any(output.iterdir()) and not options.force:
            raise InputError(
                f"{output} is not empty: give a new folder for the records, or add `force`."
            )
    if not os.access(_existing(output), os.W_OK):
        raise InputError(f"{output} cannot be written to. Choose another folder.")
    return None if output.suffix == ".json" else output


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.absolute().parent)


def _show(records: "Sequence[Record]", options: Options) -> None:
    """Print `records`, and write them to the file that was asked for."""
    from lpie.benchmarks.records.record import collection, write_records

    output = options.output
    if output and (output.suffix == ".json" or options.log is not None):
        write_records(output, records)
    if options.as_json:
        print_json(records[0] if len(records) == 1 else collection(records))
    elif all(record["device"]["serial"] == "host" for record in records) or options.log:
        print_results(records)
    else:
        _print_devices(records)


def print_results(records: Sequence["Record"]) -> None:
    """Print the records as a table, then why those that are not valid do not count."""
    from lpie.benchmarks.records.answer import turns
    from lpie.benchmarks.records.names import environment_line
    from lpie.benchmarks.reports.record_rows import to_terminal

    for line in dict.fromkeys(environment_line(record) for record in records):
        echo(line)
    print_table(*to_terminal(records))
    for line in turns(records):
        echo(line)
    _print_reasons(records)


def _print_reasons(records: Sequence["Record"]) -> None:
    """Say once why records do not count or what else is known of them, and of which that is true.

    What is true of all is said without names.
    """
    from lpie.benchmarks.records.disturbance import most_disturbed
    from lpie.benchmarks.records.names import short_name

    names: dict[str, list[str]] = {}
    for record in records:
        valid, notes = record["verdict"] == "valid", record.get("notes", ())
        why = "" if valid else f"{record['verdict']}. {record['why']}"
        for line in dict.fromkeys((why, *notes)):
            if line:
                names.setdefault(line, []).append(short_name(record))
    for line, named in names.items():
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        shown = ", ".join(named[:MOST_NAMED]) + more
        every = len(named) == len(records) > 1
        echo(f"{'All' if every else shown}: {line}", err=True)
    count, line = most_disturbed(records)
    if count:
        echo(f"Disturbed, {count} of {len(records)}: {line}", err=True)


def _print_devices(records: Sequence["Record"]) -> None:
    """Print a row for each record of several devices; a number only where it counts."""
    from lpie.benchmarks.records.answer import turns
    from lpie.benchmarks.reports.record_rows import DEVICES, to_terminal

    header, rows = to_terminal(records, DEVICES)
    print_table(header, rows)
    for line in turns(records):
        echo(line)
    _print_reasons(records)
