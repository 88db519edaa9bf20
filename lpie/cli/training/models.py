"""`lpie models`."""

import dataclasses
from typing import Any

import click

from lpie.cli.format import json_option, print_json, print_table


@click.command()
@click.option(
    "--tiles",
    "measured",
    is_flag=True,
    help="Measure what blended tiles lose where none are exact; takes minutes.",
)
@json_option
def models(measured: bool, as_json: bool) -> None:
    """List the networks and their forms, with the multiply-adds per pixel at 256x256.

    "sees" is the receptive field; where it is all of the image, or local pooling meets the border,
    tiles do not give exactly what the whole image gives: they are blended. With --tiles how far
    their residual is from the whole image's is measured, with random weights, on a small picture
    (more dB are less difference). Below, the pretrained networks.

    \b
    Examples:
      lpie models
      lpie models --tiles --json
    """
    from lpie.evaluation.blended_tiles import randomize, tiling_db
    from lpie.models import NETWORKS, build_model
    from lpie.models.graph.analysis import analyse
    from lpie.weights import pretrained

    rows: list[dict[str, Any]] = []
    for name, network in NETWORKS.items():
        for form in ({}, *network.forms):
            model = build_model(name, **form)
            found = analyse(model)
            names = [
                k for k, entry in pretrained().items() if entry["network"] == name and not form
            ]
            row = {"name": name, "hyperparameters": form, **dataclasses.asdict(found)}
            if measured and found.halo_px is None:
                randomize(model)
                row["tiling_db"] = tiling_db(model)
            rows.append({**row, "pretrained": names, "paper": network.paper})
    if as_json:
        print_json(rows)
        return
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
            click.echo(f"Pretrained weights of {row['name']}: {', '.join(row['pretrained'])}")


def _tiles(row: dict[str, Any]) -> str:
    if row["halo_px"] is not None:
        return f"exact, halo {row['halo_px']}"
    return f"blended, {row['tiling_db']:.0f} dB" if "tiling_db" in row else "not exact: blended"
