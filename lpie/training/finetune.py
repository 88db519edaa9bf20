"""Fine-tuning of a trained network: plainly, with the rounding of int8, pruned or clustered."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lpie.config.config import Config, overridden
from lpie.errors import InputError
from lpie.training.run import settings_of
from lpie.weights import is_name, pretrained

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
# The weights that are left have to move: 0.4 dB over 2e-4 for half zeros; clusters lose by it.
PRUNING_RATE = "train.learning_rate=1e-3"


def finetune(
    model: Path | str, workdir: Path | str, *, overrides: Sequence[str] = (), progress: bool = True
) -> dict[str, Any]:
    """Fine-tune a trained network: on its own data, with a short and gentle schedule.

    The settings are those that `model` was trained with, except for the optimizer: Adam for 2,000
    steps at a learning rate of 2e-4, in float32. Calling it again resumes an interrupted run.

    Args:
        model: The folder of a run, the name of a pretrained network, or a `.keras` file of a
            network of your own. The last two need photos: `overrides=["data.folder=PHOTOS"]`.
        workdir: The folder of the new run.
        overrides: Settings to replace, each `"section.key=value"` with the value as TOML
            writes it, for example `"train.steps=500"`.
        progress: Whether to show a progress bar on standard error.

    Returns:
        The scores of the new run, as `lpie.train` returns them.

    Raises:
        InputError: `model` is no run and no pretrained network, or a setting is refused.
        LpieError: The loss is not finite, or the disk is full; the last checkpoint stays.
    """
    return _train(_settings(model, overrides), workdir, progress)


def quantize_aware_train(
    model: Path | str, workdir: Path | str, *, overrides: Sequence[str] = (), progress: bool = True
) -> dict[str, Any]:
    """Fine-tune with quantization-aware training (QAT), for a better int8 file.

    Every step rounds weights and activations as int8 does (Jacob et al., CVPR 2018,
    arXiv:1712.05877), and validations score the rounded network. Export the run with
    `recipe="qat_int8"`. Needs `pip install 'lpie[train,qat]'` and Keras on TensorFlow.

    Args:
        model: The folder of a run, the name of a pretrained network, or a `.keras` file, as of
            `lpie.finetune`.
        workdir: The folder of the new run.
        overrides: Settings to replace, as of `lpie.finetune`, whose schedule is used.
        progress: Whether to show a progress bar on standard error.

    Returns:
        The scores of the new run, as `lpie.train` returns them.

    Raises:
        InputError: As of `lpie.finetune`, or the network has a layer that cannot be rounded.
        LpieError: As of `lpie.finetune`.
    """
    return _train(
        _settings(model, ["train.quantization_aware=true", *overrides]), workdir, progress
    )


def compress(
    model: Path | str,
    workdir: Path | str,
    *,
    sparsity: float = 0.0,
    clusters: int = 0,
    overrides: Sequence[str] = (),
    progress: bool = True,
) -> dict[str, Any]:
    """Fine-tune with pruning or weight clustering, for smaller packages.

    The file keeps its size; it becomes smaller when it is packed, as in an app. Depthwise kernels
    and those of fewer than 64 weights stay as they are. Needs `pip install 'lpie[train,qat]'` and
    Keras on TensorFlow.

    Args:
        model: The folder of a run, the name of a pretrained network, or a `.keras` file, as of
            `lpie.finetune`.
        workdir: The folder of the new run.
        sparsity: The share of each kernel's weights that ends at zero, above 0 and below 1
            (Zhu and Gupta, 2017, arXiv:1710.01878). The learning rate is then 1e-3.
        clusters: How many different values each kernel may have, 2 to 256 (Han et al.,
            ICLR 2016, arXiv:1510.00149). Exactly one of `sparsity` and `clusters` is needed.
        overrides: Settings to replace, as of `lpie.finetune`, whose schedule is used.
        progress: Whether to show a progress bar on standard error.

    Returns:
        The scores of the new run, as `lpie.train` returns them.

    Raises:
        InputError: As of `lpie.finetune`; or both of `sparsity` and `clusters` are set, neither
            is, or one is out of its range; or the network has a layer that cannot be compressed.
        LpieError: As of `lpie.finetune`.
    """
    _check(sparsity, clusters)
    asked = [f"train.sparsity={sparsity}", PRUNING_RATE] if sparsity else []
    asked += [f"train.clusters={clusters}"] if clusters else []
    return _train(_settings(model, [*asked, *overrides]), workdir, progress)


def _check(sparsity: float, clusters: int) -> None:
    """Raise an `InputError` unless exactly one of both is set, and in its range."""
    if bool(sparsity) == bool(clusters):
        raise InputError(
            "Give one of `sparsity` and `clusters`, above 0. "
            f"Received: {sparsity:g} and {clusters}. Try `sparsity` 0.5."
        )
    if sparsity and not 0 < sparsity < 1:
        raise InputError(
            f"`sparsity` must be above 0 and below 1. Received: {sparsity:g}. Try 0.5."
        )
    if clusters and not 2 <= clusters <= 256:
        raise InputError(f"`clusters` must be in 2 to 256. Received: {clusters}. Try 16.")


def _settings(model: Path | str, overrides: Sequence[str]) -> Config:
    """The settings of the run or pretrained network `model`, changed to fine-tune it."""
    table = settings_of(Path(model))
    # `overparameterized` is dropped: initial weights are folded where they do not fit otherwise.
    table["model"].get("hyperparameters", {}).pop("overparameterized", None)
    if Path(model).is_file():  # which comes with its weights
        table["data"]["source"] = "clean"
        return overridden(table, [*GENTLE, *overrides])
    table.setdefault("train", {})["initial_weights"] = str(model)
    if is_name(model):  # its photos are elsewhere, and the four built-in ones would not do
        table["data"]["source"] = pretrained()[str(model)]["source"]
    return overridden(table, [*GENTLE, *overrides])


def _train(config: Config, workdir: Path | str, progress: bool) -> dict[str, Any]:
    from lpie.training.trainer import train  # imports Keras, so only after all checks

    return train(config, workdir, progress=progress)
