"""`lpie report`."""

from pathlib import Path
from typing import Literal

import click

from lpie.cli.format import echo, json_option, print_json
from lpie.cli.options import command
from lpie.cli.paths import PATH, PathType, read_in, refuse_overwriting
from lpie.errors import InputError
from lpie.system.files import refuse_existing, write_atomic

FORMATS = {".html": "html", ".htm": "html", ".md": "md", ".csv": "csv"}


@command()
@click.argument("results", nargs=-1, required=True, type=PATH)
@click.option(
    "-o",
    "--output",
    type=PathType(folder=False),
    default="report.html",
    show_default=True,
    help="File to write; its suffix chooses the format: .html, .md or .csv.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "md", "csv"]),
    help="Format of the file.  [default: by its suffix]",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@json_option
def report(
    results: tuple[Path, ...],
    output: Path,
    kind: Literal["html", "md", "csv"] | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write one self-contained HTML page about RESULTS: a training run, or records of `lpie bench`.

    For a run's folder the page shows photos before and after, the training curves, and the
    evaluations, exports and benchmarks in the folder. For records (files, or folders of them) it
    shows latency with intervals, throttling, the time of each op, quality against latency, and
    what each delegate ran; records can also be written as Markdown or CSV. The page loads nothing
    from the internet.

    \b
    Examples:
      lpie bench denoise denoise-s --size 256x256 -o results/
      lpie report results/ -o page.html
      lpie report runs/denoise
      lpie report runs/denoise -o denoise.html --force
      lpie report phone_a.json phone_b.json -o phones.md
    """
    from lpie.benchmarks.reports.run_page import write_report

    refuse_existing(output, force=force)
    kind = kind or _kind(output)
    refuse_overwriting([output], [file for path in results for file in read_in(path)])
    if any((path / "config.json").is_file() for path in results):
        if len(results) > 1 or kind != "html":
            raise InputError(
                "A training run is reported alone and as HTML. Give its folder only, and an -o "
                "that "
                "ends in .html."
            )
        write_report(results[0], output)
    else:
        _write_results(results, output, kind)
    if as_json:
        print_json({"report": str(output)})
        return
    echo(f"Wrote {output}.")


def _kind(output: Path) -> Literal["html", "md", "csv"]:
    """Return the format that a file's suffix names."""
    if output.suffix.lower() not in FORMATS:
        raise InputError(
            f"--output must end in .html, .md or .csv, or give --format. Received: {output}. "
            f"Try {output.with_suffix('.html')}."
        )
    return FORMATS[output.suffix.lower()]  # type: ignore[return-value]


def _write_results(results: tuple[Path, ...], output: Path, kind: str) -> None:
    from lpie.benchmarks.records.record import read_records
    from lpie.benchmarks.reports.record_rows import to_csv, to_markdown
    from lpie.benchmarks.reports.records_page import write_results

    for path in results:
        if path.is_dir() and not any(path.rglob("*.json")):
            raise InputError(
                f"{path} is not a run, as it has no config.json, and has no record of `lpie bench` "
                "either. Give the folder of `lpie train` or a file that `lpie bench -o` wrote."
            )
    records = [record for path in results for record in read_records(path)]
    if kind == "html":
        write_results(records, output)
    else:
        write_atomic(output, to_markdown(records) if kind == "md" else to_csv(records))
