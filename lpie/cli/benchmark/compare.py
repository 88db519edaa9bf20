"""`lpie compare`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpie.cli.format import echo, json_option, print_json, print_table
from lpie.cli.options import command
from lpie.cli.paths import PATH

if TYPE_CHECKING:
    from lpie.benchmarks.records.compare import Comparison


@command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH, required=False)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 10),
    default=0.05,
    show_default=True,
    help="Largest growth of a latency that is no regression, as a share (0.05 is 5 %).",
)
@click.option(
    "--ignore-mismatch",
    is_flag=True,
    help="Compare even if device, build or size differ.",
)
@click.option("--anyway", is_flag=True, hidden=True)
@json_option
def compare(
    a: Path, b: Path | None, threshold: float, ignore_mismatch: bool, anyway: bool, as_json: bool
) -> None:
    """Compare the latencies of B with those of A: files or folders of records of `lpie bench`.

    Records are matched by model, size, delegate, precision, threads and mode. The ratio B / A comes
    with its 95 % interval over rounds; rounds that took turns in one run are compared pair by pair.
    Without B, the records of A are compared with the first of them that was asked for the same.
    The exit code is 1 for a regression: the whole interval is above the threshold, or a record is
    no measurement, because it fell back, failed or is incomplete.

    \b
    Examples:
      lpie bench denoise denoise-s --size 256x256 -o two_models.json
      lpie compare two_models.json
      lpie compare before.json after.json
      lpie compare results/monday results/tuesday --threshold 0.02
    """
    from lpie.benchmarks.records.compare import compare as compared
    from lpie.benchmarks.records.compare import compare_within
    from lpie.benchmarks.records.record import read_records
    from lpie.errors import InputError

    old, ignore = read_records(a), ignore_mismatch or anyway
    if b is None and len(old) == 1:
        raise InputError(f"{a} holds one record. Give a second file to compare it with.")
    if b is None:
        new = old
        comparisons = compare_within(old, threshold=threshold, ignore_mismatch=ignore)
    else:
        new = read_records(b)
        comparisons = compared(old, new, threshold=threshold, ignore_mismatch=ignore)
    rows = [_row(comparison) for comparison in comparisons]
    bad = [row for row in rows if row["verdict"] in ("slower", "invalid")]
    if as_json:
        print_json({"threshold": threshold, "regression": bool(bad), "results": rows})
    else:
        _print(rows)
        unmatched = len(new) - len(comparisons)
        if unmatched and b is not None:
            echo(f"{unmatched} of {len(new)} records of B match none of A.", err=True)
    if bad:
        sys.exit(1)


def _row(comparison: "Comparison") -> dict[str, Any]:
    """A comparison, ready for JSON."""
    from lpie.benchmarks.records.compare import comparison_name
    from lpie.benchmarks.records.record import latency_ms

    compared = comparison.ratio is not None
    return {
        "name": comparison_name(comparison),
        "a_ms": latency_ms(comparison.old) if compared else None,
        "b_ms": latency_ms(comparison.new) if compared else None,
        "ratio": comparison.ratio,
        "interval": comparison.interval,
        "paired": comparison.paired,
        "verdict": comparison.verdict,
        "why": comparison.why,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    header = ["what", "A ms", "B ms", "B / A", "95 % interval", "rounds", "verdict"]
    print_table(header, [_cells(row) for row in rows])
    for row in rows:
        if row["why"]:
            echo(f"{row['name']}: {row['why']}", err=True)


def _cells(row: dict[str, Any]) -> list[str]:
    numbers = [
        "-" if row[key] is None else f"{row[key]:{form}}"
        for key, form in (("a_ms", ",.2f"), ("b_ms", ",.2f"), ("ratio", ".3f"))
    ]
    interval = row["interval"]
    shown = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"
    return [row["name"], *numbers, shown, "paired" if row["paired"] else "apart", row["verdict"]]
