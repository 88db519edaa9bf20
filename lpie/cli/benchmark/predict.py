"""`lpie predict`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpie.cli.format import json_option, print_json, print_table

if TYPE_CHECKING:
    from lpie.benchmarks.predict.predict import Precision, Published, Unit


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--phone", "name", help="A phone or its processor, as pixel-8a or snapdragon-888.")
@click.option("--size", help="WIDTHxHEIGHT, fhd or 4k.  [default: the size in the file]")
@click.option("--on", "unit", type=click.Choice(["gpu", "npu"]), default="gpu", show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["fp16", "fp32", "int8"]),
    default="fp16",
    show_default=True,
    help="What the phone computes in.",
)
@click.option("--errors", is_flag=True, help="Only compare it with published measurements.")
@json_option
def predict(
    file: Path | None,
    name: str | None,
    size: str | None,
    unit: "Unit",
    precision: "Precision",
    errors: bool,
    as_json: bool,
) -> None:
    """Estimate how long FILE, a .tflite or a pretrained network, would take on a phone.

    A roofline: each op takes as long as its multiply-adds, its bytes or its launch demand, at fixed
    shares of the phone's peaks (benchmarks/predict/phones.toml). It is no measurement: the errors against
    published ones are printed beside it.

    \b
    Examples:
      lpie predict denoise --phone pixel-8a --size fhd
      lpie predict int8_1920x1080.tflite --phone galaxy-s25 --on npu --precision int8
      lpie predict --errors
    """
    from lpie.benchmarks.predict.predict import published
    from lpie.errors import InputError

    if errors == (file is not None) or errors == (name is not None):
        raise InputError("Give FILE and --phone NAME, or --errors alone.")
    report = {} if file is None or name is None else _estimate(file, name, size, unit, precision)
    known = [_row(each) for each in published()]
    if as_json:
        print_json({**report, "published": known})
        return
    if report:
        _print_estimate(report)
    click.echo("The same way of estimating beside published measurements:")
    _print_errors(known, sources=not report)


def _estimate(
    file: Path, name: str, size: str | None, unit: "Unit", precision: "Precision"
) -> dict[str, Any]:
    """What is estimated and of what, ready for JSON."""
    from lpie.benchmarks.predict.predict import find_phone
    from lpie.benchmarks.predict.predict import predict as estimated
    from lpie.size import Size
    from lpie.tflite.cost import op_work
    from lpie.tflite.model import TfliteModel
    from lpie.weights import tflite_file

    phone = find_phone(name)
    model = TfliteModel.read(tflite_file(file))
    if size:
        model = model.resized(Size.parse(size))
    found = estimated(op_work(model), phone, unit=unit, precision=precision)
    return {
        "file": str(file),
        "size": str(model.image),
        "phone": phone.name,
        "soc": phone.soc,
        "unit": unit,
        "precision": precision,
        "estimate": dataclasses.asdict(found),
        "sources": phone.sources,
    }


def _row(published: "Published") -> dict[str, Any]:
    return {
        **dataclasses.asdict(published),
        "estimate_ms": published.estimate.ms,
        "error": published.error,
    }


def _print_estimate(report: dict[str, Any]) -> None:
    found = report["estimate"]
    click.echo(
        f"{report['file']} at {report['size']} on {report['phone']} ({report['soc']}), "
        f"{report['unit'].upper()}, {report['precision']}: about {found['ms']:,.3g} ms. This is an "
        "estimate, not a measurement."
    )
    click.echo(
        f"Bound by memory {found['memory_ms']:,.1f} ms, by computing {found['compute_ms']:,.1f}, "
        f"by launches {found['launch_ms']:,.1f}. {'. '.join(report['sources'])}."
    )


def _print_errors(rows: list[dict[str, Any]], *, sources: bool) -> None:
    cells = [
        [f"{row['name']}, {row['phone']} {row['unit'].upper()}", f"{row['measured_ms']:,.1f}",
         f"{row['estimate_ms']:,.1f}", f"{row['error']:+.0%}"]
        for row in rows
    ]  # fmt: skip
    print_table(["measurement", "ms", "estimate", "error"], cells)
    for row in rows if sources else ():
        note = f" {row['note']}" if row["note"] else ""
        click.echo(f"{row['name']}: {row['source']}.{note}")
