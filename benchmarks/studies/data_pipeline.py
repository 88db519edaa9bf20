"""Training batches per second of the data pipeline, beside the steps that use them."""

import importlib.util
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.study import keep_to, sentences
from lpie.benchmarks.studies.training_speed import Implementation, start, write_batches
from lpie.config.config import Config, config_from, to_dict
from lpie.errors import InputError
from lpie.system.child import Child
from lpie.system.environment import environment
from lpie.system.files import to_json

WORKERS = (1, 2)
STEPS = 5
# Stored patches are 64 px larger, and the smallest built-in photo is 400 px high.
MOST_PX = 336


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--patch",
    "patch_px",
    type=click.IntRange(16, MOST_PX),
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
    default=2.0,
    show_default=True,
    help="Duration of each measurement, in seconds.",
)
@click.option(
    "--step-ms",
    type=click.FloatRange(0, min_open=True),
    help="Time of a training step, in ms.  [default: measured]",
)
@click.option("--cores", type=click.IntRange(1), help="Number of CPU cores to use.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(cores: int | None, as_json: bool, **options: Any) -> None:
    """Time the batches of each degradation and source, made without a network, for --seconds each.

    Sources are the built-in photos in memory, patches of them mapped from shards, and shards of
    pairs, which need no degradation. What a batch takes is set beside a training step of LPIENet
    (--step-ms, else measured first): the pipeline keeps up where the ratio is above 1. On a CPU it
    takes its time from the same cores as the step: CPU ms says how much.

    \b
    Examples:
      python -m lpie.benchmarks.studies.data_pipeline
      python -m lpie.benchmarks.studies.data_pipeline --patch 64 --seconds 5 --json
      python -m lpie.benchmarks.studies.data_pipeline --step-ms 25
    """
    with sentences():
        keep_to(cores)
        result = measure(progress=lambda text: click.echo(text, err=True), **options)
    click.echo(to_json(result) if as_json else _text(result), nl=not as_json)


def measure(
    *,
    patch_px: int,
    batch_size: int,
    seconds: float,
    step_ms: float | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Batches per second of each source, degradation and number of workers, and the step beside."""
    settings = {"data": {"patch_px": patch_px}, "train": {"batch_size": batch_size}}
    config = config_from(settings)
    computer, load = environment(), round(os.getloadavg()[0], 2)
    was_given = step_ms is not None
    step_ms = step_ms or _step_ms(config, progress)
    rows = []
    command = [sys.executable, "-m", "lpie.benchmarks.studies.children.make_batches"]
    with Child("the pipeline", command, {"settings": to_dict(config)}) as child:
        for source, kind in _cases(child.about):
            progress(f"{source}, {kind}")
            for workers in WORKERS:
                row = {"source": source, "kind": kind, "workers": workers}
                rows.append({**row, **_rates(child.ask({**row, "seconds": seconds}), step_ms)})
    return {
        "patch_px": patch_px,
        "batch_size": batch_size,
        "seconds": seconds,
        "step_ms": step_ms,
        "step_was_given": was_given,
        "cores": len(os.sched_getaffinity(0)),
        "load": load,
        "environment": computer,
        "results": rows,
    }


def _cases(about: dict[str, Any]) -> list[tuple[str, str]]:
    """(source, kind of degradation): all of both, but for pairs, which are not degraded."""
    return [
        (source, kind)
        for source in about["sources"]
        for kind in (about["kinds"][:1] if "pairs" in source else about["kinds"])
    ]


def _rates(answer: dict[str, float], step_ms: float) -> dict[str, float]:
    rate = answer["batches"] / answer["seconds"]
    return {
        "batches_per_s": rate,
        "cpu_ms": 1e3 * answer["cpu_seconds"] / answer["batches"],
        "to_step": rate * step_ms / 1e3,
    }


def _step_ms(config: Config, progress: Callable[[str], None]) -> float:
    """Of one step as `lpie train` takes it here: the median of some, after compiling."""
    backends = [name for name in ("tensorflow", "jax") if importlib.util.find_spec(name)]
    if not backends:
        raise InputError("Neither tensorflow nor jax is installed. Give --step-ms.")
    progress(f"steps of {backends[0]}")
    size = {"patch_px": config.data.patch_px, "batch_size": config.train.batch_size}
    with tempfile.TemporaryDirectory() as folder:
        batches = write_batches(Path(folder) / "batches.npy", **size)
        with start(Implementation(backends[0]), config, batches) as child:
            child.ask({"steps": 3})
            return statistics.median(1e3 * child.ask({"steps": 1})["seconds"] for _ in range(STEPS))


def _text(result: dict[str, Any]) -> str:
    """The result as a Markdown table under its conditions."""
    computer = result["environment"]
    how = "given" if result["step_was_given"] else "measured"
    about = (
        f"{result['patch_px']}x{result['patch_px']} px, batch {result['batch_size']}, a step takes "
        f"{result['step_ms']:,.0f} ms ({how}), {result['cores']} cores of {computer['cpu']}, load "
        f"{result['load']}, {computer['date']}"
    )
    header = ["source, degradation", "workers", "batches/s", "CPU ms", "to the step", "keeps up"]
    rows = [
        [
            row["source"] if "pairs" in row["source"] else f"{row['source']}, {row['kind']}",
            str(row["workers"]),
            f"{row['batches_per_s']:.1f}",
            f"{row['cpu_ms']:.1f}",
            f"{row['to_step']:.1f}",
            "yes" if row["to_step"] > 1 else "no",
        ]
        for row in result["results"]
    ]
    return f"{about}\n\n{markdown(header, rows)}"


if __name__ == "__main__":
    main()
