"""What the harness adds: its median against the interpreter called in a bare loop, in turns."""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from lpie.benchmarks.harness.child import Child
from lpie.benchmarks.harness.host import job_for
from lpie.benchmarks.records.statistics import ratio_interval
from lpie.benchmarks.studies.study import sentences
from lpie.size import Size
from lpie.system.environment import environment
from lpie.system.files import to_json
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", default="denoise-s")
@click.option("--size", default="256x256", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--rounds", type=click.IntRange(3), default=20, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="Of a round of each.")
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
    """The medians of both in ms, and their ratio: the median over rounds, with its interval."""
    image = Size.parse(size)
    file = tflite_file(model)
    with tempfile.TemporaryDirectory() as folder:
        # The bare loop knows no other size than the file's.
        path = Path(folder) / "model.tflite"
        path.write_bytes(TfliteModel.read(file).resized(image).to_bytes())
        job = job_for(path, size, threads=threads, seconds=seconds)
        medians = _medians(job, rounds, seconds)
    harness, bare = medians
    ratios = [ours / theirs for ours, theirs in zip(harness, bare, strict=True)]
    return {
        "model": model,
        "size": size,
        "threads": threads,
        "harness_ms": statistics.median(harness),
        "bare_ms": statistics.median(bare),
        "ratio": statistics.median(ratios),
        "interval": ratio_interval(harness, bare, paired=True),
        "ratios": ratios,
        "machine": environment(),
    }


def _medians(job: dict[str, Any], rounds: int, seconds: float) -> tuple[list[float], list[float]]:
    """(the harness's median of each round, the bare loop's), in ms."""
    program = [sys.executable, "-m"]
    request = {"min_runs": 1, "seconds": seconds, "cold": True}
    found: tuple[list[float], list[float]] = ([], [])
    with (
        Child("the harness", [*program, "lpie.benchmarks.runners.host_child"], job) as harness,
        Child(
            "the bare loop", [*program, "lpie.benchmarks.studies.children.bare_loop"], job
        ) as bare,
    ):
        for number in range(rounds):
            # Who begins changes, so that neither always follows the other.
            turns = [(harness, found[0]), (bare, found[1])]
            for child, medians in turns if number % 2 else reversed(turns):
                medians.append(statistics.median(child.ask(request)["times_ms"]))
    return found


if __name__ == "__main__":
    main()
