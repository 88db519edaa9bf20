"""`lpie verify`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpie.cli.format import json_option, print_json, print_table

if TYPE_CHECKING:
    from lpie.export.verification.runtimes import Found


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--photos",
    type=click.Path(path_type=Path),
    help="Degraded photos to compare on.  [default: those of the run, or built-in]",
)
@click.option("--gpu", is_flag=True, help="Also on this machine's GPU, in float32 and float16.")
@click.option(
    "--also",
    "others",
    multiple=True,
    metavar="NAME=COMMAND",
    help="Also with the Python that COMMAND starts: an old runtime, an emulator. Repeatable.",
)
@click.option(
    "--heat-map",
    type=click.Path(path_type=Path),
    help="Write a PNG of the worst tile: the network's, the file's, their difference.",
)
@json_option
def verify(
    model: Path,
    file: Path,
    photos: Path | None,
    gpu: bool,
    others: tuple[str, ...],
    heat_map: Path | None,
    as_json: bool,
) -> None:
    """Compare FILE (a .tflite) with MODEL (a run, a .keras file or a pretrained network) it came from.

    It runs by XNNPACK, TFLite's built-in and its reference kernels, which lack ops, and where the
    options say; of several sizes the first, beyond 512x512 at 256x256. Exits with 1 where it does
    not run, but for the reference kernels, or strays further than its recipe may.

    \b
    Columns:
      output, residual   PSNR in dB, of the residual (output - input) too, which an output hides
      correlation        of the residuals
      worst tile         PSNR in dB of the output in the worst 32x32 pixels
      ramp               levels of 256 left of a smooth grey ramp; fewer than the network's: banding
      largest            difference from the first row, in levels of 256

    \b
    Examples:
      lpie verify denoise denoise_int8.tflite --gpu --heat-map worst.png
      lpie verify runs/mine mine.tflite --also "tflite-runtime 2.14=old/bin/python"
      lpie verify denoise denoise_int8.tflite \\
          --also "Arm=qemu-aarch64 -cpu cortex-a76 -L root root/usr/bin/python3.11"
    """
    from lpie.errors import InputError, LpieError
    from lpie.export.calibration import photos_for
    from lpie.export.recipes import RECIPES
    from lpie.export.verification.runtimes import CPU, GPU, also, compare_places
    from lpie.image.image import write_image
    from lpie.models.load import load_keras
    from lpie.tflite.model import TfliteModel

    if heat_map and heat_map.suffix.lower() != ".png":
        raise InputError(f"The heat map's name must end in .png. Received: {heat_map}.")
    places = [*CPU, *(GPU if gpu else ()), *map(also, others)]
    exported = TfliteModel.read(file)
    spec = exported.spec
    recipe = RECIPES[spec.recipe if spec and spec.recipe in RECIPES else "int8"]  # asks least
    network = load_keras(model)
    found, worst = compare_places(network, exported, photos_for(model, photos), places)
    if heat_map and worst is not None:
        write_image(heat_map, worst)
    bad = [each.place for each in found if not each.within(recipe.budget)]
    if as_json:
        print_json({"file": str(file), "places": [dataclasses.asdict(each) for each in found]})
    else:
        _show(found)
    if bad:
        raise LpieError(f"{file} is not what its recipe promises on: {', '.join(bad)}.")


def _show(found: list["Found"]) -> None:
    header = ("place", "output", "residual", "correlation", "worst tile", "ramp", "largest")
    rows = [
        (
            each.place,
            f"{each.output_psnr_db:.1f}",
            f"{each.residual_psnr_db:.1f}",
            f"{each.residual_correlation:.5f}",
            f"{each.worst_tile_psnr_db:.1f}",
            f"{each.ramp_levels} of {each.network_levels}",
            f"{each.largest_difference:.2g}",
        )
        for each in found
        if not each.failure
    ]
    if rows:
        print_table(header, rows)
    for each in found:
        click.echo(f"{each.place}: {each.failure or each.runtime}")
