"""`lpie compress`."""

from pathlib import Path

import click

from lpie.cli.format import json_option
from lpie.cli.training.train import train_further
from lpie.errors import InputError

# The weights that are left have to move: 0.4 dB over 2e-4 for half zeros; clusters lose by it.
PRUNING = "train.learning_rate=1e-3"


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--workdir", type=click.Path(path_type=Path), required=True, help="The new run.")
@click.option("--sparsity", type=float, help="The share of each kernel's weights to end at zero.")
@click.option("--clusters", type=int, help="How many different values each kernel may have.")
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Replace one setting."
)
@json_option
def compress(
    model: Path,
    workdir: Path,
    sparsity: float | None,
    clusters: int | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train MODEL (a run or a pretrained network) further, pruned or clustered: smaller when packed.

    By tensorflow-model-optimization (pip install 'lpie[train,qat]'). The settings are those of
    MODEL but for the optimizer: Adam for 2,000 steps at a rate of 1e-3, or 2e-4 with clusters, in
    float32. A pretrained network wants its photos: --set data.folder=PHOTOS. Depthwise kernels and
    those of fewer than 64 weights stay as they are. `lpie export` says what a file takes when it is
    packed, as in an app. Running it again resumes.

    \b
    Examples:
      lpie compress runs/mine --workdir runs/sparse --sparsity 0.5
      lpie compress denoise --workdir runs/clustered --clusters 16 \\
          --set data.folder=PHOTOS
      lpie export runs/sparse --recipe int8
    """
    if bool(sparsity) == bool(clusters):
        raise InputError(
            "Give one of `--sparsity` and `--clusters`, above 0. "
            f"Received: {sparsity or 0:g} and {clusters or 0}."
        )
    asked = [f"train.sparsity={sparsity}", PRUNING] if sparsity else [f"train.clusters={clusters}"]
    train_further(model, workdir, [*asked, *overrides], as_json)
