"""`lpie models`."""

import dataclasses
from typing import Any

import click

from lpie.cli.format import echo, json_option, print_json, print_table


@click.command()
@click.option(
    "--measure-tiling",
    is_flag=True,
    help="Measure the error of blended tiles, where tiles are not exact. Takes minutes.",
)
@click.option("--tiles", "old_tiles", is_flag=True, hidden=True)
@json_option
def models(measure_tiling: bool, old_tiles: bool, as_json: bool) -> None:
    """List the networks and their variants, with their cost and the pretrained weights.

    MAC/pixel are multiply-adds per pixel of an image of 256x256. "sees px" is the receptive field.
    Tiles give exactly the result of the whole image where it is limited ("exact"); otherwise they
    overlap and are blended. --measure-tiling reports the difference of both results in dB, with
    random weights on a small picture; more dB mean a smaller difference.

    \b
    Examples:
      lpie models
      lpie models --measure-tiling --json
    """
    rows = _rows(measure_tiling or old_tiles)
    if as_json:
        print_json(rows)
    else:
        print_models(rows)


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
