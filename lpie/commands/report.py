"""`lpie report`."""

from pathlib import Path

import click

from lpie.commands.output import json_option, print_json
from lpie.files import refuse_existing


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default="report.html",
    show_default=True,
    help="The page to write.",
)
@click.option("--force", is_flag=True, help="Overwrite the page when it exists.")
@json_option
def report(run: Path, output: Path, force: bool, as_json: bool) -> None:
    """Write one self-contained HTML page about the training run in the folder RUN.

    It shows photos before and after, the curves, and whatever evaluations, exports and
    benchmarks RUN holds. It needs no network, and neither Keras nor TensorFlow.

    \b
    Examples:
      lpie report runs/denoise
      lpie report runs/denoise -o denoise.html --force
    """
    from lpie.benchmarks.report import write_report

    refuse_existing(output, force=force)
    write_report(run, output)
    if as_json:
        print_json({"report": str(output)})
        return
    click.echo(f"Wrote {output}.")
