"""Training images per second of lpie beside a plain PyTorch training of the same network."""

import contextlib
import dataclasses
import importlib.util
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from lpie.benchmarks.harness.interleave import interleave
from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.study import keep_to, photo_like, sentences
from lpie.config.config import Config, TrainConfig, to_dict
from lpie.errors import InputError, LpieError, unknown_name
from lpie.system.child import Child
from lpie.system.environment import environment
from lpie.system.files import to_json

BACKENDS = ("tensorflow", "jax", "torch")
BANDWIDTH = (
    "Bytes per step = 3 x (input + output elements) of every convolution x bytes per element, "
    "all else being fused into them; the limit is what copying memory reached."
)
PRECISIONS = ("float32", "bfloat16")
BATCHES = 4  # different ones, in turn
NOISE = 25 / 255
# Largest relative difference between lpie and PyTorch on equal weights: of the loss, of its
# gradient, and of the way that the averaged weights go in some steps. Rounding gave up to 4e-6,
# 1e-4 and 2e-4; without the clipping the last is 0.3.
TOLERANCES = {"loss": 1e-4, "gradient": 1e-3, "weights": 1e-2}
# A short run with every part of the optimizer at work: clipping, warm-up, decay, average.
CHECKED = Config(train=TrainConfig(steps=20, warmup_steps=2, clip_norm=0.1, ema_momentum=0.5))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--patch",
    "patch_px",
    type=click.IntRange(16),
    default=256,
    show_default=True,
    help="Side of a training patch, in px.",
)
@click.option(
    "--batch",
    "batch_size",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="Images in a batch.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    help="Duration of a round of each implementation, in seconds.",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Number of rounds."
)
@click.option(
    "--backends",
    help="Comma-separated, of tensorflow,jax,torch.  [default: torch and those installed]",
)
@click.option(
    "--precisions", default=",".join(PRECISIONS), show_default=True, help="Comma-separated."
)
@click.option("--cores", type=click.IntRange(1), help="Number of CPU cores to use.  [default: all]")
@click.option("--without-torch", is_flag=True, help="Measure lpie alone.")
@click.option(
    "--torch-python", default=sys.executable, help="Python that has PyTorch.  [default: this one]"
)
@click.option("--compile", "compiled", is_flag=True, help="Also time torch.compile.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(
    backends: str | None,
    precisions: str,
    without_torch: bool,
    cores: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Time training steps of LPIENet, lpie's own and plain PyTorch's, in turns on this computer.

    That both do the same work is checked first: equal loss, gradient and averaged weights after
    some steps. Each implementation is a process that works only in its turn, for about --seconds a
    round. The ratio is that of images per second to the fastest PyTorch of the same precision,
    the median of the rounds. Where other programs use the cores too, OMP_WAIT_POLICY=passive keeps
    PyTorch's threads from waiting for each other in loops.

    \b
    Examples:
      python -m lpie.benchmarks.studies.training_speed
      python -m lpie.benchmarks.studies.training_speed --patch 64 --rounds 5 --json
      python -m lpie.benchmarks.studies.training_speed --torch-python ~/torch/bin/python --compile
    """
    with sentences():
        keep_to(cores)
        chosen = backends.split(",") if backends else [*_installed(), "torch"]
        if without_torch:
            chosen = [name for name in chosen if name != "torch"]
        result = compare(
            chosen,
            precisions.split(","),
            progress=lambda text: click.echo(text, err=True),
            **options,
        )
    click.echo(to_json(result) if as_json else _text(result), nl=not as_json)


def compare(
    backends: list[str],
    precisions: Sequence[str] = PRECISIONS,
    *,
    patch_px: int,
    batch_size: int,
    seconds: float,
    rounds: int,
    torch_python: str = sys.executable,
    compiled: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Rate, spread and memory of each implementation, beside the computer and the conditions."""
    _check(backends, precisions, torch_python)
    entered = implementations(
        backends, precisions=precisions, batch_size=batch_size, compiled=compiled
    )
    computer = environment()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        files = Path(folder)
        differences = check_equal_work(backends, files, torch_python) if "torch" in backends else {}
        batches = write_batches(files / "b.npy", patch_px=patch_px, batch_size=batch_size)
        children, counts = [], []
        for implementation in entered:
            progress(f"starting {implementation.name}")
            child = start(implementation, Config(), batches, torch_python=torch_python)
            children.append(stack.enter_context(child))
            counts.append(_steps_in(seconds, child))
        rates, loads = _rates(children, counts, rounds, batch_size, progress)
        rows = [
            _row(*columns, batch_size) for columns in zip(entered, children, rates, strict=True)
        ]
        limits = _limits(rows, children)
    for row in rows:
        _add_ratio(row, rows)
    return {
        "patch_px": patch_px,
        "batch_size": batch_size,
        "rounds": rounds,
        "seconds": seconds,
        "cores": len(os.sched_getaffinity(0)),
        "loads": loads,
        "environment": computer,
        "differences": differences,
        "limits": limits,
        "results": rows,
    }


def check_equal_work(backends: list[str], files: Path, torch_python: str) -> dict[str, float]:
    """How far PyTorch's loss, gradient and weights are from lpie's; an `LpieError` if too far."""
    first = next(name for name in backends if name != "torch")
    batches = write_batches(files / "checked.npy", patch_px=32, batch_size=2)
    reference = str(files / "reference.npz")
    with start(Implementation(first), CHECKED, batches) as child:
        child.ask({"reference": reference})
    rival = Implementation("torch", layout="channels_last")
    with start(rival, CHECKED, batches, torch_python=torch_python) as child:
        differences = child.ask({"compare": reference})
    for what, most in TOLERANCES.items():
        if not differences[what] <= most:
            raise LpieError(
                f"PyTorch does other work than lpie on {first}: its {what} differs by "
                f"{differences[what]:.2g}, and {most:g} is allowed. Nothing was timed."
            )
    return differences


@dataclasses.dataclass(frozen=True)
class Implementation:
    """One way to train LPIENet: lpie on a backend of Keras, or PyTorch."""

    backend: str
    precision: str = "float32"
    devices: str = "1"
    layout: str = ""  # of PyTorch's tensors
    compiled: bool = False

    @property
    def name(self) -> str:
        devices = "" if self.devices == "1" else f"on {self.devices}"
        words = self.backend, self.precision, devices, self.layout, "compiled" * self.compiled
        return " ".join(word for word in words if word)


def implementations(
    backends: Sequence[str],
    *,
    precisions: Sequence[str] = PRECISIONS,
    batch_size: int,
    compiled: bool = False,
) -> list[Implementation]:
    """Return every way that is worth timing: on a CPU, in float32, also a replica for each core."""
    cores = 1 if shutil.which("nvidia-smi") else len(os.sched_getaffinity(0))
    replicas = math.gcd(batch_size, cores)
    chosen = []
    for backend in backends:
        for precision in precisions:
            if backend == "torch":
                chosen += _torch(precision, compiled)
            else:
                chosen.append(Implementation(backend, precision))
        if backend != "torch" and "float32" in precisions and replicas > 1:
            chosen.append(Implementation(backend, devices=f"cpu:{replicas}"))
    return chosen


def _torch(precision: str, compiled: bool) -> list[Implementation]:
    """Return both layouts in float32; else only that which suits convolutions."""
    last = Implementation("torch", precision, layout="channels_last")
    default = [Implementation("torch", layout="default")] if precision == "float32" else []
    return [*default, last, *([dataclasses.replace(last, compiled=True)] if compiled else [])]


def start(
    implementation: Implementation,
    config: Config,
    batches: Path,
    *,
    torch_python: str = sys.executable,
) -> Child:
    """Start its process, ready to take steps over `batches` with the settings of `config`."""
    program = "torch_steps" if implementation.backend == "torch" else "keras_steps"
    if implementation.backend == "torch":
        command = [torch_python, str(Path(__file__).parent / "children" / f"{program}.py")]
    else:
        command = [sys.executable, "-m", f"lpie.benchmarks.studies.children.{program}"]
    job = {
        **dataclasses.asdict(implementation),
        "settings": to_dict(config),
        "batches": str(batches),
    }
    return Child(implementation.name, command, job, variables=_variables(implementation))


def _variables(implementation: Implementation) -> dict[str, str]:
    keras = {} if implementation.backend == "torch" else {"KERAS_BACKEND": implementation.backend}
    # Several processes share a GPU: each takes the memory that it uses, not all of it.
    shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return {**keras, **shared}


def write_batches(path: Path, *, patch_px: int, batch_size: int) -> Path:
    """Write noisy and clean batches for all to `path`: [2, K, N, P, P, 3] float32."""
    rng = np.random.default_rng(0)
    target = np.broadcast_to(
        photo_like(patch_px, patch_px), (BATCHES, batch_size, patch_px, patch_px, 3)
    )
    noise = rng.standard_normal(target.shape, np.float32) * np.float32(NOISE)
    np.save(path, np.stack([target + noise, target]))
    return path


def _installed() -> list[str]:
    return [name for name in BACKENDS[:2] if importlib.util.find_spec(name)]


def _check(backends: list[str], precisions: Sequence[str], torch_python: str) -> None:
    for name in precisions:
        if name not in PRECISIONS:
            raise unknown_name("precision", name, PRECISIONS)
    for name in backends:
        if name not in BACKENDS:
            raise unknown_name("backend", name, BACKENDS)
        if name != "torch" and name not in _installed():
            raise InputError(f"{name} is not installed. Run: pip install {name}")
    if not set(backends) - {"torch"}:
        raise InputError("--backends must name tensorflow or jax: PyTorch is compared with them.")
    if "torch" in backends and not _has_torch(torch_python):
        raise InputError(
            f"{torch_python} has no PyTorch. Run: {torch_python} -m pip install torch, name "
            "another by --torch-python, or add --without-torch."
        )


def _has_torch(python: str) -> bool:
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    try:
        return subprocess.run([python, "-c", look], check=False).returncode == 0
    except OSError:
        raise InputError(f"--torch-python must be a Python. Received: {python}.") from None


def _steps_in(seconds: float, child: Child) -> int:
    """How many steps take about `seconds`, at least 2; the first ones compile."""
    child.ask({"steps": 3})
    return max(2, round(seconds / child.ask({"steps": 2})["seconds"] * 2))


def _rates(
    children: list[Child],
    counts: list[int],
    rounds: int,
    batch_size: int,
    progress: Callable[[str], None],
) -> tuple[list[list[float]], list[float]]:
    """Return (images per second of each child in every round, the load at every round)."""
    loads: list[float] = []

    def measure(member: tuple[Child, int], number: int) -> float:
        child, steps = member
        if number == len(loads):
            loads.append(round(os.getloadavg()[0], 2))
        return batch_size * steps / child.ask({"steps": steps})["seconds"]

    members = list(zip(children, counts, strict=True))
    return interleave(members, measure, rounds=rounds, progress=progress), loads


def _row(
    implementation: Implementation, child: Child, rates: list[float], batch_size: int
) -> dict[str, Any]:
    median = statistics.median(rates)
    return {
        "name": implementation.name,
        **dataclasses.asdict(implementation),
        **child.about,
        "images_per_s": rates,
        "median_images_per_s": median,
        "step_ms": 1e3 * batch_size / median,
        "peak_mb": child.peak_mb(),
    }


def _limits(rows: list[dict[str, Any]], children: list[Child]) -> dict[str, Any]:
    """By precision, what memory lets a step move on a GPU; each row gets its share of that."""
    limits = {}
    for row, child in zip(rows, children, strict=True):
        if row["backend"] == "torch" and row["device"] != "cpu":
            limits[row["precision"]] = child.ask({"limits": True})
    for row in rows:
        if limit := limits.get(row["precision"]):
            least_ms = 1e3 * limit["bytes_per_step"] / limit["copy_bytes_per_s"]
            row["share_of_bandwidth"] = least_ms / row["step_ms"]
    return {**limits, "formula": BANDWIDTH} if limits else {}


def _add_ratio(row: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Put lpie's rate over that of the fastest PyTorch of its precision into `row`."""
    rivals = [
        other
        for other in rows
        if other["backend"] == "torch" and other["precision"] == row["precision"]
    ]
    if row["backend"] != "torch" and rivals:
        best = max(rivals, key=lambda other: other["median_images_per_s"])
        pairs = zip(row["images_per_s"], best["images_per_s"], strict=True)
        row["ratio"] = statistics.median(ours / theirs for ours, theirs in pairs)


def _text(result: dict[str, Any]) -> str:
    """The result as a Markdown table under its conditions."""
    computer = result["environment"]
    loads = "/".join(map(str, result["loads"]))
    about = (
        f"{result['patch_px']}x{result['patch_px']} px, batch {result['batch_size']}, "
        f"{result['cores']} cores of {computer['cpu']}, load {loads}, {computer['date']}"
    )
    header = ["training", "images/s", "least", "most", "ms/step", "to PyTorch", "peak MB"]
    shared = any("share_of_bandwidth" in row for row in result["results"])
    rows = [_cells(row, shared) for row in result["results"]]
    table = markdown([*header, "of bandwidth"] if shared else header, rows)
    return "\n\n".join([about, table, *([BANDWIDTH] if shared else [])])


def _cells(row: dict[str, Any], shared: bool) -> list[str]:
    rates = row["median_images_per_s"], min(row["images_per_s"]), max(row["images_per_s"])
    ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
    memory = f"{row['peak_mb']:,.0f}" if row["peak_mb"] else ""
    share = [f"{row['share_of_bandwidth']:.0%}" if "share_of_bandwidth" in row else ""]
    name = row["name"] if row["device"] == "cpu" else f"{row['name']}, {row['device']}"
    shown = [name, *(f"{rate:.1f}" for rate in rates), f"{row['step_ms']:,.0f}", ratio, memory]
    return shown + share if shared else shown


if __name__ == "__main__":
    main()
