"""`lpie compare`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpie.cli.format import json_option, print_json, print_table

if TYPE_CHECKING:
    from lpie.benchmarks.records.compare import Comparison


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(0, 10),
    default=0.05,
    show_default=True,
    help="The share by which a latency may grow.",
)
@click.option("--anyway", is_flag=True, help="Though devices, their builds or sizes differ.")
@json_option
def compare(a: Path, b: Path, threshold: float, anyway: bool, as_json: bool) -> None:
    """Compare the latencies of B with those of A: files or folders of records of `lpie bench`.

    The ratio comes with its 95 % interval over rounds; where the rounds took turns in one run, the
    rounds are compared pair by pair. It is a regression, and the exit code 1, when the whole
    interval is beyond the threshold, or when a record is no measurement (it fell back, failed or is
    incomplete). Records are matched by model, size, delegate, precision, threads and mode.

    \b
    Examples:
      lpie compare before.json after.json
      lpie compare results/monday results/tuesday --threshold 0.02
    """
    from lpie.benchmarks.records.compare import compare as compared
    from lpie.benchmarks.records.record import read_records

    old, new = read_records(a), read_records(b)
    found = compared(old, new, threshold=threshold, anyway=anyway)
    rows = [_row(each) for each in found]
    bad = [row for row in rows if row["verdict"] in ("slower", "invalid")]
    if as_json:
        print_json({"threshold": threshold, "regression": bool(bad), "results": rows})
    else:
        _print(rows)
        if len(found) < len(new):
            alone = len(new) - len(found)
            click.echo(f"{alone} of {len(new)} records of B have no counterpart in A.", err=True)
    if bad:
        sys.exit(1)


def _row(found: "Comparison") -> dict[str, Any]:
    """A comparison, ready for JSON."""
    from lpie.benchmarks.records.compare import name
    from lpie.benchmarks.records.record import latency_ms

    compared = found.ratio is not None
    return {
        "name": name(found),
        "a_ms": latency_ms(found.old) if compared else None,
        "b_ms": latency_ms(found.new) if compared else None,
        "ratio": found.ratio,
        "interval": found.interval,
        "paired": found.paired,
        "verdict": found.verdict,
        "why": found.why,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    header = ["what", "A ms", "B ms", "B / A", "95 % interval", "rounds", "verdict"]
    print_table(header, [_cells(row) for row in rows])
    for row in rows:
        if row["why"]:
            click.echo(f"{row['name']}: {row['why']}", err=True)


def _cells(row: dict[str, Any]) -> list[str]:
    numbers = [
        "-" if row[key] is None else f"{row[key]:{form}}"
        for key, form in (("a_ms", ",.2f"), ("b_ms", ",.2f"), ("ratio", ".3f"))
    ]
    around = row["interval"]
    shown = f"{around[0]:.3f} to {around[1]:.3f}" if around else "-"
    return [row["name"], *numbers, shown, "paired" if row["paired"] else "apart", row["verdict"]]
