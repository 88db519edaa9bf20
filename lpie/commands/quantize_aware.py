"""`lpie quantize-aware`."""

from pathlib import Path

import click

from lpie.commands.output import json_option
from lpie.commands.train import show_training

# Short and gentle: the network can do its task already.
SETTINGS = (
    "train.quantization_aware=true",
    "train.optimizer=adam",
    "train.precision=float32",
    "train.progressive=[]",
    "train.steps=2000",
    "train.learning_rate=2e-4",
    "train.warmup_steps=100",
    "train.validate_every=500",
)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--workdir", type=click.Path(path_type=Path), required=True, help="The new run.")
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Replace one setting."
)
@json_option
def quantize_aware(model: Path, workdir: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Train MODEL (a run or a shipped network) further as the int8 file it is to become.

    Everything is rounded in every step, by tensorflow-model-optimization (pip install
    'lpie[train,qat]'). The settings are those of MODEL but for 2,000 steps at a rate of 2e-4;
    validations score the rounded network. Running it again resumes.

    \b
    Examples:
      lpie quantize-aware runs/mine --workdir runs/mine-int8
      lpie quantize-aware denoise --workdir runs/int8 --set data.source=clean \\
          --set data.folder=PHOTOS
      lpie export runs/mine-int8 --recipe qat_int8
    """
    from lpie.config import overridden
    from lpie.run import settings_of

    settings = settings_of(model)
    settings["model"].get("hyperparameters", {}).pop("overparameterized", None)  # folded
    given = [f"train.initial_weights={model}", *SETTINGS, *overrides]
    config = overridden(settings, given)
    from lpie.training import train

    show_training(workdir, train(config, workdir, progress=not as_json), as_json)
