"""`lpie train`, `lpie quantize-aware` and `lpie compress`."""

import os
from pathlib import Path
from typing import Any

import click

from lpie.cli.format import echo, json_option, print_json
from lpie.cli.options import command, option
from lpie.cli.paths import PATH

workdir_option = click.option(
    "--workdir",
    type=PATH,
    required=True,
    help="Folder of the run: settings, checkpoint, models, log and sample pictures.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Replace one setting; the value is written as in TOML. Repeatable.",
)


@command()
@click.argument("config", type=PATH)
@workdir_option
@set_option
@click.option(
    "--skip-bad", is_flag=True, help="Skip photos that cannot be used, and report how many."
)
@click.option(
    "--devices",
    default="1",
    show_default=True,
    help="Devices to train on: a number, all, tpu, or cpu:N for N simulated ones.",
)
@option(
    "--hosts",
    default="",
    metavar="ADDRESS:PORT,...",
    help="All processes of a distributed run, or auto: those of TF_CONFIG or Slurm. WORKDIR must "
    "then be a folder that they share.",
    advanced=True,
)
@option(
    "--host",
    type=int,
    default=0,
    show_default=True,
    help="Position of this process in --hosts, from 0.",
    advanced=True,
)
@option(
    "--secret-file",
    type=PATH,
    help="File with the secret of a distributed run.  [default: $LPIE_JOB_SECRET, else host 0 "
    "makes one in WORKDIR]",
    advanced=True,
)
@json_option
def train(
    config: Path,
    workdir: Path,
    overrides: tuple[str, ...],
    skip_bad: bool,
    devices: str,
    hosts: str,
    host: int,
    secret_file: Path | None,
    as_json: bool,
) -> None:
    """Train the network that CONFIG (a TOML file) describes, in the folder WORKDIR.

    Run the same command again to resume. CONFIG lists only what differs from the defaults.

    \b
    Examples:
      lpie train configs/smoke.toml --workdir runs/smoke
      lpie train configs/smoke.toml --workdir runs/long --set train.steps=20000
      lpie train my.toml --workdir runs/mine --set data.degrade.noise_sigma=[0,55]
      lpie train my.toml --workdir runs/mine --devices all
      lpie train my.toml --workdir /nfs/mine --hosts a:9000,b:9000 --host 1 --devices all
    """
    from lpie.config.config import load_config

    settings = load_config(config, [*overrides, *(["data.skip_bad=true"] if skip_bad else [])])
    from lpie.training.trainer import train as run_training

    addresses = [address.strip() for address in hosts.split(",")] if hosts else []
    if hosts == "auto":
        from lpie.training.distribution.launchers import hosts_of

        addresses, host = hosts_of(os.environ)
    result = run_training(
        settings,
        workdir,
        devices=devices,
        hosts=addresses,
        host=host,
        secret_file=secret_file,
        progress=not as_json,
    )
    if not host:  # host 0 reports for all
        show_training(workdir, result, as_json)


@command()
@click.argument("model", type=PATH)
@workdir_option
@set_option
@json_option
def quantize_aware(model: Path, workdir: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Fine-tune MODEL with quantization-aware training (QAT), for a better int8 file.

    MODEL is a run, a pretrained network or a .keras file of your own. Every step rounds weights and
    activations as int8 does, by tensorflow-model-optimization (pip install 'lpie[train,qat]'), and
    validations score the rounded network. The settings are those of MODEL except for the optimizer:
    Adam for 2,000 steps at a learning rate of 2e-4, in float32. The last two need photos: --set
    data.folder=PHOTOS. Run the same command again to resume.

    \b
    Examples:
      lpie train configs/smoke.toml --workdir runs/smoke
      lpie quantize-aware runs/smoke --workdir runs/smoke-int8
      lpie quantize-aware denoise --workdir runs/int8 \\
          --set data.folder=PHOTOS
      lpie export runs/smoke-int8 --recipe qat_int8
    """
    from lpie.training.finetune import quantize_aware_train

    result = quantize_aware_train(model, workdir, overrides=overrides, progress=not as_json)
    show_training(workdir, result, as_json)


@command()
@click.argument("model", type=PATH)
@workdir_option
@click.option(
    "--sparsity",
    type=float,
    default=0.0,
    help="Prune: share of each kernel's weights that ends at zero, above 0 and below 1.",
)
@click.option(
    "--clusters",
    type=int,
    default=0,
    help="Cluster: number of different values in each kernel, 2 to 256.",
)
@set_option
@json_option
def compress(
    model: Path,
    workdir: Path,
    sparsity: float,
    clusters: int,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fine-tune MODEL with pruning or weight clustering, for smaller packages.

    MODEL is a run, a pretrained network or a .keras file of your own. Give one of --sparsity and
    --clusters. Works by tensorflow-model-optimization (pip install 'lpie[train,qat]'). The settings
    are those of MODEL except for the optimizer: Adam for 2,000 steps at a learning rate of 1e-3
    (2e-4 with clusters), in float32. The last two need photos: --set data.folder=PHOTOS. Depthwise
    kernels and those of fewer than 64 weights stay as they are. `lpie export` reports the size of a
    file when it is packed, as in an app. Run the same command again to resume.

    \b
    Examples:
      lpie train configs/smoke.toml --workdir runs/smoke
      lpie compress runs/smoke --workdir runs/sparse --sparsity 0.5
      lpie compress denoise --workdir runs/clustered --clusters 16 \\
          --set data.folder=PHOTOS
      lpie export runs/sparse --recipe int8
    """
    from lpie.training.finetune import compress as run_compression

    result = run_compression(
        model,
        workdir,
        sparsity=sparsity,
        clusters=clusters,
        overrides=overrides,
        progress=not as_json,
    )
    show_training(workdir, result, as_json)


def show_training(workdir: Path, result: dict[str, Any], as_json: bool) -> None:
    """Print the scores of a training run."""
    if as_json:
        print_json(result)
        return
    for reason in result["skipped"]:
        echo(f"Left out: {reason}", err=True)
    gain = result["psnr_db"] - result["degraded_psnr_db"]
    echo(
        f"{workdir}: {result['steps']} steps on {result['photos']} photos. Validation: "
        f"{result['psnr_db']:.2f} dB PSNR, SSIM {result['ssim']:.4f} ({gain:+.2f} dB over the "
        f"degraded input). Best: {result['best_psnr_db']:.2f} dB at step {result['best_step']}."
    )
