"""`lpie models`."""

from typing import Any

import click

from lpie.commands.output import json_option, print_json, print_table


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the networks: parameters, multiply-adds per pixel, reach, shipped weights and paper.

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
        found = analyse(build_model(name))
        rows.append(
            {
                "name": name,
                "parameters": found.parameters,
                "macs_per_pixel": found.macs_per_pixel,
                "multiple": found.multiple,
                "halo_px": found.halo_px,
                "shipped": [key for key, entry in shipped().items() if entry["network"] == name],
                "paper": network.paper,
            }
        )
    if as_json:
        print_json(rows)
        return
    print_table(
        ["network", "parameters", "MAC/pixel", "multiple of", "halo px", "shipped", "paper"],
        [
            [
                row["name"],
                f"{row['parameters']:,}",
                f"{row['macs_per_pixel']:,.0f}",
                str(row["multiple"]),
                "not local" if row["halo_px"] is None else str(row["halo_px"]),
                ", ".join(row["shipped"]),
                row["paper"],
            ]
            for row in rows
        ],
    )
