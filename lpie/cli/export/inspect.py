"""`lpie inspect`."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpie.cli.export.npu import (
    CHIPS_HELP,
    check_limit,
    compiled_for,
    limit_option,
    npu_lines,
    npu_option,
    npu_table,
)
from lpie.cli.format import (
    echo,
    json_option,
    peaks_line,
    print_inspection,
    print_json,
    run_line,
    verdict_table,
)
from lpie.cli.options import command
from lpie.cli.paths import PATH

if TYPE_CHECKING:
    from lpie.export.delegates import Verdict
    from lpie.export.delegates.float16_range import Peak
    from lpie.export.delegates.gpu_run import GpuRun
    from lpie.npu.compile import Compiled
    from lpie.tflite.cost import GraphCost
    from lpie.tflite.model import Tensor, TfliteModel


@command()
@click.argument("file", type=PATH)
@click.option(
    "--delegate",
    "delegates",
    multiple=True,
    help="Judge the file for this delegate: xnnpack, gpu, gpu-gl, mldrift, nnapi or nnapi-LEVEL "
    "(27 to 31, the Android API level). Repeatable.  [default: all of them]",
)
@click.option(
    "--size",
    help="Judge the file at this image size: WIDTHxHEIGHT, fhd or 4k.  [default: the size in the "
    "file]",
)
@click.option(
    "--photos",
    type=PATH,
    help="Folder of degraded photos to run the file on, to find values that float16 cannot hold.",
)
@click.option(
    "--run-gpu",
    is_flag=True,
    help="Also run the file on this computer's GPU by LiteRT, and compare it with the CPU.",
)
@npu_option(
    f"Also compile the file by Qualcomm's own compiler for the NPU of {CHIPS_HELP}, or all. "
    "Repeatable. Needs lpie[npu]."
)
@click.option(
    "--require-full",
    is_flag=True,
    help="Exit with 1 if a delegate does not take every op; with --npu and without --delegate, if "
    "an NPU does not.",
)
@limit_option()
@json_option
def inspect(
    file: Path,
    delegates: tuple[str, ...],
    size: str | None,
    photos: Path | None,
    run_gpu: bool,
    npus: tuple[str, ...],
    require_full: bool,
    npu_limit_s: float,
    as_json: bool,
) -> None:
    """Show what FILE (a .tflite or a pretrained network) holds, costs, and which delegates run it.

    Delegates are judged by rules that were read in their sources, not by running them; the rules
    of XNNPACK and ML Drift agree with the real delegates in the tests. Peak memory is an estimate.
    Of a file of several graphs, all are listed, and the first is judged.
    --run-gpu uses LiteRT's GPU accelerator (ML Drift); Mesa's lavapipe suffices as a GPU.
    --npu asks the maker's compiler, in a process of its own; no phone is needed.

    \b
    Examples:
      lpie inspect denoise
      lpie inspect lpienet_int8.tflite --delegate all --size 4k
      lpie inspect denoise --npu galaxy-s24
      lpie inspect lpienet_int8.tflite --delegate gpu-gl --require-full --json
      lpie inspect denoise --delegate mldrift --run-gpu --photos noisy/
    """
    from lpie.errors import LpieError
    from lpie.export.delegates import check_delegate
    from lpie.weights import tflite_file

    file = tflite_file(file)
    model, names = _read(file, size), _names(delegates)
    compiled = _compiled(model, npus, npu_limit_s)
    verdicts = [check_delegate(model, name) for name in names]
    high = _peaks(model, photos) if photos else None
    run = _on_gpu(file, model, size) if run_gpu else None
    report = _report(file, model, verdicts)
    if run:
        report["gpu_run"] = {**dataclasses.asdict(run), "full": run.full}
    if high is not None:
        report["peaks"] = [{**dataclasses.asdict(p), "overflows": p.overflows} for p in high]
    if npus:
        report["npu"] = [npu_table(result) for result in compiled]
    if as_json:
        print_json(report)
    else:
        print_inspection(report, verdicts)
        for result in compiled:
            echo(*npu_lines(result))
        if run:
            echo(run_line(run))
        if high is not None:
            echo(peaks_line(high))
    short = [result.chip.soc for result in compiled if not result.full]
    if delegates or not npus:
        short += [verdict.delegate for verdict in verdicts if not verdict.full]
    if run and not run.full:
        short.append(run.adapter)
    if require_full and short:
        raise LpieError(f"{file} does not run in full on: {', '.join(short)}.")


def _compiled(model: "TfliteModel", npus: tuple[str, ...], limit_s: float) -> list["Compiled"]:
    """What Qualcomm's compiler makes of the file for each of the NPUs."""
    from lpie.npu.chips import npu_chips

    check_limit(limit_s)
    return [*compiled_for(model, npu_chips(npus), limit_s)] if npus else []


def _names(delegates: tuple[str, ...]) -> list[str]:
    """The delegates to judge, in the order of the table."""
    from lpie.export.delegates import DELEGATES, find_rules

    if not delegates or "all" in delegates:
        return list(DELEGATES)
    names = {find_rules(name) for name in delegates}
    return [name for name in DELEGATES if name in names]


def _read(file: Path, size: str | None) -> "TfliteModel":
    """The model in `file`, at `size` unless that is None."""
    from lpie.size import Size
    from lpie.tflite.model import TfliteModel

    model = TfliteModel.read(file)
    return model.resized(Size.parse(size)) if size else model


def _peaks(model: "TfliteModel", photos: Path) -> list["Peak"]:
    """The largest values on the photos of a folder."""
    from lpie.export.calibration import photos_for
    from lpie.export.delegates.float16_range import peaks

    return peaks(model, photos_for(folder=photos))


def _on_gpu(file: Path, model: "TfliteModel", size: str | None) -> "GpuRun":
    """The file, at `size` unless that is None, run on this computer's GPU."""
    import tempfile

    from lpie.export.delegates.gpu_run import run_on_gpu
    from lpie.system.signals import undone_by_signals

    if not size:
        return run_on_gpu(file)
    with tempfile.NamedTemporaryFile(suffix=".tflite") as resized:
        resized.write(model.to_bytes())
        resized.flush()
        path = Path(resized.name)
        with undone_by_signals(lambda: path.unlink(missing_ok=True)):
            return run_on_gpu(path, name=str(file))


def _report(file: Path, model: "TfliteModel", verdicts: list["Verdict"]) -> dict[str, Any]:
    """Everything that the command prints, ready for JSON."""
    from lpie.export.delegates.gpu_memory import gpu_memory
    from lpie.tflite.cost import graph_cost

    spec, cost = model.spec, graph_cost(model)
    return {
        "file": str(file),
        "file_bytes": file.stat().st_size,
        "compiled_for": _compiled_for(model),
        "spec": None if spec is None else json.loads(spec.to_json()),
        "inputs": [_tensor(tensor) for tensor in model.inputs],
        "outputs": [_tensor(tensor) for tensor in model.outputs],
        "graphs": [_graph(graph) for graph in model.graphs],
        "ops": sum(cost.op_counts.values()),
        **dataclasses.asdict(cost),
        "macs_per_pixel": _per_pixel(cost, model),
        "gpu_memory": dataclasses.asdict(gpu_memory(model)),
        "tiles": _tiles(model),
        "delegates": [verdict_table(verdict) for verdict in verdicts],
    }


def _compiled_for(model: "TfliteModel") -> str | None:
    """The chip that a file was compiled for; None of a file for any phone."""
    from lpie.errors import InputError
    from lpie.npu.context import chip_of

    if not model.compiled_for_npu:
        return None
    try:
        return str(chip_of(model))
    except InputError:
        return "an NPU that lpie does not know"


def _tiles(model: "TfliteModel") -> dict[str, Any]:
    """What `lpie restore` needs of its tiles; of a file that it refuses only the reason."""
    from lpie.errors import InputError
    from lpie.tflite.receptive_field.walk import reach_of

    if model.compiled_for_npu:
        return {"reason": "it is compiled for a phone's NPU, which this computer has not"}
    try:
        return dataclasses.asdict(reach_of(model))
    except InputError as error:
        return {"reason": str(error).rstrip(".")}


def _graph(graph: "TfliteModel") -> dict[str, Any]:
    """What one of a file's graphs is called, and what it costs."""
    from lpie.tflite.cost import graph_cost

    cost = graph_cost(graph)
    return {
        "name": graph.graph_name,
        "signatures": list(graph.signatures),
        "ops": len(graph.ops),
        "parameters": cost.parameters,
        "macs": cost.macs,
    }


def _tensor(tensor: "Tensor") -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scale": tensor.scales[0] if tensor.scales else None,
        "zero_point": tensor.zero_points[0] if tensor.zero_points else None,
    }


def _per_pixel(cost: "GraphCost", model: "TfliteModel") -> float | None:
    """Multiply-adds per pixel of the first input; None when that is no image."""
    shape = model.inputs[0].shape if model.inputs else ()
    if len(shape) != 4 or min(shape) < 1:
        return None
    return cost.macs / (shape[1] * shape[2])
