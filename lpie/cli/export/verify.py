"""`lpie verify`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpie.cli.export.npu import CHIPS_HELP, check_limit, limit_option, npu_option
from lpie.cli.format import echo, json_option, print_json, print_table
from lpie.cli.options import command, option
from lpie.cli.paths import PATH, read_in, refuse_overwriting

if TYPE_CHECKING:
    from lpie.export.verification.runtimes import Comparison, Place
    from lpie.tflite.model import TfliteModel


@command()
@click.argument("model", type=PATH)
@click.argument("file", type=PATH)
@click.option(
    "--photos",
    type=PATH,
    help="Degraded photos to compare on: a folder with all its subfolders, a file or a pattern.  "
    "[default: those of the run, or built-in ones]",
)
@click.option(
    "--gpu", is_flag=True, help="Also run the file on this computer's GPU, in float32 and float16."
)
@npu_option(
    f"Also run the file as the NPU of {CHIPS_HELP} does, or all: compiled, on Qualcomm's own "
    "emulator. Repeatable. Needs lpie[npu]."
)
@option(
    "--also",
    "others",
    multiple=True,
    metavar="NAME=COMMAND",
    help="Also run the file with the Python that COMMAND starts, such as one with an old runtime "
    "or in an emulator, and call the result NAME. Repeatable.",
    advanced=True,
)
@click.option(
    "--heat-map",
    type=PATH,
    help="Write a PNG of the tile that differs most: the network's, the file's, their difference.",
)
@limit_option()
@click.option("--force", is_flag=True, help="Overwrite an existing picture.")
@json_option
def verify(
    model: Path,
    file: Path,
    photos: Path | None,
    gpu: bool,
    npus: tuple[str, ...],
    others: tuple[str, ...],
    heat_map: Path | None,
    npu_limit_s: float,
    force: bool,
    as_json: bool,
) -> None:
    """Compare FILE (a .tflite) with its MODEL (a run, a .keras file or a pretrained network).

    FILE runs by XNNPACK, by TFLite's built-in kernels, by its reference kernels, which lack some
    ops, and where the options say. Of a file of several sizes the first is compared; a file larger
    than 512x512 is compared at 256x256. A FILE that is compiled for an NPU runs on the emulator of
    its chip alone, at its own size. The command exits with 1 if FILE does not run somewhere
    (the reference kernels excepted), or strays from MODEL further than its recipe allows.

    \b
    Columns:
      output, residual   PSNR in dB, of the residual (output - input) too, which an output hides
      correlation        of the residuals
      worst tile         PSNR in dB of the output in the worst 32x32 pixels
      ramp               levels of 256 left of a smooth grey ramp; fewer than the network's: banding
      largest            difference from the first row, in levels of 256

    \b
    Examples:
      lpie export denoise --recipe int8 --size 256x256 -o denoise_int8.tflite
      lpie verify denoise denoise_int8.tflite --heat-map worst.png
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
    from lpie.system.files import refuse_existing
    from lpie.tflite.model import TfliteModel

    refuse_overwriting([heat_map], [*read_in(model), file, photos])
    exported = TfliteModel.read(file)
    check_limit(npu_limit_s)
    places = [*CPU, *(GPU if gpu else ()), *map(also, others)]
    places = [*([] if exported.compiled_for_npu else places), *_npus(exported, npus, npu_limit_s)]
    spec = exported.spec
    recipe = RECIPES[spec.recipe if spec and spec.recipe in RECIPES else "int8"]  # asks least
    network = load_keras(model)
    if heat_map and heat_map.suffix.lower() != ".png":
        raise InputError(
            f"The name of `heat_map` must end in .png. Received: {heat_map}. "
            f"Try {heat_map.with_suffix('.png')}."
        )
    if heat_map:
        refuse_existing(heat_map, force=force)
    results, worst = compare_places(network, exported, photos_for(model, photos), places)
    if heat_map and worst is not None:
        write_image(heat_map, worst)
    budgets = {place.name: recipe.npu_budget if place.npu else recipe.budget for place in places}
    bad = [result.place for result in results if not result.within(budgets[result.place])]
    if as_json:
        print_json(
            {"file": str(file), "places": [dataclasses.asdict(result) for result in results]}
        )
    else:
        _show(results)
    if bad:
        raise LpieError(f"{file} is not what its recipe promises on: {', '.join(bad)}.")


def _npus(file: "TfliteModel", npus: tuple[str, ...], limit_s: float) -> list["Place"]:
    """The NPUs on whose emulators a file is run."""
    from lpie.export.verification.npu import chips_for
    from lpie.export.verification.runtimes import Place
    from lpie.npu.chips import npu_chips
    from lpie.npu.tools import npu_tools

    chips = chips_for(file, npu_chips(npus))
    if chips:
        npu_tools()
    return [Place(f"NPU {chip.soc}", npu=chip, limit_s=limit_s) for chip in chips]


def _show(results: list["Comparison"]) -> None:
    header = ("place", "output", "residual", "correlation", "worst tile", "ramp", "largest")
    rows = [
        (
            result.place,
            f"{result.output_psnr_db:.1f}",
            f"{result.residual_psnr_db:.1f}",
            f"{result.residual_correlation:.5f}",
            f"{result.worst_tile_psnr_db:.1f}",
            f"{result.ramp_levels} of {result.network_levels}",
            f"{result.largest_difference:.2g}",
        )
        for result in results
        if not result.failure
    ]
    if rows:
        print_table(header, rows)
    for result in results:
        echo(f"{result.place}: {result.failure or result.runtime}")
