"""The options of `lpie bench`, by what they are about."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from lpie.cli.format import json_option
from lpie.cli.options import option
from lpie.cli.paths import PATH

Decorator = Callable[..., Any]

WHAT = (
    option(
        "--size",
        "sizes",
        multiple=True,
        help="Image size: WIDTHxHEIGHT, fhd or 4k. Repeatable.  [default: 256x256, fhd and 4k; "
        "the file's own size where it cannot be resized]",
    ),
    option(
        "--delegate",
        "delegates",
        multiple=True,
        help="What runs the network: cpu (TFLite's own kernels), xnnpack, gpu, gpu-cl or gpu-gl "
        "(a GPU's with -fp32 for full precision), nnapi or nnapi:NAME, npu. Repeatable.  "
        "[default: xnnpack]",
    ),
    option(
        "--threads",
        type=click.IntRange(1),
        multiple=True,
        help="CPU threads. Repeatable.  [default: all cores of this computer, 4 on a device]",
    ),
    option(
        "--tiles",
        is_flag=True,
        help="Restore by tiles, as `lpie restore` does, instead of the whole image.",
    ),
    option(
        "--whole",
        is_flag=True,
        help="Run the whole image; never split it into tiles.",
        advanced=True,
    ),
    option(
        "--max-memory",
        "max_memory_mb",
        type=float,
        help="Most memory that a run may be expected to need, in MB.  "
        "[default: 80 % of the free memory]",
        advanced=True,
    ),
    option(
        "--photo",
        type=PATH,
        help="Photo to restore.  [default: a built-in photo with noise]",
        advanced=True,
    ),
    option(
        "--reference",
        type=PATH,
        help="Float .tflite used as ground truth for the device's output.",
        advanced=True,
    ),
)
HOW_LONG = (
    option(
        "--rounds",
        type=click.IntRange(1, 1000),
        help="How often each model has its turn.  [default: 5]",
    ),
    option(
        "--min-runs",
        "runs",
        type=click.IntRange(1),
        help="Fewest runs in each round.  [default: 1 on this computer, 10 on a device]",
        advanced=True,
    ),
    option(
        "--seconds",
        type=click.FloatRange(0),
        help="Shortest duration of each round, in seconds.  [default: 1 on this computer, 2 on "
        "a device]",
        advanced=True,
    ),
    option(
        "--warmup-seconds",
        "warmup_s",
        old=("--warm-up",),
        type=float,
        help="Warm-up before each round, in seconds; on this computer once, until runs are "
        "alike.  [default: at most 5 on this computer, 1 on a device]",
        advanced=True,
    ),
    option(
        "--timeout",
        "limit_s",
        old=("--limit",),
        type=float,
        help="Timeout of one benchmark run, in seconds.  [default: 600]",
        advanced=True,
    ),
    option(
        "--cool-to",
        "cool_to_c",
        type=float,
        help="Temperature at which a round may begin on a device, in °C.  [default: 38]",
        advanced=True,
    ),
    option(
        "--cool-timeout",
        "cool_s",
        old=("--cool-limit",),
        type=float,
        help="Give up if the device has not cooled after this many seconds.  [default: 900]",
        advanced=True,
    ),
    option(
        "--sustained",
        "sustained_min",
        type=float,
        metavar="MINUTES",
        help="Also run for so many minutes without a pause, to see how much heat slows it.",
        advanced=True,
    ),
    option("--profile", is_flag=True, help="Also time each op, in runs of their own."),
)
WHERE = (
    option(
        "--device",
        multiple=True,
        metavar="SERIAL",
        help="Device to measure on: a serial, `all`, `host` for this computer, or `browser` for "
        "one on it. Repeatable.  [default: host; with --suite all]",
    ),
    option(
        "--list-devices",
        "list_devices",
        old=("--devices",),
        is_flag=True,
        help="List connected devices and exit.",
    ),
    option(
        "--suite",
        "suite_file",
        type=PATH,
        help="TOML file that lists models, sizes, delegates, threads and settings.",
    ),
    option(
        "--runner",
        default="benchmark_model",
        show_default=True,
        help="What measures on a device: benchmark_model, apk (TFLite's app), app (lpie's app) "
        "or python (an Arm board).",
        advanced=True,
    ),
    option(
        "--binary",
        type=PATH,
        envvar="LPIE_BENCHMARK_MODEL",
        help="The benchmark_model built for the device.  [default: $LPIE_BENCHMARK_MODEL]",
    ),
    option(
        "--library",
        "libraries",
        type=PATH,
        multiple=True,
        help="Shared library to push next to benchmark_model. Repeatable.",
        advanced=True,
    ),
    option(
        "--apk",
        type=PATH,
        help="App to install first, for the runners apk and app.",
        advanced=True,
    ),
    option(
        "--python",
        default="",
        help="Command of the Python that runs the model, as that of an older runtime.  "
        "[default: this one; python3 on a board]",
        advanced=True,
    ),
    option(
        "--runtime",
        default="",
        help="Package of Python's interpreter: ai-edge-litert or tflite-runtime.  [default: "
        "ai-edge-litert]",
        advanced=True,
    ),
    option(
        "--adb",
        help="The adb program.  [default: $ADB, or the one in PATH]",
        advanced=True,
    ),
)
OUTPUT = (
    option(
        "--parse",
        "log",
        type=PATH,
        help="Measure nothing: read the records out of what benchmark_model printed.",
    ),
    option(
        "-o",
        "--output",
        type=PATH,
        help="Also write the JSON here: a file NAME.json, or a new folder for a file each.",
    ),
    option("--force", is_flag=True, help="Overwrite existing outputs."),
    json_option,
)


@dataclass(frozen=True)
class Options:
    """What somebody typed; None or nothing where they did not."""

    models: tuple[Path, ...]
    sizes: tuple[str, ...]
    delegates: tuple[str, ...]
    threads: tuple[int, ...]
    tiles: bool
    whole: bool
    max_memory_mb: float | None
    photo: Path | None
    reference: Path | None
    rounds: int | None
    runs: int | None
    seconds: float | None
    warmup_s: float | None
    limit_s: float | None
    cool_to_c: float | None
    cool_s: float | None
    sustained_min: float | None
    profile: bool
    device: tuple[str, ...]
    list_devices: bool
    suite_file: Path | None
    runner: Any
    binary: Path | None
    libraries: tuple[Path, ...]
    apk: Path | None
    python: str
    runtime: Any
    adb: str | None
    log: Path | None
    output: Path | None
    force: bool
    as_json: bool


def bench_options(command: Decorator) -> Decorator:
    """Adds all options to the command."""
    for add in reversed((*WHAT, *HOW_LONG, *WHERE, *OUTPUT)):
        command = add(command)
    return command


def typed_options() -> set[str]:
    """The parameters that stand on the command line."""
    context = click.get_current_context()
    line = click.core.ParameterSource.COMMANDLINE
    names = {str(parameter.name) for parameter in context.command.params}
    return {name for name in names if context.get_parameter_source(name) is line}
