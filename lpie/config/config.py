"""The settings of a run: frozen dataclasses, the only place where defaults are written."""

import dataclasses
import json
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lpie.config.degrade import DegradeConfig, check_degrade
from lpie.config.parse import build, override
from lpie.errors import InputError


@dataclass(frozen=True)
class ModelConfig:
    """The network and whatever of its hyperparameters differs from its own defaults."""

    name: str = "lpienet"
    hyperparameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataConfig:
    """Where images come from: `builtin`, a folder of clean photos, of pairs, or of shards."""

    # "builtin" (photographs inside scikit-image), "clean", "pairs", or "shards" (what
    # `lpie data prepare` writes).
    source: Literal["builtin", "clean", "pairs", "shards"] = "builtin"
    folder: str = ""
    # For validation; empty means the built-in validation photograph, or for folders the training
    # images that `validation_fraction` holds back.
    validation_folder: str = ""
    validation_fraction: float = 0.1
    # Real pairs beside clean photos, and the share of all crops that is taken from them.
    real_pairs: str = ""
    real_share: float = 0.0
    patch_px: int = 64
    augment: bool = True
    # The share of clean crops whose colours are varied (lpie.data.augment), and how many times a
    # clean crop is reduced, drawn on a logarithmic scale.
    vary_colours: float = 0.0
    downscale: tuple[float, float] = (1.0, 1.0)
    # Two crops are mixed with a weight from Beta(mixup, mixup); 0 turns it off.
    mixup: float = 0.0
    skip_bad: bool = False
    workers: int = 1
    degrade: DegradeConfig = field(default_factory=DegradeConfig)


@dataclass(frozen=True)
class LossConfig:
    """Weight of each part; a part of weight 0 is not computed. alpha is `l1`, beta `gradient`."""

    ssim: float = 1.0
    l1: float = 1.0
    gradient: float = 0.1
    charbonnier: float = 0.0
    mse: float = 0.0
    psnr: float = 0.0
    psnr_y: float = 0.0
    fft: float = 0.0
    # L1 distance to the output of `train.teacher`.
    distillation: float = 0.0


@dataclass(frozen=True)
class TrainConfig:
    """The optimization."""

    steps: int = 20_000
    # Of all devices together.
    batch_size: int = 16
    # The gradient of a step is the mean over so many parts of the batch, one after another.
    accumulate: int = 1
    # Larger patches later: [first step, patch_px, batch_size] each.
    progressive: tuple[tuple[int, int, int], ...] = ()
    # Fresh weights: Keras' own, or balanced on the first batch (see lpie.models.graph.initialization).
    start: Literal["keras", "balanced"] = "keras"
    # A run, a .keras file or a pretrained network to start from, of the same shapes.
    initial_weights: str = ""
    # A run, a .keras file or a pretrained network to learn from (see `loss.distillation`).
    teacher: str = ""
    precision: Literal["float32", "bfloat16"] = "float32"
    # Muon learns faster (docs/lpienet_rt.md).
    optimizer: Literal["adam", "muon"] = "adam"
    # With the rounding of int8 everywhere, by tensorflow-model-optimization, on one device: for a
    # few more steps of a network that will be int8.
    quantization_aware: bool = False
    # The share of each convolution kernel's weights that ends at zero, after two thirds of the
    # steps; by tensorflow-model-optimization, as are clusters. 0 prunes nothing.
    sparsity: float = 0.0
    # How many different values a convolution's kernel may have; 0 leaves it free.
    clusters: int = 0
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warmup_steps: int = 200
    # Decoupled (AdamW).
    weight_decay: float = 0.0
    # Largest norm of all gradients together; 0 leaves them as they are.
    clip_norm: float = 1.0
    # 0 turns the moving average of the weights off.
    ema_momentum: float = 0.999
    log_every: int = 50
    validate_every: int = 500
    # Stop after so many validations without a better PSNR; 0 never stops early.
    patience: int = 0
    seed: int = 0

    def compressions(self) -> int:
        """How many of rounding, pruning and clustering are asked for."""
        return sum(map(bool, (self.quantization_aware, self.sparsity, self.clusters)))


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's weights."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def stage(self, step: int) -> tuple[int, int]:
        """(patch_px, batch_size) at `step`."""
        return self.stages()[sum(step >= first for first, _, _ in self.train.progressive)]

    def stages(self) -> list[tuple[int, int]]:
        """(patch_px, batch_size) of every stage."""
        first = self.data.patch_px, self.train.batch_size
        return [first, *((patch_px, batch) for _, patch_px, batch in self.train.progressive)]


def load_config(path: Path, overrides: typing.Sequence[str] = ()) -> Config:
    """The settings in a TOML file that lists only what differs from the defaults.

    overrides: `section.key=value` strings, the value as TOML writes it (a bare word is text).
    Relative folders are taken from where the TOML file lies, those of overrides from here.
    """
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from None
    _absolute_folders(table, path.parent)
    return overridden(table, overrides)


def overridden(table: dict[str, Any], overrides: typing.Sequence[str]) -> Config:
    """The settings in a nested mapping, which is changed, after `overrides` as of `load_config`."""
    for assignment in overrides:
        override(table, assignment)
    _absolute_folders(table, Path())
    return config_from(table)


def config_from(table: dict[str, Any]) -> Config:
    """The settings in a nested mapping; an unknown key or a value out of range is refused."""
    config = build(Config, table)
    _check(config)
    return config


def to_dict(config: Config) -> dict[str, Any]:
    """The settings as nested plain values, as JSON holds them."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def _absolute_folders(table: dict[str, Any], base: Path) -> None:
    for section, keys in {
        "data": ("folder", "validation_folder", "real_pairs"),
        "train": ("initial_weights", "teacher"),
    }.items():
        values = table.get(section)
        if not isinstance(values, dict):
            continue
        for key in keys:
            value = values.get(key)
            # A model may also be the name of a pretrained one.
            named = section == "train" and "/" not in str(value)
            if isinstance(value, str) and value and (not named or (base / value).exists()):
                values[key] = str((base / value).resolve())


def _check(config: Config) -> None:
    train, data = config.train, config.data
    rules = [
        (train.steps >= 1, "train.steps", "at least 1", train.steps),
        (train.batch_size >= 1, "train.batch_size", "at least 1", train.batch_size),
        (train.learning_rate > 0, "train.learning_rate", "above 0", train.learning_rate),
        (train.log_every >= 1, "train.log_every", "at least 1", train.log_every),
        (train.validate_every >= 1, "train.validate_every", "at least 1", train.validate_every),
        (0 <= train.ema_momentum < 1, "train.ema_momentum", "in [0, 1)", train.ema_momentum),
        (train.clip_norm >= 0, "train.clip_norm", "at least 0", train.clip_norm),
        (train.warmup_steps >= 0, "train.warmup_steps", "at least 0", train.warmup_steps),
        (train.seed >= 0, "train.seed", "at least 0", train.seed),
        (train.patience >= 0, "train.patience", "at least 0", train.patience),
        (train.weight_decay >= 0, "train.weight_decay", "at least 0", train.weight_decay),
        (train.accumulate >= 1, "train.accumulate", "at least 1", train.accumulate),
        (all(b % train.accumulate == 0 for _, b in config.stages()), "train.batch_size",
         f"a multiple of train.accumulate = {train.accumulate} in every stage", train.batch_size),
        (list(train.progressive) == sorted(train.progressive), "train.progressive",
         "in the order of its first steps", train.progressive),
        (min(p for p, _ in config.stages()) >= 16, "train.progressive",
         "of patches of at least 16 px", train.progressive),
        (train.precision == "float32" or not train.quantization_aware, "train.precision",
         "float32 with train.quantization_aware, as bfloat16 has too few levels", train.precision),
        (0 <= train.sparsity < 1, "train.sparsity", "in [0, 1)", train.sparsity),
        (train.clusters == 0 or 2 <= train.clusters <= 256, "train.clusters",
         "0 or in 2 to 256", train.clusters),
        (train.compressions() <= 1, "train.quantization_aware, train.sparsity or train.clusters",
         "given alone, as each undoes the others",
         (train.quantization_aware, train.sparsity, train.clusters)),
        (train.precision == "float32" or not train.compressions(), "train.precision",
         "float32 with train.sparsity or train.clusters", train.precision),
        (bool(train.teacher) == bool(config.loss.distillation), "loss.distillation",
         "above 0 just when train.teacher is given", config.loss.distillation),
        (0 <= data.vary_colours <= 1, "data.vary_colours", "in [0, 1]", data.vary_colours),
        (1 <= data.downscale[0] <= data.downscale[1] <= 16, "data.downscale",
         "a pair low <= high of numbers in [1, 16]", data.downscale),
        (data.mixup >= 0, "data.mixup", "at least 0", data.mixup),
        (0 <= data.real_share < 1, "data.real_share", "in [0, 1)", data.real_share),
        (bool(data.real_share) == bool(data.real_pairs), "data.real_share",
         "above 0 just when data.real_pairs is given", data.real_share),
        (data.patch_px >= 16, "data.patch_px", "at least 16", data.patch_px),
        (data.workers >= 1, "data.workers", "at least 1", data.workers),
        (0 < data.validation_fraction < 1, "data.validation_fraction", "in (0, 1)",
         data.validation_fraction),
        (any(dataclasses.astuple(config.loss)), "loss", "one weight above 0", config.loss),
        (min(dataclasses.astuple(config.loss)) >= 0, "loss", "without a negative weight",
         config.loss),
        (data.source == "builtin" or data.folder, "data.folder",
         f"given for data.source = {data.source!r}", repr(data.folder)),
    ]  # fmt: skip
    for holds, name, rule, received in rules:
        if not holds:
            raise InputError(f"{name} must be {rule}. Received: {received}.")
    check_degrade(data.degrade)
