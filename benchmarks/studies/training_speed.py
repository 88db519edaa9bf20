"""Training images per second of lpie beside a plain PyTorch training of the same network."""

import contextlib
import dataclasses
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from lpie.benchmarks.harness.child import Child
from lpie.benchmarks.studies.contestants import (
    PRECISIONS,
    Contestant,
    contestants,
    start,
    write_batches,
)
from lpie.benchmarks.studies.equal_work import check_equal_work
from lpie.benchmarks.studies.study import keep_to, markdown, sentences
from lpie.config.config import Config
from lpie.errors import InputError, unknown_name
from lpie.system.environment import environment
from lpie.system.files import to_json

BACKENDS = ("tensorflow", "jax", "torch")
BANDWIDTH = (
    "Bytes per step = 3 x (input + output elements) of every convolution x bytes per element, "
    "all else being fused into them; the limit is what copying memory reached."
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--patch", "patch_px", type=click.IntRange(16), default=256, show_default=True)
@click.option("--batch", "batch_size", type=click.IntRange(1), default=16, show_default=True)
@click.option("--seconds", type=click.FloatRange(0), default=10.0, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--backends", help="Of tensorflow,jax,torch.  [default: torch and those installed]")
@click.option("--precisions", default=",".join(PRECISIONS), show_default=True)
@click.option("--cores", type=click.IntRange(1), help="Use only so many.  [default: all]")
@click.option("--without-torch", is_flag=True, help="Measure lpie alone.")
@click.option("--torch-python", default=sys.executable, help="An interpreter that has PyTorch.")
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
    """Time training steps of LPIENet, lpie's own and plain PyTorch's, in turns on this machine.

    That both do the same work is checked first: equal loss, gradient and averaged weights after
    some steps. Each contestant is a process that works only in its turn, for about --seconds a
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
    """Rate, spread and memory of each contestant, beside the machine and the conditions."""
    _check(backends, precisions, torch_python)
    entered = contestants(backends, precisions=precisions, batch_size=batch_size, compiled=compiled)
    machine = environment()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        files = Path(folder)
        differences = check_equal_work(backends, files, torch_python) if "torch" in backends else {}
        batches = write_batches(files / "b.npy", patch_px=patch_px, batch_size=batch_size)
        children, counts = [], []
        for contestant in entered:
            progress(f"starting {contestant.name}")
            child = start(contestant, Config(), batches, torch_python=torch_python)
            children.append(stack.enter_context(child))
            counts.append(_steps_in(seconds, child))
        rates, loads = _take_turns(children, counts, rounds, batch_size, progress)
        rows = [_row(*each, batch_size) for each in zip(entered, children, rates, strict=True)]
        limits = _limits(rows, children)
    for row in rows:
        _add_ratio(row, rows)
    return {
        "patch_px": patch_px, "batch_size": batch_size, "rounds": rounds, "seconds": seconds,
        "cores": len(os.sched_getaffinity(0)), "loads": loads, "machine": machine,
        "differences": differences, "limits": limits, "results": rows,
    }  # fmt: skip


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


def _take_turns(
    children: list[Child],
    counts: list[int],
    rounds: int,
    batch_size: int,
    progress: Callable[[str], None],
) -> tuple[list[list[float]], list[float]]:
    """(images per second of each child in every round, the machine's load at every round)."""
    rates: list[list[float]] = [[] for _ in children]
    loads = []
    for number in range(rounds):
        loads.append(round(os.getloadavg()[0], 2))
        progress(f"round {number + 1} of {rounds}, load {loads[-1]}")
        for child, count, found in zip(children, counts, rates, strict=True):
            found.append(batch_size * count / child.ask({"steps": count})["seconds"])
    return rates, loads


def _row(
    contestant: Contestant, child: Child, rates: list[float], batch_size: int
) -> dict[str, Any]:
    median = statistics.median(rates)
    return {
        "name": contestant.name,
        **dataclasses.asdict(contestant),
        **child.about,
        "images_per_s": rates,
        "median_images_per_s": median,
        "step_ms": 1e3 * batch_size / median,
        "peak_mb": child.peak_mb(),
    }


def _limits(rows: list[dict[str, Any]], children: list[Child]) -> dict[str, Any]:
    """By precision, what memory lets a step move on a GPU; each row gets its share of that."""
    found = {}
    for row, child in zip(rows, children, strict=True):
        if row["backend"] == "torch" and row["device"] != "cpu":
            found[row["precision"]] = child.ask({"limits": True})
    for row in rows:
        if limit := found.get(row["precision"]):
            least_ms = 1e3 * limit["bytes_per_step"] / limit["copy_bytes_per_s"]
            row["share_of_bandwidth"] = least_ms / row["step_ms"]
    return {**found, "formula": BANDWIDTH} if found else {}


def _add_ratio(row: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Put lpie's rate over that of the fastest PyTorch of its precision into `row`."""
    rivals = [
        other for other in rows
        if other["backend"] == "torch" and other["precision"] == row["precision"]
    ]  # fmt: skip
    if row["backend"] != "torch" and rivals:
        best = max(rivals, key=lambda other: other["median_images_per_s"])
        each = zip(row["images_per_s"], best["images_per_s"], strict=True)
        row["ratio"] = statistics.median(ours / theirs for ours, theirs in each)


def _text(result: dict[str, Any]) -> str:
    """The result as a Markdown table under its conditions."""
    machine = result["machine"]
    loads = "/".join(map(str, result["loads"]))
    about = (
        f"{result['patch_px']}x{result['patch_px']} px, batch {result['batch_size']}, "
        f"{result['cores']} cores of {machine['cpu']}, load {loads}, {machine['date']}"
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
