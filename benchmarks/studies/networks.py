"""Every network at one size: cost, latency, memory, and how exact its exports are."""

import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.study import keep_to, measured_on, sentences, time_in_rounds
from lpie.errors import LpieError, unknown_name
from lpie.export.delegates import check_delegate
from lpie.image.image import mosaic, to_float
from lpie.system.environment import environment
from lpie.system.files import to_json
from lpie.tflite.cost import graph_cost
from lpie.tflite.model import TfliteModel

if TYPE_CHECKING:
    import keras

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
DELEGATES = ("gpu", "nnapi-31", "xnnpack")
RESIDUAL = 0.1  # standard deviation, about that of noise of sigma 25


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--network",
    "names",
    multiple=True,
    help="Measure this network only. Repeatable.  [default: all]",
)
@click.option(
    "--size", default="256x256", show_default=True, help="Size of the files, WIDTHxHEIGHT."
)
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Number of rounds."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="Least duration of a round, in seconds.",
)
@click.option("--cores", type=click.IntRange(1), help="Number of CPU cores to use.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(cores: int | None, names: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Export every network as float32 and int8, verify it and time it on this computer, in turns.

    The weights are those that training starts from (branches that start at zero opened, the
    residual scaled to 0.1), so "exact" is about the export, not about quality. Latency is the
    median over --rounds, each of at least --seconds, of a process of its own; memory is its peak.

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
    """Return one row for each network: what its exports are, and the latencies of all rounds."""
    for name in names:
        if name not in CASES:
            raise unknown_name("network", name, CASES)
    chosen = {name: case for name, case in CASES.items() if not names or name in names}
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        rows = _export(chosen, Path(folder), size, progress)
        files = {f["path"]: f for row in rows for f in row["files"].values() if not f["refused"]}
        computer = environment()
        timings = time_in_rounds(
            list(files), size=size, rounds=rounds, seconds=seconds, progress=progress
        )
    for path, timing in timings.items():
        files[path].update(timing)
    return {"size": size, "rounds": rounds, "environment": computer, "results": rows}


def _export(
    chosen: dict[str, tuple[str, dict[str, Any]]],
    folder: Path,
    size: str,
    progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    rows = []
    for i, (name, (network, hyperparameters)) in enumerate(chosen.items()):
        model, files = opened_network(network, hyperparameters), {}
        for recipe in RECIPES:
            progress(f"{name}, {recipe}")
            path = folder / f"{i}_{recipe}.tflite"
            files[recipe] = {"path": str(path), **_exported(model, path, recipe, size)}
        rows.append(
            {"name": name, "network": network, "hyperparameters": hyperparameters, "files": files}
        )
    return rows


def opened_network(name: str, options: dict[str, Any]) -> "keras.Model":
    """Build a network as it starts, but with every branch open and a residual of realistic size."""
    from lpie.backend import keras
    from lpie.export.calibration import photos_for
    from lpie.models import NETWORKS, build_model
    from lpie.models.layers import ChannelScale
    from lpie.restore.keras_network import forward

    keras.utils.set_random_seed(0)
    model = build_model(name, **options)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, ChannelScale):  # zero at the start: nothing of a block would show
            layer.set_weights([rng.normal(0, 0.3, layer.scale.shape)])
    photo = to_float(mosaic(photos_for(), 64, 64))[None]
    deviation = float((forward(model, photo) - photo).std())
    for layer in model.layers:
        if layer.name in NETWORKS[name].residual:
            layer.set_weights([w * RESIDUAL / deviation for w in layer.get_weights()])
    return model


def _exported(model: "keras.Model", path: Path, recipe: str, size: str) -> dict[str, Any]:
    """Write `path` and return its numbers; `refused` is a sentence when it cannot be written."""
    from lpie.export.pipeline import export_tflite
    from lpie.export.verification.parity import verify
    from lpie.models.graph.analysis import analyse

    cost = analyse(model)
    about = {"parameters": cost.parameters, "macs_per_pixel": cost.macs_per_pixel}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            export_tflite(model, path, recipe=recipe, size=size, verified=False, force=True)
    except LpieError as error:
        return {**about, "refused": str(error)}
    file = TfliteModel.read(path)
    verdicts = {name: check_delegate(file, name) for name in DELEGATES}
    return {
        **about,
        "refused": None,
        "file_bytes": path.stat().st_size,
        "graph_macs": graph_cost(file).macs,
        "verified": verify(model, path, recipe=recipe).to_dict(),
        "partitions": {name: verdict.partitions for name, verdict in verdicts.items()},
        "refused_ops": {name: len(verdict.refused) for name, verdict in verdicts.items()},
    }


def table(result: dict[str, Any]) -> str:
    """Return the result as a Markdown table under the environment."""
    header = [
        "network",
        "parameters",
        "MAC/pixel",
        "float32 ms",
        "int8 ms",
        "peak MB, float32",
        "float32 to Keras, dB",
        "int8 to Keras, dB (correlation)",
        "partitions on GPU, NNAPI, XNNPACK",
    ]
    about = measured_on(result["size"], result["environment"])
    return f"{about}\n\n{markdown(header, [_row(row) for row in result['results']])}"


def _row(row: dict[str, Any]) -> list[str]:
    plain, small = row["files"]["float32"], row["files"]["int8"]
    partitions = ", ".join(str(n) for n in plain.get("partitions", {}).values())
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
        partitions,
    ]


def _number(file: dict[str, Any], key: str) -> str:
    return f"{file[key]:,.0f}" if key in file else "refused"


if __name__ == "__main__":
    main()
