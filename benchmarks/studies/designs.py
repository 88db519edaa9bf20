"""Designs of a network: read from a file, trained alike, exported and scored."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lpie.benchmarks.studies.study import inspected, run_lpie
from lpie.errors import InputError, unknown_name
from lpie.system.files import to_json, write_atomic

RECIPES = ("float32", "int8")
# NNAPI has int8 from API 29 on.
DELEGATES = ("gpu", "gpu-gl", "mldrift", "nnapi-29", "xnnpack")


class Design(NamedTuple):
    """A network, how it is built, and which settings of the config it changes."""

    network: str
    hyperparameters: dict[str, Any]
    settings: dict[str, Any]


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


def trained(
    config: Path,
    photos: Path,
    data: Path,
    run: Path,
    design: Design,
    limit: int | None,
    size: str,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Scores, cost and exported files of one design, trained where it has not been.

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
    all_settings = [*overrides, *(f"{key}={value}" for key, value in settings.items())]
    given = [word for assignment in all_settings for word in ("--set", assignment)]
    run_lpie("train", str(config), "--workdir", str(run), *given)
    files = {}
    for recipe in RECIPES:
        file = run / f"{recipe}_{size}.tflite"
        if not _is_newer(file, run):
            run_lpie("export", str(run), "--recipe", recipe, "--size", size, "-o", str(file),
                     "--no-verify", "--force")  # fmt: skip
        files[recipe] = str(file)
    return {"psnr_db": _scores(run, data, limit), **_facts(files), "files": files}


def _facts(files: dict[str, str]) -> dict[str, Any]:
    """Size and work of the float file, and the delegates' partitions of both."""
    found = {recipe: inspected(file, DELEGATES) for recipe, file in files.items()}
    plain = found["float32"]
    return {
        "parameters": plain["parameters"],
        "macs_per_pixel": plain["macs_per_pixel"],
        "fp16_moved_mb": plain["moved_mb"] / 2,
        "tiled": plain["spec"]["halo_px"] is not None,
        "partitions": {recipe: report["partitions"] for recipe, report in found.items()},
    }


def _scores(run: Path, data: Path, limit: int | None) -> dict[str, float]:
    """{sigma: mean PSNR on Kodak24}, measured once for the run's weights."""
    kept, asked = run / "kodak24.json", {"data": str(data.resolve()), "limit": limit}
    if _is_newer(kept, run):
        known = json.loads(kept.read_text())
        if known["asked"] == asked:
            return known["psnr_db"]
    many = [] if limit is None else ["--limit", str(limit)]
    suite = ["--suite", "dev", "--task", "denoise", "--no-baselines", "--data", str(data)]
    tables = json.loads(run_lpie("evaluate", str(run), *suite, *many, "--json"))["tables"]
    scores = {
        f"{each['noise_sigma']:g}": each["methods"][0]["psnr_db"]
        for each in tables
        if each["folder"].endswith("kodak24")
    }
    write_atomic(kept, to_json({"asked": asked, "psnr_db": scores}))
    return scores


def _is_newer(file: Path, run: Path) -> bool:
    """Whether `file` is newer than the best weights of `run`, so made of them."""
    return file.exists() and file.stat().st_mtime > (run / "best.keras").stat().st_mtime
