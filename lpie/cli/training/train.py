"""`lpie train`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lpie.cli.format import json_option, print_json

# Short and gentle: the network can do its task already.
GENTLE = (
    "train.optimizer=adam",
    "train.precision=float32",
    "train.progressive=[]",
    "train.steps=2000",
    "train.learning_rate=2e-4",
    "train.warmup_steps=100",
    "train.validate_every=500",
    "train.ema_momentum=0.99",
    "train.quantization_aware=false",
    "train.sparsity=0.0",
    "train.clusters=0",
)


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--workdir", type=click.Path(path_type=Path), required=True, help="The run's folder.")
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Replace one setting."
)
@click.option("--skip-bad", is_flag=True, help="Leave unreadable photos out and count them.")
@click.option(
    "--devices",
    default="1",
    show_default=True,
    help="A number, all, tpu, or cpu:N (N simulated ones).",
)
@click.option(
    "--hosts",
    default="",
    metavar="ADDRESS:PORT,...",
    help="Every process of a job over several; WORKDIR is then a folder that all of them see.",
)
@click.option("--host", type=int, default=0, help="Which of the hosts this one is, from 0.")
@json_option
def train(
    config: Path,
    workdir: Path,
    overrides: tuple[str, ...],
    skip_bad: bool,
    devices: str,
    hosts: str,
    host: int,
    as_json: bool,
) -> None:
    """Train the network that CONFIG (a TOML file) describes, in the folder WORKDIR.

    Running it again resumes. CONFIG lists only what differs from the defaults.

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

    result = run_training(
        settings, workdir, devices=devices, host=host, progress=not as_json,
        hosts=[address.strip() for address in hosts.split(",")] if hosts else [],
    )  # fmt: skip
    if not host:  # which reports for all
        show_training(workdir, result, as_json)


def train_further(model: Path, workdir: Path, settings: Sequence[str], as_json: bool) -> None:
    """Train the run or pretrained network `model` on in `workdir`, and print what it came to.

    settings: overrides of its own, after those of `GENTLE`.
    """
    from lpie.config.config import overridden
    from lpie.training.run import settings_of
    from lpie.weights import is_name, pretrained

    table = settings_of(model)
    table["model"].get("hyperparameters", {}).pop("overparameterized", None)  # it is folded
    table.setdefault("train", {})["initial_weights"] = str(model)
    if is_name(model):  # its photos are elsewhere, and four built-in ones would not do
        table["data"]["source"] = pretrained()[str(model)]["source"]
    config = overridden(table, [*GENTLE, *settings])
    from lpie.training.trainer import train as run_training

    show_training(workdir, run_training(config, workdir, progress=not as_json), as_json)


def show_training(workdir: Path, result: dict[str, Any], as_json: bool) -> None:
    """Print what a training came to."""
    if as_json:
        print_json(result)
        return
    for reason in result["skipped"]:
        click.echo(f"Left out: {reason}", err=True)
    gain = result["psnr_db"] - result["degraded_psnr_db"]
    click.echo(
        f"{workdir}: {result['steps']} steps on {result['photos']} photos. Validation "
        f"{result['psnr_db']:.2f} dB, SSIM {result['ssim']:.4f} ({gain:+.2f} dB over its degraded "
        f"input); best {result['best_psnr_db']:.2f} dB at step {result['best_step']}."
    )
