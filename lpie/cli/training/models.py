"""`lpie models`."""

import dataclasses
from typing import Any

import click

from lpie.cli.format import echo, json_option, print_json, print_table
from lpie.cli.options import command
from lpie.errors import InputError


@command()
@click.option(
    "--pretrained",
    "only_pretrained",
    is_flag=True,
    help="List the pretrained networks instead, with what each is for.",
)
@click.option(
    "--measure-tiling",
    is_flag=True,
    help="Measure the error of blended tiles, where tiles are not exact. Takes minutes.",
)
@click.option("--tiles", "old_tiles", is_flag=True, hidden=True)
@json_option
def models(only_pretrained: bool, measure_tiling: bool, old_tiles: bool, as_json: bool) -> None:
    """List the networks and their variants, with their cost and the pretrained weights.

    MAC/pixel are multiply-adds per pixel of an image of 256x256. "sees px" is the receptive field.
    Tiles give exactly the result of the whole image where it is limited ("exact"); otherwise they
    overlap and are blended. --measure-tiling reports the difference of both results in dB, with
    random weights on a small picture; more dB mean a smaller difference.

    \b
    Examples:
      lpie models
      lpie models --pretrained
      lpie models --measure-tiling --json
    """
    if only_pretrained:
        if measure_tiling or old_tiles:
            raise InputError("`measure_tiling` is about networks: omit `pretrained`.")
        _show_pretrained(as_json)
        return
    rows = _rows(measure_tiling or old_tiles)
    if as_json:
        print_json(rows)
    else:
        print_models(rows)


def _show_pretrained(as_json: bool) -> None:
    """Print the pretrained networks, a task after another, the default size first."""
    from lpie.weights import pretrained, tasks

    order = list(tasks())
    named = sorted(pretrained().items(), key=lambda row: (order.index(row[1]["task"]), row[0]))
    rows = [
        {
            "name": name,
            "task": entry["task"],
            "purpose": tasks()[entry["task"]]["purpose"],
            "network": entry["network"],
            "hyperparameters": entry["hyperparameters"],
            "parameters": entry["parameters"],
            "macs_per_pixel": entry["macs_per_pixel"],
            "score": entry["score"],
        }
        for name, entry in named
    ]
    if as_json:
        print_json(rows)
        return
    for task in order:
        echo(f"{task}: for {tasks()[task]['purpose']}")
    echo("")
    print_table(
        ["name", "parameters", "MAC/pixel", "before dB", "PSNR dB", "measured on"],
        [
            [row["name"], f"{row['parameters']:,}", f"{row['macs_per_pixel']:,.0f}", *_score(row)]
            for row in rows
        ],
    )
    echo("", "Restore with one of them: lpie restore denoise photo.jpg")


def _score(row: dict[str, Any]) -> list[str]:
    score = row["score"]
    if score is None:
        return ["", "", "not measured"]
    return [f"{score['degraded_psnr_db']:.2f}", f"{score['psnr_db']:.2f}", score["photos"]]


def print_models(rows: list[dict[str, Any]]) -> None:
    """The table for people of what `--json` prints."""
    print_table(
        ["network", "parameters", "MAC/pixel", "sees px", "tiles", "multiple of", "paper"],
        [
            [
                " ".join([row["name"], *(f"{k}={v}" for k, v in row["hyperparameters"].items())]),
                f"{row['parameters']:,}",
                f"{row['macs_per_pixel']:,.0f}",
                f"{row['receptive_field_px'] or 'all'}",
                _tiles(row),
                str(row["multiple"]),
                row["paper"],
            ]
            for row in rows
        ],
    )
    for row in rows:
        if row["pretrained"]:
            echo(f"Pretrained weights of {row['name']}: {', '.join(row['pretrained'])}")


def _rows(measure_tiling: bool) -> list[dict[str, Any]]:
    """One row for each network and variant."""
    from lpie.evaluation.blended_tiles import randomize, tiling_db
    from lpie.models import NETWORKS, build_model
    from lpie.models.graph.analysis import analyse
    from lpie.weights import pretrained

    rows: list[dict[str, Any]] = []
    for name, network in NETWORKS.items():
        weights = [key for key, entry in pretrained().items() if entry["network"] == name]
        for variant in ({}, *network.variants):
            model = build_model(name, **variant)
            analysis = analyse(model)
            row = {"name": name, "hyperparameters": variant, **dataclasses.asdict(analysis)}
            if measure_tiling and analysis.halo_px is None:
                randomize(model)
                row["tiling_db"] = tiling_db(model)
            rows.append({**row, "pretrained": [] if variant else weights, "paper": network.paper})
    return rows


def _tiles(row: dict[str, Any]) -> str:
    if row["halo_px"] is not None:
        return f"exact, halo {row['halo_px']}"
    return f"blended, {row['tiling_db']:.0f} dB" if "tiling_db" in row else "not exact: blended"
