"""Designs of a network, each trained alike, by quality, latency, bytes moved and multiply-adds."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click

from lpie import flatbuffer
from lpie.benchmarks.rounds import time_in_rounds
from lpie.benchmarks.scatter import draw, mean_db
from lpie.benchmarks.script import conditions, markdown, sentences
from lpie.cost import graph_cost
from lpie.errors import InputError, LpieError, unknown_name
from lpie.files import to_json, write_atomic
from lpie.machine import environment
from lpie.spec import spec_inside

DESIGNS = Path(__file__).parent / "suites" / "designs.toml"
RECIPES = ("float32", "int8")
REFERENCE = "lpienet"  # whose float32 time is 1
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
# One thread each, as training goes on beside others.
ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}  # fmt: skip


class Design(NamedTuple):
    """A network, how it is built, and which settings of the config it changes."""

    network: str
    hyperparameters: dict[str, Any]
    settings: dict[str, Any]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("config", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--photos", type=FOLDER, required=True, help="Clean photos to train on.")
@click.option("--data", type=FOLDER, required=True, help="The suite dev, to measure on.")
@click.option("--out", type=click.Path(path_type=Path), default="runs/designs", show_default=True)
@click.option("--designs", type=click.Path(path_type=Path), default=DESIGNS, help="A TOML file.")
@click.option("--design", "names", multiple=True, help="Only this one; repeatable.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="At a time.")
@click.option("--size", default="fhd", show_default=True, help="Of the timing: WIDTHxHEIGHT.")
@click.option("--limit", type=click.IntRange(1), help="Measure on so many photos only.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw dB against time: .svg")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")
def main(as_json: bool, plot: Path | None, **options: Any) -> None:
    """Train every design by CONFIG, one thread each, and show which are on the Pareto front.

    A design that has been trained in --out is not trained again, one that was stopped goes on.
    Quality is the mean PSNR on Kodak24 at each noise level; time is the median of --rounds
    interleaved rounds on this machine, a whole picture, relative to LPIENet's float32.

    \b
    Example:
      python -m lpie.benchmarks.design_sweep configs/design-sweep.toml --photos PHOTOS --data DEV
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
    jobs: int = 1,
    size: str = "fhd",
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
        found = _trained(config, photos, data, out / name, design, limit, size)
        return {"name": name, **design._asdict(), **found}

    with ThreadPoolExecutor(jobs) as pool:
        rows = list(pool.map(made, chosen))
    progress("timing")
    _time(rows, size, rounds)
    for row in rows:
        row["front"] = _is_on_front(row, rows)
    return {"size": size, "limit": limit, "machine": environment(), "results": rows}


def read_designs(path: Path, names: Sequence[str] = ()) -> dict[str, Design]:
    """The designs of a TOML file by name: hyperparameters, and `network` and `settings`.

    `base` is under each that names no network of its own.
    """
    try:
        content = tomllib.loads(path.read_text())
        base, designs = content["base"], content["designs"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise InputError(f"{path} is no list of designs: {error}.") from None
    for name in names:
        if name not in designs:
            raise unknown_name("design", name, designs)
    found = {}
    for name, own in designs.items():
        options = dict(own) if "network" in own else {**base, **own}
        found[name] = Design(options.pop("network"), options, options.pop("settings", {}))
    return {name: found[name] for name in names or found}


def _trained(
    config: Path,
    photos: Path,
    data: Path,
    run: Path,
    design: Design,
    limit: int | None,
    size: str,
) -> dict[str, Any]:
    """The scores and exported files of one design, trained where it has not been."""
    table = ", ".join(
        f"{key} = {json.dumps(value)}" for key, value in design.hyperparameters.items()
    )
    settings = {
        "model.name": design.network,
        "model.hyperparameters": f"{{{table}}}",
        "data.folder": str(photos.resolve()),
        **{key: json.dumps(value) for key, value in design.settings.items()},
    }
    given = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    _lpie("train", str(config), "--workdir", str(run), *given)
    files = {}
    for recipe in RECIPES:
        files[recipe] = str(run / f"{recipe}_{size}.tflite")
        _lpie("export", str(run), "--recipe", recipe, "--size", size, "-o", files[recipe],
              "--no-verify", "--force")  # fmt: skip
    graph = flatbuffer.read_tflite(Path(files["float32"]))
    found, spec = graph_cost(graph), spec_inside(graph)
    assert spec is not None
    cost = {"parameters": spec.parameters, "macs_per_pixel": found.macs / spec.width / spec.height,
            "fp16_moved_mb": found.moved_mb / 2}  # fmt: skip
    return {"psnr_db": _scores(run, data, limit), **cost, "files": files}


def _scores(run: Path, data: Path, limit: int | None) -> dict[str, float]:
    """{sigma: mean PSNR on Kodak24}, measured once for the run's weights."""
    kept, asked = run / "kodak24.json", {"data": str(data.resolve()), "limit": limit}
    if kept.exists() and kept.stat().st_mtime > (run / "best.keras").stat().st_mtime:
        known = json.loads(kept.read_text())
        if known["asked"] == asked:
            return known["psnr_db"]
    many = [] if limit is None else ["--limit", str(limit)]
    suite = ["--suite", "dev", "--task", "denoise", "--no-baselines", "--data", str(data)]
    tables = json.loads(_lpie("evaluate", str(run), *suite, *many, "--json"))["tables"]
    scores = {
        f"{each['noise_sigma']:g}": each["methods"][0]["psnr_db"]
        for each in tables
        if each["folder"].endswith("kodak24")
    }
    write_atomic(kept, to_json({"asked": asked, "psnr_db": scores}))
    return scores


def _lpie(*arguments: str) -> str:
    child = subprocess.run(
        [sys.executable, "-m", "lpie", *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip
    if child.returncode:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise LpieError(f"lpie {arguments[0]} failed: {last.removeprefix('Error: ')}")
    return child.stdout


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


def _is_on_front(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether no other design is better without being slower, in float32 and in int8 alike."""
    return not any(
        mean_db(other) > mean_db(row)
        and all(other["median_ms"][r] <= row["median_ms"][r] for r in RECIPES)
        for other in rows
    )


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table under its conditions, the best first."""
    rows = result["results"]
    (unit,) = [r["median_ms"]["float32"] for r in rows if r["name"] == REFERENCE] or [None]
    levels = list(rows[0]["psnr_db"])
    header = ["design", "parameters", "MAC/pixel", "MB moved, fp16",
              *(f"sigma {level}" for level in levels), "mean dB", "float32 ms", "int8 ms",
              "to LPIENet", "front"]  # fmt: skip
    cells = [
        [
            row["name"],
            f"{row['parameters']:,}",
            f"{row['macs_per_pixel']:,.0f}",
            f"{row['fp16_moved_mb']:,.0f}",
            *(f"{row['psnr_db'][level]:.2f}" for level in levels),
            f"{mean_db(row):.2f}",
            *(f"{row['median_ms'][recipe]:,.0f}" for recipe in RECIPES),
            ", ".join(f"{row['median_ms'][r] / unit:.2f}" for r in RECIPES) if unit else "",
            "yes" if row["front"] else "",
        ]
        for row in sorted(rows, key=mean_db, reverse=True)
    ]
    about = conditions(result["size"], result["machine"])
    return f"{about}\n\n{markdown(header, cells)}"


if __name__ == "__main__":
    main()
