"""`lpie models`."""

import dataclasses
from typing import Any

import click

from lpie.commands.output import json_option, print_json, print_table


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the networks and their forms, with the multiply-adds per pixel at 256x256.

    "sees" is the receptive field; where it is all of the image, or local pooling meets the border,
    tiles do not give exactly what the whole image gives. Below, the shipped weights.

    \b
    Examples:
      lpie models
      lpie models --json
    """
    from lpie.models import NETWORKS, build_model
    from lpie.models.analysis import analyse
    from lpie.weights import shipped

    rows: list[dict[str, Any]] = []
    for name, network in NETWORKS.items():
        for form in ({}, *network.forms):
            found = analyse(build_model(name, **form))
            names = [k for k, entry in shipped().items() if entry["network"] == name and not form]
            row = {"name": name, "hyperparameters": form, **dataclasses.asdict(found)}
            rows.append({**row, "shipped": names, "paper": network.paper})
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
                "not exact" if row["halo_px"] is None else f"exact, halo {row['halo_px']}",
                str(row["multiple"]),
                row["paper"],
            ]
            for row in rows
        ],
    )
    for row in rows:
        if row["shipped"]:
            click.echo(f"Shipped weights of {row['name']}: {', '.join(row['shipped'])}")
