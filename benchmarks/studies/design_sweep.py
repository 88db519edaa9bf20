"""Designs of a network, each trained alike, by quality, latency, bytes moved and multiply-adds."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from lpie.benchmarks.reports.scatter import draw, mean_db
from lpie.benchmarks.studies.designs import DELEGATES, RECIPES, read_designs, trained
from lpie.benchmarks.studies.rounds import time_in_rounds
from lpie.benchmarks.studies.study import conditions, markdown, sentences
from lpie.errors import LpieError
from lpie.system.environment import environment
from lpie.system.files import to_json

DESIGNS = Path(__file__).parents[1] / "suites" / "designs.toml"
REFERENCE = "lpienet"  # whose float32 time is 1
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("config", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--photos", type=FOLDER, required=True, help="Clean photos to train on.")
@click.option("--data", type=FOLDER, required=True, help="The suite dev, to measure on.")
@click.option("--out", type=click.Path(path_type=Path), default="runs/designs", show_default=True)
@click.option("--designs", type=click.Path(path_type=Path), default=DESIGNS, help="A TOML file.")
@click.option("--design", "names", multiple=True, help="Only this one; repeatable.")
@click.option("--set", "overrides", multiple=True, help="SECTION.KEY=VALUE of CONFIG, for all.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="At a time.")
@click.option("--size", default="fhd", show_default=True, help="Of the timing: WIDTHxHEIGHT.")
@click.option("--large", help="Also time this size, by tiles where they are exact.")
@click.option("--limit", type=click.IntRange(1), help="Measure on so many photos only.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw dB against time: .svg")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(as_json: bool, plot: Path | None, **options: Any) -> None:
    """Train every design by CONFIG, one thread each, and show which are on the Pareto front.

    A design that has been trained in --out is neither trained nor exported again, one that was
    stopped goes on.
    Quality is the mean PSNR on Kodak24 at each noise level; time is the median of --rounds
    interleaved rounds on this machine, a whole picture, relative to LPIENet's float32.

    \b
    Example:
      python -m lpie.benchmarks.studies.design_sweep configs/design-sweep.toml --photos PHOTOS --data DEV
    """
    with sentences():
        result = sweep(progress=lambda text: click.echo(text, err=True), **options)
        if plot:
            draw(result["results"], plot)
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)


def sweep(
    config: Path,
    photos: Path,
    data: Path,
    out: Path,
    *,
    designs: Path = DESIGNS,
    names: Sequence[str] = (),
    overrides: Sequence[str] = (),
    jobs: int = 1,
    size: str = "fhd",
    large: str | None = None,
    limit: int | None = None,
    rounds: int = 3,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Every design's hyperparameters, PSNR, latency and cost; `front` marks the Pareto front."""
    chosen = read_designs(designs, names)
    out.mkdir(parents=True, exist_ok=True)

    def made(name: str) -> dict[str, Any]:
        progress(name)
        design = chosen[name]
        found = trained(config, photos, data, out / name, design, limit, size, overrides)
        return {"name": name, **design._asdict(), **found}

    with ThreadPoolExecutor(jobs) as pool:
        rows = list(pool.map(made, chosen))
    progress("timing")
    _time(rows, size, rounds)
    if large:
        _time_large(rows, large, rounds)
    for row in rows:
        row["front"] = _is_on_front(row, rows)
    return {"size": size, "large": large, "limit": limit, "machine": environment(), "results": rows}


def _time(rows: list[dict[str, Any]], size: str, rounds: int) -> None:
    """Puts `median_ms`, {recipe: ms}, and `peak_mb` into the rows."""
    files = [row["files"][recipe] for row in rows for recipe in RECIPES]
    found = time_in_rounds(files, size=size, rounds=rounds, seconds=1.0)
    for timing in (each for file in found.values() for each in file["rounds"]):
        if timing["refused"]:
            raise LpieError(timing["refused"])
    for row in rows:
        for key in ("median_ms", "peak_mb"):
            row[key] = {recipe: found[row["files"][recipe]][key] for recipe in RECIPES}


def _time_large(rows: list[dict[str, Any]], size: str, rounds: int) -> None:
    """Puts `large_ms`, {recipe: ms or, where it needs too much memory, None}, into the rows."""
    for tiled in (True, False):
        some = [row for row in rows if row["tiled"] == tiled]
        files = [row["files"][recipe] for row in some for recipe in RECIPES]
        found = time_in_rounds(
            files, size=size, rounds=rounds, seconds=1.0, tiles=tiled, min_runs=3
        )
        for row in some:
            timed = {recipe: found[row["files"][recipe]] for recipe in RECIPES}
            row["large_ms"] = {recipe: each.get("median_ms") for recipe, each in timed.items()}


def _is_on_front(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether no other design is better without being slower, in float32 and in int8 alike."""
    return not any(
        mean_db(other) > mean_db(row)
        and all(other["median_ms"][r] <= row["median_ms"][r] for r in RECIPES)
        for other in rows
    )


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table under its conditions, the best first."""
    rows = sorted(result["results"], key=mean_db, reverse=True)
    (unit,) = [r["median_ms"]["float32"] for r in rows if r["name"] == REFERENCE] or [None]
    levels, large = list(rows[0]["psnr_db"]), result["large"]
    header = ["design", "parameters", "MAC/pixel", "MB moved, fp16",
              *(f"sigma {level}" for level in levels), "mean dB", "ms, float32, int8",
              "to LPIENet", *([f"{large} ms, float32, int8"] if large else []), "peak MB",
              "pieces, float32, int8", "front"]  # fmt: skip
    cells = [
        [
            row["name"],
            f"{row['parameters']:,}",
            f"{row['macs_per_pixel']:,.0f}",
            f"{row['fp16_moved_mb']:,.0f}",
            *(f"{row['psnr_db'][level]:.2f}" for level in levels),
            f"{mean_db(row):.2f}",
            ", ".join(f"{row['median_ms'][r]:,.0f}" for r in RECIPES),
            ", ".join(f"{row['median_ms'][r] / unit:.2f}" for r in RECIPES) if unit else "",
            *([", ".join(_ms(row["large_ms"][r]) for r in RECIPES)] if large else []),
            ", ".join(f"{row['peak_mb'][r]:,.0f}" for r in RECIPES),
            ", ".join(" ".join(map(str, row["partitions"][r].values())) for r in RECIPES),
            "yes" if row["front"] else "",
        ]
        for row in rows
    ]
    about = conditions(result["size"], result["machine"])
    return f"{about}; pieces on {', '.join(DELEGATES)}\n\n{markdown(header, cells)}"


def _ms(time: float | None) -> str:
    return "too large" if time is None else f"{time:,.0f}"


if __name__ == "__main__":
    main()
