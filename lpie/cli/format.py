"""What the verbs print: JSON for programs, tables for people."""

from collections.abc import Iterator, Sequence
from typing import Any

import click
from tqdm import tqdm

from lpie.system.files import to_json

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")


def print_json(value: Any) -> None:
    """`value` as one JSON document on standard output."""
    click.echo(to_json(value), nl=False)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns aligned: the first to the left, the others to the right."""
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    for row in table:
        cells = [
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def progress_bar(items: Sequence[Any], *, unit: str, disable: bool = False) -> Iterator[Any]:
    """`items` one by one, with a progress bar on standard error."""
    return iter(tqdm(items, unit=unit, disable=disable, dynamic_ncols=True, leave=False))
