"""`lpie restore` beside other runtimes: the same network, weights and picture."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.programs import Program, own_programs, ratio, time_programs
from lpie.benchmarks.studies.study import in_turns, measured_on, picture, sentences
from lpie.benchmarks.studies.tiles_or_whole import numbers
from lpie.errors import InputError, last_line
from lpie.image.image import to_float
from lpie.size import Size
from lpie.system.environment import environment
from lpie.system.files import to_json
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file

RUNTIMES = {
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "MNN": "MNN",
    "ncnn": "ncnn pnnx",
}
SIZES = ("256x256", "fhd", "4k")
# More than float32 rounding in another order of sums; Winograd's transform errs by 4e-5.
TOLERANCE = 1e-3
CHECKED_PX = 256


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model")
@click.option(
    "--peer-python",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Python that has onnxruntime, openvino, MNN, ncnn, pnnx and tf2onnx.",
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    type=click.Choice(list(RUNTIMES)),
    help="Compare with this runtime only. Repeatable.  [default: all]",
)
@in_turns(SIZES)
def main(as_json: bool, **options: Any) -> None:
    """Run MODEL (a float .tflite or a pretrained network) by lpie, LiteRT and others in turns.

    The others take the whole picture, in a graph that tf2onnx makes of the file (TensorFlow is
    needed here for that). Their outputs are compared with LiteRT's at 256x256 before anything is
    timed. The ratios are medians over the rounds of what lpie took by what the other took.

    \b
    Example:
      python -m venv peers && peers/bin/pip install onnxruntime openvino MNN ncnn pnnx tf2onnx
      python -m lpie.benchmarks.studies.other_runtimes denoise-lpienet \
          --peer-python peers/bin/python
    """
    with sentences():
        result = compare(progress=lambda text: click.echo(text, err=True), **options)
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)


def compare(
    model: str,
    *,
    peer_python: Path,
    runtimes: Sequence[str] = (),
    sizes: Sequence[str] = SIZES,
    rounds: int = 5,
    runs: int = 2,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """For each size a row of each program, ours first; how outputs differ, and who cannot run."""
    file, threads = tflite_file(model), threads or os.cpu_count() or 1
    computer, results = environment(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checked = _check(file, runtimes or list(RUNTIMES), peer_python, threads, folder, progress)
        for size in sizes:
            height, width = Size.parse(size)
            progress(f"{width}x{height}")
            job = _job(file, width, height, threads, folder, peer_python)
            peers = [
                Program(runtime, _command(peer_python), {**job, "runtime": runtime}, refused=why)
                for runtime, (_, why) in checked.items()
            ]
            rows = time_programs(
                [*own_programs(file, width, height, threads=threads), *peers],
                rounds=rounds,
                runs=runs,
                progress=progress,
            )
            for row in rows[1:]:
                row["ratios"] = {key: ratio(rows[0], row, key) for key in ("ready_ms", "run_ms")}
            results.append({"width": width, "height": height, "rows": rows})
    differences = {name: difference for name, (difference, _) in checked.items()}
    return {
        "model": model,
        "environment": computer,
        "rounds": rounds,
        "threads": threads,
        "differences": differences,
        "results": results,
    }


def table(result: dict[str, Any]) -> str:
    """Return the rows as Markdown, under the environment."""
    header = [
        "size and runtime",
        "set-up ms",
        "run ms",
        "set-up + run",
        "peak MB",
        "lpie to it, set-up + run",
        "run",
    ]
    rows = []
    for size in result["results"]:
        for row in size["rows"]:
            name = f"{size['width']}x{size['height']} {row['name']} {_version(row)}".rstrip()
            ratios = [row.get("ratios", {}).get(key) for key in ("ready_ms", "run_ms")]
            shown = ["" if value is None else f"{value:.2f}" for value in ratios]
            if row["refused"]:
                name = f"{name}: {row['refused']}"
            rows.append([name, *numbers(row), *shown])
    differences = {k: v for k, v in result["differences"].items() if v is not None}
    about = measured_on(f"{result['model']}, {result['rounds']} rounds", result["environment"])
    equal = ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
    return "\n\n".join([about, markdown(header, rows), f"Largest difference from LiteRT: {equal}"])


def _check(
    file: Path,
    runtimes: Sequence[str],
    peer_python: Path,
    threads: int,
    folder: Path,
    progress: Callable[[str], None],
) -> dict[str, tuple[float | None, str]]:
    """{runtime: (largest difference from LiteRT's output, why it is not timed)}, one small run."""
    job = _job(file, CHECKED_PX, CHECKED_PX, threads, folder, peer_python)
    image = to_float(picture(CHECKED_PX, CHECKED_PX))
    small = TfliteModel.read(file).resized(Size(CHECKED_PX, CHECKED_PX))
    expected = Session(small.to_bytes()).run(image)
    checked: dict[str, tuple[float | None, str]] = {}
    for name in runtimes:
        progress(f"checking {name}")
        program = Program(name, _command(peer_python), {**job, "runtime": name})
        (row,) = time_programs([program], rounds=1, runs=0)
        if row["refused"]:  # its row of the table says so
            checked[name] = None, row["refused"]
            continue
        output = np.load(job["output"])[0].transpose(1, 2, 0)
        difference = float(np.abs(output - expected).max())
        wrong = difference > TOLERANCE
        checked[name] = difference, f"differs by {difference:.1e}, not timed" if wrong else ""
    return checked


def _job(
    file: Path, width: int, height: int, threads: int, folder: Path, peer_python: Path
) -> dict[str, Any]:
    """Return the job of a peer: the network for that size as ONNX, and the picture."""
    here = folder / f"{width}x{height}"
    here.mkdir(exist_ok=True)
    model, image = here / "model.onnx", here / "image.npy"
    if not model.exists():
        _convert(TfliteModel.read(file).resized(Size(height, width)), model, peer_python)
        pixels = to_float(picture(height, width)).transpose(2, 0, 1)[None]
        np.save(image, np.ascontiguousarray(pixels))
    return {
        "model": str(model),
        "image": str(image),
        "output": str(here / "output.npy"),
        "threads": threads,
    }


def _convert(network: TfliteModel, out: Path, peer_python: Path) -> None:
    """Write `network` as ONNX, images as [1, 3, H, W], as the other runtimes like it."""
    file = out.with_suffix(".tflite")
    file.write_bytes(network.to_bytes())
    source, result = network.inputs[0].name, network.outputs[0].name
    # tf2onnx lies in the peers' environment, TensorFlow in ours.
    where = subprocess.run(
        [str(peer_python), "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    code = f"import sys; sys.path.append({where!r}); from tf2onnx.convert import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "--tflite",
        str(file),
        "--output",
        str(out),
        "--opset",
        "17",
        "--inputs-as-nchw",
        source,
        "--outputs-as-nchw",
        result,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not out.exists():
        raise InputError(f"tf2onnx could not convert the network: {last_line(done.stderr)}")


def _command(peer_python: Path) -> tuple[str, ...]:
    return str(peer_python), str(Path(__file__).parent / "children" / "peer_run.py")


def _version(row: dict[str, Any]) -> str:
    return str(row["rounds"][0].get("version", "")) if row["rounds"] else ""


if __name__ == "__main__":
    main()
