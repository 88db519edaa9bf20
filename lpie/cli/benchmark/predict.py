"""`lpie predict`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpie.cli.benchmark.predict_npu import (
    npu_estimate,
    plain_fit,
    print_npu_estimate,
    print_npu_fits,
)
from lpie.cli.format import echo, json_option, print_json, print_table
from lpie.cli.options import command, option
from lpie.cli.paths import PATH

if TYPE_CHECKING:
    from lpie.benchmarks.predict.predict import Published, Unit
    from lpie.tflite.model import TfliteModel


@command()
@click.argument("file", required=False, type=PATH)
@click.option(
    "--phone", "name", help="Phone, or its processor, such as pixel-8a or snapdragon-888."
)
@click.option(
    "--size", help="Image size: WIDTHxHEIGHT, fhd or 4k.  [default: the size in the file]"
)
@option(
    "--unit",
    "unit",
    old=("--on",),
    type=click.Choice(["gpu", "npu"]),
    default="gpu",
    show_default=True,
    help="Unit of the phone that runs the network.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp16", "fp32", "int8", "int16"]),
    help="Number format that the phone computes in.  [default: fp16; on an NPU that of FILE]",
)
@click.option("--errors", is_flag=True, help="Only compare estimates with published measurements.")
@json_option
def predict(
    file: Path | None,
    name: str | None,
    size: str | None,
    unit: "Unit",
    precision: str | None,
    errors: bool,
    as_json: bool,
) -> None:
    """Estimate how long FILE, a .tflite or a pretrained network, would take on a phone.

    This is an estimate, not a measurement. On a GPU it is a roofline: each op takes as long as its
    multiply-adds, its bytes or its launch demand, at fixed shares of the phone's peaks
    (benchmarks/predict/phones.toml). On the NPU of a Snapdragon it is what Qualcomm's own compiler
    expects, fitted to published latencies (needs the extra lpie[npu]). The errors of such estimates
    against published measurements are printed beside it. To measure, use `lpie bench --device`.

    \b
    Examples:
      lpie predict denoise --phone pixel-8a --size fhd
      lpie predict int8_1920x1080.tflite --phone galaxy-s24 --unit npu
      lpie predict --errors
    """
    from lpie.benchmarks.predict.npu import npu_fits
    from lpie.benchmarks.predict.predict import published
    from lpie.errors import InputError

    if errors == (file is not None) or errors == (name is not None):
        raise InputError("Give FILE and --phone NAME, or --errors alone.")
    report = {} if file is None or name is None else _estimate(file, name, size, unit, precision)
    comparisons = [_row(measurement) for measurement in published()]
    if as_json:
        fits = [plain_fit(fit) for fit in npu_fits()] if errors else []
        print_json({**report, "published": comparisons, **({"npu": fits} if errors else {})})
        return
    if "vendor" in report:
        print_npu_estimate(report)
        return
    if report:
        _print_estimate(report)
    echo("Estimates beside published measurements:")
    _print_errors(comparisons, sources=not report)
    if errors:
        print_npu_fits([plain_fit(fit) for fit in npu_fits()])


def _estimate(
    file: Path, name: str, size: str | None, unit: "Unit", precision: str | None
) -> dict[str, Any]:
    """Return what is estimated and of what, ready for JSON."""
    from lpie.size import Size
    from lpie.tflite.model import TfliteModel
    from lpie.weights import tflite_file

    model = TfliteModel.read(tflite_file(file))
    if size:
        model = model.resized(Size.parse(size))
    about = {"file": str(file), "size": str(model.image)}
    if unit == "npu" and _of_qualcomm(name):
        return {**about, **npu_estimate(model, name, precision)}
    return {**about, **_roofline(model, name, unit, precision or "fp16")}


def _of_qualcomm(name: str) -> bool:
    """Whether `name` is a phone or chip whose NPU's maker offers an estimate."""
    from lpie.errors import InputError
    from lpie.npu.chips import npu_chip

    try:
        npu_chip(name)
    except InputError:
        return False
    return True


def _roofline(model: "TfliteModel", name: str, unit: "Unit", precision: str) -> dict[str, Any]:
    """Return what the roofline says, ready for JSON."""
    from lpie.benchmarks.predict.predict import find_phone
    from lpie.benchmarks.predict.predict import predict as estimated
    from lpie.tflite.cost import op_work

    phone = find_phone(name)
    estimate = estimated(op_work(model), phone, unit=unit, precision=precision)
    return {
        "phone": phone.name,
        "soc": phone.soc,
        "unit": unit,
        "precision": precision,
        "estimate": dataclasses.asdict(estimate),
        "sources": phone.sources,
    }


def _row(published: "Published") -> dict[str, Any]:
    return {
        **dataclasses.asdict(published),
        "estimate_ms": published.estimate.ms,
        "error": published.error,
    }


def _print_estimate(report: dict[str, Any]) -> None:
    estimate = report["estimate"]
    echo(
        f"{report['file']} at {report['size']} on {report['phone']} ({report['soc']}), "
        f"{report['unit'].upper()}, {report['precision']}: an estimated {estimate['ms']:,.3g} ms. "
        "This is an estimate, not a measurement."
    )
    echo(
        f"Of these, memory bounds {estimate['memory_ms']:,.1f} ms, computing "
        f"{estimate['compute_ms']:,.1f} and launches {estimate['launch_ms']:,.1f}. "
        f"{'. '.join(report['sources'])}."
    )


def _print_errors(rows: list[dict[str, Any]], *, sources: bool) -> None:
    cells = [
        [
            f"{row['name']}, {row['phone']} {row['unit'].upper()}",
            f"{row['measured_ms']:,.1f}",
            f"{row['estimate_ms']:,.1f}",
            f"{row['error']:+.0%}",
        ]
        for row in rows
    ]
    print_table(["measurement", "measured ms", "estimated ms", "error"], cells)
    for row in rows if sources else ():
        note = f" {row['note']}" if row["note"] else ""
        echo(f"{row['name']}: {row['source']}.{note}")
