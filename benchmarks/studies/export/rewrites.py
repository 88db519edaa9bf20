"""How much time each exact rewrite saves on this computer's CPU: with it and without."""

import itertools
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.study import export, keep_to, measured_on, sentences, time_in_rounds
from lpie.system.environment import environment
from lpie.system.files import to_json

REWRITES = (
    "fold_linear",
    "merge_rank_one",
    "split_concatenation",
    "mean_by_convolution",
    "max_by_halves",
    "upsample_by_means",
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True)
@click.option(
    "--rewrite",
    "rewrites",
    multiple=True,
    help="Time this rewrite only. Repeatable.  [default: all]",
)
@click.option("--recipe", default="float32", show_default=True, help="Recipe of the files.")
@click.option(
    "--size", default="512x512", show_default=True, help="Size of the files, WIDTHxHEIGHT."
)
@click.option(
    "--rounds", type=click.IntRange(1), default=9, show_default=True, help="Number of rounds."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Least duration of a round, in seconds.",
)
@click.option("--cores", type=click.IntRange(1), help="Number of CPU cores to use.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(cores: int | None, as_json: bool, **options: Any) -> None:
    """Export each of MODELS as it is and with each rewrite alone, and time the files in turns.

    A rewrite's ratio is the median over the rounds of its time by that of the network as it is, in
    the same round: below 1 it saves time. On a computer that does other work too the ratio of
    the fastest runs tells more. The export has verified how exact the file is.

    \b
    Example:
      python -m lpie.benchmarks.studies.export.rewrites denoise-lpienet --cores 1
    """
    with sentences():
        keep_to(cores)
        result = measure(progress=lambda text: click.echo(text, err=True), **options)
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)


def measure(
    models: Sequence[str],
    rewrites: Sequence[str] = (),
    *,
    recipe: str = "float32",
    size: str = "512x512",
    rounds: int = 9,
    seconds: float = 1.0,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Return a row for each model and rewrite that changes it, with the ratios of all rounds.

    The first row of a model is the network as it is.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for n, (model, name) in enumerate(itertools.product(models, ("", *(rewrites or REWRITES)))):
            progress(f"{model} {name}".rstrip())
            row = _export(model, name, recipe, size, Path(folder) / f"{n}.tflite")
            if not name or row["rewrites"]:
                rows.append(row)
        computer = environment()
        files = [row["file"] for row in rows]
        timings = time_in_rounds(
            files, size=size, rounds=rounds, seconds=seconds, progress=progress
        )
    for row in rows:
        plain = next(other for other in rows if other["model"] == row["model"])
        row.update(_compared(timings[row["file"]]["rounds"], timings[plain["file"]]["rounds"]))
    return {
        "size": size,
        "recipe": recipe,
        "rounds": rounds,
        "environment": computer,
        "results": rows,
    }


def _export(model: str, name: str, recipe: str, size: str, file: Path) -> dict[str, Any]:
    spec = export(model, file, recipe=recipe, size=size, rewrites=[name] if name else [])
    return {
        "model": model,
        "rewrites": spec["rewrites"],
        "file": str(file),
        "verified": spec["verified"],
    }


def _compared(rounds: list[dict[str, Any]], plain: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians over the rounds in which both were timed, and the ratio of each round."""
    pairs = [
        (ours, theirs)
        for ours, theirs in zip(rounds, plain, strict=True)
        if ours["refused"] is None and theirs["refused"] is None
    ]
    if not pairs:
        return {"ratios": []}
    fastest = [min(timing["min_ms"] for timing in side) for side in zip(*pairs, strict=True)]
    ratios = [ours["median_ms"] / theirs["median_ms"] for ours, theirs in pairs]
    return {
        "ratios": ratios,
        "ratio": statistics.median(ratios),
        "fastest_ratio": fastest[0] / fastest[1],
        "median_ms": statistics.median(ours["median_ms"] for ours, _ in pairs),
        "peak_mb": statistics.median(ours["peak_mb"] for ours, _ in pairs),
    }


def table(result: dict[str, Any]) -> str:
    """Return the rows as Markdown; the spread is that of the middle half of the rounds."""
    header = [
        "network",
        "rewrite",
        "ms",
        "ratio",
        "middle half",
        "of the fastest",
        "peak MB",
        "output to Keras, dB",
    ]
    about = measured_on(result["size"], result["environment"])
    rows = markdown(header, [_cells(row) for row in result["results"]])
    return f"{result['recipe']}, {about}; medians of {result['rounds']} rounds\n\n{rows}"


def _cells(row: dict[str, Any]) -> list[str]:
    ratios = sorted(row["ratios"])
    if not ratios:
        return [row["model"], ", ".join(row["rewrites"]), "refused", "", "", "", "", ""]
    quarter = len(ratios) // 4
    spread = f"{ratios[quarter]:.3f} to {ratios[-1 - quarter]:.3f}"
    exact = row["verified"]["output_psnr_db"]
    return [
        row["model"],
        ", ".join(row["rewrites"]) or "none",
        f"{row['median_ms']:.1f}",
        f"{row['ratio']:.3f}",
        spread,
        f"{row['fastest_ratio']:.3f}",
        f"{row['peak_mb']:,.0f}",
        "equal" if exact is None else f"{exact:.0f}",
    ]


if __name__ == "__main__":
    main()
