"""The part of `lpie bench` that measures on phones and boards, behind adb."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpie.cli.format import print_json, print_table
from lpie.errors import InputError

if TYPE_CHECKING:
    from lpie.benchmarks.adb.adb import Adb, Listed
    from lpie.benchmarks.harness.suite import Suite
    from lpie.benchmarks.records.schema import Record

# Options that only make sense with a device or a suite, by their names in Python.
NAMES = (
    "device", "list_them", "suite_file", "runner", "delegates", "warmup_s", "sustained",
    "profile", "whole", "photo", "reference", "binary", "libraries", "apk", "python", "adb",
    "cool_to_c", "cool_s", "limit_s",
)  # fmt: skip


def phone_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that have to do with devices."""
    path = click.Path(path_type=Path)
    for option in reversed((
        click.option("--devices", "list_them", is_flag=True, help="List those that adb sees."),
        click.option("--device", multiple=True, metavar="SERIAL",
                     help="Measure there; `all`, or `host` for this machine. May be repeated."),
        click.option("--suite", "suite_file", type=path, help="A TOML of models, sizes ..."),
        click.option("--runner", default="benchmark_model", show_default=True,
                     help="On phones; or apk (TFLite's), app (lpie's), python (an Arm board)."),
        click.option("--delegate", "delegates", multiple=True,
                     help="cpu, xnnpack, gpu[-cl|-gl][-fp32], nnapi[:NAME], npu; may be repeated.  "
                          "[default: xnnpack]"),
        click.option("--warm-up", "warmup_s", type=float, help="Seconds before a round."),
        click.option("--sustained", type=float, metavar="MINUTES",
                     help="Also without a pause: how much slower it gets as it heats."),
        click.option("--profile", is_flag=True, help="Also time each op, in a pass of its own."),
        click.option("--whole", is_flag=True, help="Never by tiles."),
        click.option("--photo", type=path, help="What is restored.  [default: a built-in photo]"),
        click.option("--reference", type=path, help="A float .tflite whose output is right."),
        click.option("--binary", type=path, envvar="LPIE_BENCHMARK_MODEL",
                     help="benchmark_model for the phone; or $LPIE_BENCHMARK_MODEL."),
        click.option("--library", "libraries", type=path, multiple=True,
                     help="A .so to lie beside it."),
        click.option("--apk", type=path, help="Install this app first, for apk and app."),
        click.option("--python", default="", help="Command of the board's.  [default: python3]"),
        click.option("--adb", help="[default: $ADB, or the one in PATH]"),
        click.option("--cool-to", "cool_to_c", type=float, help="In °C.  [default: 38]"),
        click.option("--cool-limit", "cool_s", type=float, help="Seconds to wait for it."),
        click.option("--limit", "limit_s", type=float, help="Seconds of one call."),
    )):  # fmt: skip
        command = option(command)
    return command


def refuse_phone_options() -> None:
    """An `InputError` where one of them was typed though no device was."""
    context = click.get_current_context()
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in NAMES and source is click.core.ParameterSource.COMMANDLINE:
            raise InputError(f"{option.opts[0]} means something only with --device or --suite.")


def bench_phones(
    models: tuple[Path, ...], output: Path | None, as_json: bool, options: dict[str, Any]
) -> None:
    """What `lpie bench --device`, `--suite` and `--devices` do."""
    from lpie.benchmarks.adb.adb import find_adb, list_devices
    from lpie.benchmarks.harness.bench import Photos, Tools, bench
    from lpie.benchmarks.records.record import collection, write_records

    if options["list_them"]:
        _print_devices(list_devices(find_adb(options["adb"])), as_json)
        return
    tools = Tools(options["runner"], options["binary"], options["libraries"], options["apk"],
                  options["python"])  # fmt: skip
    suite = _suite(models, options)
    _check_output(output)
    devices = _devices(options)
    folder = output if output and output.suffix != ".json" else None
    records = bench(
        suite,
        devices,
        tools=tools,
        photos=Photos(options["photo"], options["reference"]),
        folder=folder,
        tell=lambda line: None if as_json else click.echo(line, err=True),
    )
    if output and not folder:
        write_records(output, records)
    if as_json:
        print_json(records[0] if len(records) == 1 else collection(records))
    else:
        _print_records(records)
    if any(record["verdict"] != "valid" for record in records):
        sys.exit(1)


def _devices(options: dict[str, Any]) -> "list[Adb | None]":
    """Those that were asked for; None is this machine."""
    from lpie.benchmarks.adb.adb import Adb, choose, find_adb, list_devices
    from lpie.benchmarks.adb.failures import failure
    from lpie.benchmarks.harness.device import HOST

    asked = options["device"] or ("all",)
    devices: list[Adb | None] = []
    if set(asked) != {HOST}:
        program = find_adb(options["adb"])
        listed = list_devices(program)
        serials = choose(listed, [each for each in asked if each != HOST])
        for each in listed:
            if "all" in asked and each.serial not in serials:
                click.echo(f"Left out: {failure(each.state, each.serial)}", err=True)
        devices += [Adb(program, serial) for serial in serials]
    devices += [None] if HOST in asked else []
    return devices


def _suite(models: tuple[Path, ...], options: dict[str, Any]) -> "Suite":
    """The file's suite, or the one that the options describe."""
    import dataclasses

    from lpie.benchmarks.harness.settings import Settings
    from lpie.benchmarks.harness.suite import Suite, read_suite

    told = {
        "rounds": options["rounds"], "runs": options["min_runs"], "seconds": options["seconds"],
        "warmup_s": options["warmup_s"], "cool_to_c": options["cool_to_c"],
        "cool_s": options["cool_s"], "limit_s": options["limit_s"],
        "sustained_min": options["sustained"], "profile": options["profile"] or None,
        "mode": "tiles" if options["tiles"] else "whole" if options["whole"] else None,
    }  # fmt: skip
    given: dict[str, Any] = {key: value for key, value in told.items() if value is not None}
    if options["tiles"] and options["whole"]:
        raise InputError("Choose one of --tiles and --whole.")
    if options["suite_file"]:
        if models or options["sizes"] or options["delegates"] or options["threads"]:
            raise InputError("A suite lists its models, sizes, delegates and threads: omit yours.")
        suite = read_suite(options["suite_file"])
        return dataclasses.replace(suite, settings=dataclasses.replace(suite.settings, **given))
    if not models:
        raise InputError("Give at least one .tflite or pretrained network, or a --suite.")
    lists = {
        "sizes": options["sizes"],
        "delegates": options["delegates"] or ("xnnpack",),
        "threads": options["threads"],
    }
    lists = {key: tuple(value) for key, value in lists.items() if value}
    return Suite(tuple(map(str, models)), **lists, settings=Settings(**given))


def _check_output(output: Path | None) -> None:
    if output and output.suffix != ".json" and output.exists():
        if not output.is_dir():
            raise InputError(f"{output} is a file: give a folder, or a name that ends in .json.")
        if any(output.iterdir()):
            raise InputError(f"{output} is not empty: give a new folder for the records.")
    if output and not os.access(_existing(output), os.W_OK):
        raise InputError(f"{output} cannot be written to. Choose another folder.")


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.absolute().parent)


def _print_devices(devices: "list[Listed]", as_json: bool) -> None:
    from lpie.benchmarks.adb.failures import failure

    if as_json:
        print_json({"devices": [vars(each) for each in devices]})
        return
    if not devices:
        raise failure("no devices/emulators found", "")
    print_table(["serial", "state", "about"], [[d.serial, d.state, d.about] for d in devices])
    for each in devices:
        if each.state != "device":
            click.echo(str(failure(each.state, each.serial)), err=True)


def _print_records(records: Sequence["Record"]) -> None:
    """Print a row for each record; a number only where it is one of what was asked for."""
    from lpie.benchmarks.adb.failures import plain
    from lpie.benchmarks.reports.record_rows import DEVICES, to_terminal

    header, rows = to_terminal(records, DEVICES)
    print_table(header, [[plain(cell) for cell in row] for row in rows])
    for record in records:
        if record["why"]:
            click.echo(plain(f"{record['model']['file']}: {record['why']}"), err=True)
