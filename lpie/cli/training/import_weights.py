"""`lpie import-weights`."""

from pathlib import Path

import click

from lpie.cli.format import echo, json_option, print_json
from lpie.cli.options import command
from lpie.cli.paths import PATH, refuse_overwriting


@command("import-weights")
@click.argument("network")
@click.argument("file", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="The .keras file to write.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set one hyperparameter of NETWORK. Repeatable.",
)
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@json_option
def import_weights(
    network: str,
    file: Path,
    output: Path,
    overrides: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Convert released weights in FILE to a Keras model of NETWORK.

    FILE is a .safetensors, .npz or PyTorch file (.pth, .pt, .ckpt, .bin, .pkl) with the names and
    layouts of the authors' released code. Of a training checkpoint, averaged weights (EMA) come
    first; prefixes such as module. or net_g. are dropped. No code in FILE is executed, and PyTorch
    is not needed.

    \b
    Examples:
      lpie import-weights nafnet NAFNet-SIDD-width32.pth -o nafnet_sidd.keras
      lpie import-weights nafnet NAFNet-GoPro-width64.pth -o nafnet_gopro.keras \\
          --set width=64 --set encoder_blocks=[1,1,1,28] --set middle_blocks=1 \\
          --set decoder_blocks=[1,1,1,1] --set train_size=256
    """
    from lpie.config.parse import override
    from lpie.errors import InputError
    from lpie.models import build_model
    from lpie.models.released.checkpoints import check_weights, read_weights
    from lpie.system.files import atomic_path, refuse_existing

    if output.suffix != ".keras":
        raise InputError(
            f"`output` must end in .keras. Received: {output}. Try {output.stem}.keras."
        )
    refuse_existing(output, force=force)
    refuse_overwriting([output], [file])
    table: dict = {"set": {}}
    for assignment in overrides:
        override(table, f"set.{assignment}")
    check_weights(file)
    # Only now, as it imports Keras, which takes seconds.
    from lpie.models.released.released import load_released_weights, released_names

    model = build_model(network, **table["set"])
    weights = read_weights(file, released_names(model))
    load_released_weights(model, weights.arrays)
    with atomic_path(output) as temporary:
        model.save(temporary)
    if as_json:
        print_json(
            {
                "model": str(output),
                "parameters": model.count_params(),
                "place": weights.place,
                "left_out": list(weights.left_out),
            }
        )
        return
    place = f" ({weights.place})" if weights.place else ""
    echo(f"{output}: {network}, {model.count_params():,} parameters from {file.name}{place}")
    for left_out in weights.left_out:
        echo(f"Left out: {left_out}.")
