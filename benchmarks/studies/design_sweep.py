"""Designs of a network, each trained alike, by quality, latency, bytes moved and multiply-adds."""

import json
import os
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click

from lpie.benchmarks.reports.chart import scatter_chart, write_svg
from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.study import (
    export,
    measured_on,
    partitions,
    sentences,
    time_in_rounds,
)
from lpie.errors import InputError, LpieError, last_line, unknown_name
from lpie.evaluation.suite import compare
from lpie.system.environment import environment
from lpie.system.files import to_json, write_atomic
from lpie.tflite.cost import graph_cost
from lpie.tflite.model import TfliteModel

RECIPES = ("float32", "int8")
# NNAPI has int8 from API 29 on.
DELEGATES = ("gpu", "gpu-gl", "mldrift", "nnapi-29", "xnnpack")
DESIGNS = Path(__file__).parents[1] / "suites" / "designs.toml"
REFERENCE = "lpienet"  # whose float32 time is 1
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
# For trainings beside each other.
ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class Design(NamedTuple):
    """A network, how it is built, and which settings of the config it changes."""

    network: str
    hyperparameters: dict[str, Any]
    settings: dict[str, Any]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("config", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--photos", type=FOLDER, required=True, help="Folder of clean photos to train on.")
@click.option(
    "--data", type=FOLDER, required=True, help="Folder of the suite `dev`, to measure on."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="runs/designs",
    show_default=True,
    help="Folder for the runs.",
)
@click.option(
    "--designs",
    type=click.Path(path_type=Path),
    default=DESIGNS,
    help="TOML file of designs.  [default: benchmarks/suites/designs.toml]",
)
@click.option(
    "--design", "names", multiple=True, help="Train this design only. Repeatable.  [default: all]"
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    help="Change a setting of CONFIG for all designs: SECTION.KEY=VALUE. Repeatable.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of trainings at a time.",
)
@click.option(
    "--size", default="fhd", show_default=True, help="Image size of the timing: WIDTHxHEIGHT."
)
@click.option("--large", help="Also time this size, by tiles where they are exact.")
@click.option(
    "--limit", type=click.IntRange(1), help="Number of photos to measure on.  [default: all]"
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of timing rounds.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Least duration of a design's runs in one round, in seconds.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Also draw dB against time into this .svg file."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(as_json: bool, plot: Path | None, **options: Any) -> None:
    """Train every design by CONFIG, one thread each, and show which are on the Pareto front.

    A design that has been trained in --out is neither trained nor exported again, one that was
    stopped goes on.
    Quality is the mean PSNR on Kodak24 at each noise level; time is the median of --rounds
    interleaved rounds on this computer, a whole picture, relative to LPIENet's float32.

    \b
    Example:
      python -m lpie.benchmarks.studies.design_sweep configs/design-sweep.toml \
          --photos PHOTOS --data DEV
    """
    with sentences():
        if plot and plot.suffix.lower() != ".svg":
            raise InputError(f"--plot must end in .svg. Received: {plot}.")
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
    seconds: float = 1.0,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Return each design's hyperparameters, PSNR, latency, cost and whether it is on the front."""
    chosen = read_designs(designs, names)
    out.mkdir(parents=True, exist_ok=True)

    def trained(name: str) -> None:
        progress(f"training {name}")
        _train(config, photos, out / name, chosen[name], overrides)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(trained, chosen))
    rows = []
    for name, design in chosen.items():
        progress(f"exporting and scoring {name}")
        files = _exports(out / name, size)
        scores = _scores(out / name, data, limit)
        row = {"name": name, **design._asdict(), "psnr_db": scores, **_facts(files)}
        rows.append({**row, "files": {recipe: str(file) for recipe, file in files.items()}})
    progress("timing")
    _time(rows, size, rounds, seconds)
    if large:
        _time_large(rows, large, rounds, seconds)
    for row in rows:
        row["front"] = _is_on_front(row, rows)
    return {
        "size": size,
        "large": large,
        "limit": limit,
        "environment": environment(),
        "results": rows,
    }


def read_designs(path: Path, names: Sequence[str] = ()) -> dict[str, Design]:
    """Read the designs of a TOML file by name: hyperparameters, `network` and `settings`.

    A design without a network of its own starts from the table `base`.
    """
    try:
        content = tomllib.loads(path.read_text())
        base, designs = content["base"], content["designs"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise InputError(f"{path} is no list of designs: {error}.") from None
    for name in names:
        if name not in designs:
            raise unknown_name("design", name, designs)
    known = {}
    for name, own in designs.items():
        options = dict(own) if "network" in own else {**base, **own}
        known[name] = Design(options.pop("network"), options, options.pop("settings", {}))
    return {name: known[name] for name in names or known}


def _train(config: Path, photos: Path, run: Path, design: Design, overrides: Sequence[str]) -> None:
    """Train a design where it has not been trained, on one thread, in a process of its own.

    overrides: of the config, for all designs, as `--set` takes them.
    """
    table = ", ".join(
        f"{key} = {json.dumps(value)}" for key, value in design.hyperparameters.items()
    )
    settings = {
        "model.name": design.network,
        "model.hyperparameters": f"{{{table}}}",
        "data.folder": str(photos.resolve()),
        **{key: json.dumps(value) for key, value in design.settings.items()},
    }
    assignments = [*overrides, *(f"{key}={value}" for key, value in settings.items())]
    options = [word for assignment in assignments for word in ("--set", assignment)]
    child = subprocess.run(
        [sys.executable, "-m", "lpie", "train", str(config), "--workdir", str(run), *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **ONE_THREAD},
    )
    if child.returncode:
        last = last_line(child.stderr)
        kind = InputError if child.returncode == InputError.exit_code else LpieError
        raise kind(f"lpie train failed: {last.removeprefix('Error: ')}")


def _exports(run: Path, size: str) -> dict[str, Path]:
    """Return {recipe: file} of a run, exported where a file is older than the weights."""
    files = {recipe: run / f"{recipe}_{size}.tflite" for recipe in RECIPES}
    for recipe, file in files.items():
        if not _is_newer(file, run):
            export(run, file, recipe=recipe, size=size, verified=False)
    return files


def _facts(files: dict[str, Path]) -> dict[str, Any]:
    """Return size and work of the float file, and the delegates' partitions of both."""
    model = TfliteModel.read(files["float32"])
    cost, spec = graph_cost(model), model.spec
    return {
        "parameters": cost.parameters,
        "macs_per_pixel": cost.macs / model.image.pixels,
        "fp16_moved_mb": cost.moved_mb / 2,
        "tiled": spec is not None and spec.halo_px is not None,
        "partitions": {recipe: partitions(file, DELEGATES) for recipe, file in files.items()},
    }


def _scores(run: Path, data: Path, limit: int | None) -> dict[str, float]:
    """Return {sigma: mean PSNR on Kodak24}, measured once for the run's weights."""
    file, request = run / "kodak24.json", {"data": str(data.resolve()), "limit": limit}
    if _is_newer(file, run):
        known = json.loads(file.read_text())
        if known["asked"] == request:
            return known["psnr_db"]
    result = compare([str(run)], data=data, tasks=["denoise"], baselines=False, limit=limit)
    scores = {
        f"{table['noise_sigma']:g}": table["methods"][0]["psnr_db"]
        for table in result["tables"]
        if table["folder"].endswith("kodak24")
    }
    write_atomic(file, to_json({"asked": request, "psnr_db": scores}))
    return scores


def _is_newer(file: Path, run: Path) -> bool:
    """Whether `file` is newer than the best weights of `run`, so made of them."""
    return file.exists() and file.stat().st_mtime > (run / "best.keras").stat().st_mtime


def _time(rows: list[dict[str, Any]], size: str, rounds: int, seconds: float) -> None:
    """Put `median_ms`, {recipe: ms}, and `peak_mb` into the rows."""
    files = [row["files"][recipe] for row in rows for recipe in RECIPES]
    timings = time_in_rounds(files, size=size, rounds=rounds, seconds=seconds)
    for timing in (timing for file in timings.values() for timing in file["rounds"]):
        if timing["refused"]:
            raise LpieError(timing["refused"])
    for row in rows:
        for key in ("median_ms", "peak_mb"):
            row[key] = {recipe: timings[row["files"][recipe]][key] for recipe in RECIPES}


def _time_large(rows: list[dict[str, Any]], size: str, rounds: int, seconds: float) -> None:
    """Put `large_ms`, {recipe: ms or, where it needs too much memory, None}, into the rows."""
    for tiled in (True, False):
        some = [row for row in rows if row["tiled"] == tiled]
        files = [row["files"][recipe] for row in some for recipe in RECIPES]
        timings = time_in_rounds(
            files, size=size, rounds=rounds, seconds=seconds, tiles=tiled, min_runs=3
        )
        for row in some:
            row["large_ms"] = {
                recipe: timings[row["files"][recipe]].get("median_ms") for recipe in RECIPES
            }


def _is_on_front(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether no other design is better without being slower, in float32 and in int8 alike."""
    return not any(
        mean_db(other) > mean_db(row)
        and all(other["median_ms"][r] <= row["median_ms"][r] for r in RECIPES)
        for other in rows
    )


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Write `path` (.svg): mean PSNR over ms with the front, a chart each for float32 and int8."""
    charts = []
    for recipe in RECIPES:
        points = [(row["name"], row["median_ms"][recipe], mean_db(row)) for row in rows]
        title, x_label = f"Quality against latency, {recipe}", f"{recipe}, ms"
        charts.append(scatter_chart(points, title=title, x_label=x_label, y_label="mean PSNR, dB"))
    write_svg(path, charts)


def mean_db(row: dict[str, Any]) -> float:
    """Return the mean over the noise levels."""
    return statistics.mean(row["psnr_db"].values())


def table(result: dict[str, Any]) -> str:
    """Return the result as a Markdown table under the environment, the best first."""
    rows = sorted(result["results"], key=mean_db, reverse=True)
    (unit,) = [r["median_ms"]["float32"] for r in rows if r["name"] == REFERENCE] or [None]
    levels, large = list(rows[0]["psnr_db"]), result["large"]
    header = [
        "design",
        "parameters",
        "MAC/pixel",
        "MB moved, fp16",
        *(f"sigma {level}" for level in levels),
        "mean dB",
        "ms, float32, int8",
        "to LPIENet",
        *([f"{large} ms, float32, int8"] if large else []),
        "peak MB",
        "partitions, float32, int8",
        "front",
    ]
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
    about = measured_on(result["size"], result["environment"])
    return f"{about}; partitions on {', '.join(DELEGATES)}\n\n{markdown(header, cells)}"


def _ms(time: float | None) -> str:
    return "too large" if time is None else f"{time:,.0f}"


if __name__ == "__main__":
    main()
