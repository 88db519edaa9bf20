"""`lpie quantize-aware`."""

from pathlib import Path

import click

from lpie.cli.format import json_option
from lpie.cli.training.train import train_further


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--workdir", type=click.Path(path_type=Path), required=True, help="The new run.")
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Replace one setting."
)
@json_option
def quantize_aware(model: Path, workdir: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Train MODEL (a run or a pretrained network) further as the int8 file it is to become.

    Everything is rounded in every step, by tensorflow-model-optimization (pip install
    'lpie[train,qat]'). The settings are those of MODEL but for the optimizer: Adam for 2,000 steps
    at a rate of 2e-4, in float32. A pretrained network wants its photos: --set data.folder=PHOTOS.
    Validations score the rounded network. Running it again resumes.

    \b
    Examples:
      lpie quantize-aware runs/mine --workdir runs/mine-int8
      lpie quantize-aware denoise --workdir runs/int8 \\
          --set data.folder=PHOTOS
      lpie export runs/mine-int8 --recipe qat_int8
    """
    train_further(model, workdir, ["train.quantization_aware=true", *overrides], as_json)
