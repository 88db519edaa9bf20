"""Every network of the zoo at one size: cost, latency, memory, and how exact its exports are."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from lpie.benchmarks.harness.child import Child
from lpie.benchmarks.studies.rounds import time_in_rounds
from lpie.benchmarks.studies.study import conditions, keep_to, markdown, sentences
from lpie.errors import unknown_name
from lpie.system.environment import environment
from lpie.system.files import to_json

DEEP = {"encoder_blocks": [1, 1, 1, 28], "middle_blocks": 1, "decoder_blocks": [1, 1, 1, 1]}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "LPIENet": ("lpienet", {}),
    "LPIENet-RT": ("lpienet_rt", {}),
    "LPIENet-RT, s": ("lpienet_rt", {"size": "s"}),
    "NAFNet, width 8": ("nafnet", {"width": 8, **DEEP}),
    "NAFNet, width 16": ("nafnet", {"width": 16, **DEEP}),
    "NAFNet": ("nafnet", DEEP),
    "NAFNet, default depth": ("nafnet", {}),
    "NAFNet, TLC": ("nafnet", {**DEEP, "train_size": 256}),
    "Baseline": ("nafnet", {**DEEP, "block": "baseline"}),
    "PlainNet": ("nafnet", {**DEEP, "block": "plain"}),
    "NAFFT-Net": ("nafftnet", {}),
    "NAFFT-Net, faithful": ("nafftnet", {"faithful": True, "do_conv": True}),
    "MIRNet": ("mirnet", {}),
}
RECIPES = ("float32", "int8")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--network", "names", multiple=True, help="Only this row; repeatable.")
@click.option("--size", default="256x256", show_default=True, help="WIDTHxHEIGHT.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", type=click.FloatRange(0), default=2.0, show_default=True)
@click.option("--cores", type=click.IntRange(1), help="Use only so many.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(cores: int | None, names: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Export every network as float32 and int8, verify it and time it on this machine, in turns.

    The weights are those that training starts from (branches that start at zero opened, the
    residual scaled to 0.1), so "exact" is about the export, not about quality. Latency is the
    median over --rounds, each of at least --seconds, of a process of its own; memory is the most
    that it had.

    \b
    Examples:
      python -m lpie.benchmarks.studies.networks
      python -m lpie.benchmarks.studies.networks --network LPIENet --network MIRNet --json
    """
    with sentences():
        keep_to(cores)
        result = measure(names, progress=lambda text: click.echo(text, err=True), **options)
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)


def measure(
    names: Sequence[str] = (),
    *,
    size: str = "256x256",
    rounds: int = 3,
    seconds: float = 2.0,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """What every export is, beside the latencies of all rounds; one row for each network."""
    for name in names:
        if name not in CASES:
            raise unknown_name("network", name, CASES)
    chosen = {name: case for name, case in CASES.items() if not names or name in names}
    with tempfile.TemporaryDirectory() as folder:
        rows = _export(chosen, Path(folder), size, progress)
        files = {f["path"]: f for row in rows for f in row["files"].values() if not f["refused"]}
        machine = environment()
        timings = time_in_rounds(
            list(files), size=size, rounds=rounds, seconds=seconds, progress=progress
        )
    for path, timing in timings.items():
        files[path].update(timing)
    return {"size": size, "rounds": rounds, "machine": machine, "results": rows}


def _export(
    chosen: dict[str, tuple[str, dict[str, Any]]],
    folder: Path,
    size: str,
    progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    rows = []
    command = [sys.executable, "-m", "lpie.benchmarks.studies.children.export_networks"]
    variables = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    with Child("the export", command, {"size": size}, variables=variables) as child:
        for i, (name, (network, hyperparameters)) in enumerate(chosen.items()):
            files = {}
            for recipe in RECIPES:
                progress(f"{name}, {recipe}")
                path = str(folder / f"{i}_{recipe}.tflite")
                job = {"network": network, "hyperparameters": hyperparameters, "recipe": recipe}
                files[recipe] = {"path": path, **child.ask({**job, "path": path})}
            rows.append({"name": name, "network": network, "hyperparameters": hyperparameters,
                         "files": files})  # fmt: skip
    return rows


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table under its conditions."""
    header = ["network", "parameters", "MAC/pixel", "float32 ms", "int8 ms", "peak MB, float32",
              "float32 to Keras, dB", "int8 to Keras, dB (correlation)",
              "pieces on GPU, NNAPI, XNNPACK"]  # fmt: skip
    about = conditions(result["size"], result["machine"])
    return f"{about}\n\n{markdown(header, [_row(row) for row in result['results']])}"


def _row(row: dict[str, Any]) -> list[str]:
    plain, small = row["files"]["float32"], row["files"]["int8"]
    pieces = ", ".join(str(n) for n in plain.get("partitions", {}).values())
    return [
        row["name"],
        f"{plain['parameters']:,}",
        f"{plain['macs_per_pixel']:,.0f}",
        _number(plain, "median_ms"),
        _number(small, "median_ms"),
        _number(plain, "peak_mb"),
        "refused"
        if plain["refused"]
        else f"{plain['verified']['residual_psnr_db'] or float('inf'):.0f}",
        "refused"
        if small["refused"]
        else "{residual_psnr_db:.1f} ({residual_correlation:.3f})".format(**small["verified"]),
        pieces,
    ]


def _number(file: dict[str, Any], key: str) -> str:
    return f"{file[key]:,.0f}" if key in file else "refused"


if __name__ == "__main__":
    main()
