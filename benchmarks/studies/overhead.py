"""What the harness adds: its median against the interpreter called in a bare loop."""

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lpie.benchmarks.harness.delegate import parse_delegate
from lpie.benchmarks.harness.interleave import interleave
from lpie.benchmarks.harness.job import Job, make_job
from lpie.benchmarks.harness.quality import feed_for
from lpie.benchmarks.harness.runner import Ask, Runner
from lpie.benchmarks.records.statistics import ratio_interval
from lpie.benchmarks.runners.python import PythonRunner, ThisComputer
from lpie.benchmarks.studies.study import sentences
from lpie.system.child import Child
from lpie.system.environment import environment
from lpie.system.files import to_json
from lpie.weights import tflite_file


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", default="denoise-s")
@click.option("--size", default="256x256", show_default=True, help="Image size: WIDTHxHEIGHT.")
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of both."
)
@click.option(
    "--rounds", type=click.IntRange(3), default=20, show_default=True, help="Number of rounds."
)
@click.option(
    "--seconds", default=1.0, show_default=True, help="Duration of a round of each, in seconds."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(as_json: bool, **options: Any) -> None:
    """Compare `lpie bench` with the interpreter in a bare loop: rounds of both in turns.

    Prints the median over rounds of the ratio of their medians, and its 95 % interval.

    \b
    Example:
      python -m lpie.benchmarks.studies.overhead denoise-s --size 256x256
    """
    with sentences():
        result = measure(**options)
    if as_json:
        click.echo(to_json(result), nl=False)
        return
    low, high = result["interval"]
    click.echo(
        f"{result['model']} {result['size']}, {result['threads']} threads: harness "
        f"{result['harness_ms']:.3f} ms, bare loop {result['bare_ms']:.3f} ms, ratio "
        f"{result['ratio']:.4f} (95 % of {low:.4f} to {high:.4f}, {options['rounds']} rounds)"
    )


def measure(model: str, size: str, threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the medians of both in ms, and the median of their ratio over rounds."""
    with tempfile.TemporaryDirectory() as folder:
        job = make_job(tflite_file(model), size, parse_delegate("xnnpack"), threads)
        runner = PythonRunner(ThisComputer(Path(folder)), "host")
        runner.prepare(job, feed_for(job, None, None))
        try:
            medians = _medians(runner, job, Path(folder), rounds, seconds)
        finally:
            runner.release()
    about = {"model": model, "size": size, "threads": threads, "environment": environment()}
    return {**about, **medians}


def _medians(runner: Runner, job: Job, folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """What `compared` tells of the harness and of a bare loop."""
    # The bare loop knows no other size than the file's.
    model = {"model": str(folder / f"{job.key()}.tflite"), "threads": job.threads}
    command = [sys.executable, "-m", "lpie.benchmarks.studies.children.bare_loop"]
    runner.run(job, Ask(runs=0, warmup_s=seconds))
    ask = Ask(runs=1, seconds=seconds, cold=True)
    with Child("the bare loop", command, model) as bare:
        return compared(
            lambda: runner.run(job, ask).rounds[0]["times_ms"] or [],
            lambda: bare.ask({"seconds": seconds})["times_ms"],
            rounds=rounds,
        )


def compared(
    harness: Callable[[], list[float]], bare: Callable[[], list[float]], *, rounds: int
) -> dict[str, Any]:
    """The medians of both over the medians of their rounds, which take turns, and their ratio.

    harness, bare: each gives the times of one round, in ms.
    """
    medians = interleave(
        (harness, bare),
        lambda times_ms, _: statistics.median(times_ms()),
        rounds=rounds,
        alternate=True,
    )
    ratios = [ours / theirs for ours, theirs in zip(*medians, strict=True)]
    return {
        "harness_ms": statistics.median(medians[0]),
        "bare_ms": statistics.median(medians[1]),
        "ratio": statistics.median(ratios),
        "interval": ratio_interval(*medians, paired=True),
        "ratios": ratios,
    }


if __name__ == "__main__":
    main()
