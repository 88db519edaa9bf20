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
    """The network to train."""

    # Name of the network; `lpie models` lists them.
    name: str = "lpienet"
    # Whatever differs from the defaults of the network's own function, for example
    # { activation = "relu" }.
    hyperparameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataConfig:
    """The photos to train and validate on, and how crops are cut from them."""

    # Where photos come from: "builtin" (photographs inside scikit-image), "clean" (a folder of
    # clean photos, which are degraded synthetically), "pairs" (folders `degraded` and `target` of
    # photos of the same names) or "shards" (what `lpie data prepare` writes).
    source: Literal["builtin", "clean", "pairs", "shards"] = "builtin"
    # Folder of the photos; relative to the TOML file. Not for "builtin".
    folder: str = ""
    # Folder to validate on. Empty: the built-in validation photograph, the `validation` split of
    # shards, or the photos that `validation_fraction` holds back.
    validation_folder: str = ""
    # Share of the photos in `folder` that is held back for validation, above 0 and below 1.
    validation_fraction: float = 0.1
    # Folder of real pairs to train on beside clean photos, and the share of crops taken from it.
    real_pairs: str = ""
    real_share: float = 0.0
    # Width and height of a crop, in pixels.
    patch_px: int = 64
    # Turn crops by 90, 180 or 270 degrees and mirror them, at random.
    augment: bool = True
    # Share of clean crops that get other colours, see lpie.data.augment.
    vary_colours: float = 0.0
    # How many times a clean crop is reduced in size: a pair (low, high), drawn on a logarithmic
    # scale; (1, 1) leaves crops as they are. Reduced crops are sharp to the pixel.
    downscale: tuple[float, float] = (1.0, 1.0)
    # Mix two crops with a weight drawn from Beta(mixup, mixup); 0 turns it off.
    mixup: float = 0.0
    # Skip photos that cannot be used, instead of stopping at the first one.
    skip_bad: bool = False
    # Number of threads that make batches ahead; it does not change the batches.
    workers: int = 1
    # How clean photos are degraded.
    degrade: DegradeConfig = field(default_factory=DegradeConfig)


@dataclass(frozen=True)
class LossConfig:
    """Weight of each part of the loss; a part of weight 0 is not computed.

    The LPIENet paper calls `l1` alpha and `gradient` beta.
    """

    # 1 - SSIM, with a Gaussian window of 11x11.
    ssim: float = 1.0
    # Mean absolute error.
    l1: float = 1.0
    # Mean absolute error of the gradients' magnitudes.
    gradient: float = 0.1
    # Charbonnier loss: an L1 that is smooth at zero.
    charbonnier: float = 0.0
    # Mean squared error.
    mse: float = 0.0
    # Negative PSNR in dB, over RGB or over luma.
    psnr: float = 0.0
    psnr_y: float = 0.0
    # Mean absolute error of the spectra.
    fft: float = 0.0
    # Mean absolute error to the output of `train.teacher`.
    distillation: float = 0.0


@dataclass(frozen=True)
class TrainConfig:
    """The optimization."""

    # Number of optimizer steps in all.
    steps: int = 20_000
    # Crops in a step, over all devices together.
    batch_size: int = 16
    # Number of parts of a batch that are computed one after another, to save memory; the gradient
    # of a step is their mean.
    accumulate: int = 1
    # Larger crops later: a list of [first step, patch_px, batch_size].
    progressive: tuple[tuple[int, int, int], ...] = ()
    # Initial weights: "keras" (the layers' own), or "balanced" on the first batch, see
    # lpie.models.graph.initialization.
    start: Literal["keras", "balanced"] = "keras"
    # A run, a .keras file or a pretrained network of the same shapes to start from instead.
    initial_weights: str = ""
    # A run, a .keras file or a pretrained network to learn from, see `loss.distillation`.
    teacher: str = ""
    # Precision of the computation; weights are float32 in any case.
    precision: Literal["float32", "bfloat16"] = "float32"
    # "adam" (AdamW), or "muon", which learns faster (docs/lpienet_rt.md).
    optimizer: Literal["adam", "muon"] = "adam"
    # Quantization-aware training: round as int8 does in every step, for a few more steps of a
    # network that will be int8. Needs tensorflow-model-optimization and one device.
    quantization_aware: bool = False
    # Pruning: the share of each convolution kernel's weights that is zero after two thirds of the
    # steps, below 1; 0 prunes nothing. Needs tensorflow-model-optimization and one device.
    sparsity: float = 0.0
    # Weight clustering: how many different values each convolution kernel may have, 2 to 256; 0
    # leaves kernels free. Needs tensorflow-model-optimization and one device.
    clusters: int = 0
    # Largest learning rate, and the one at the end of the cosine schedule.
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    # Number of steps in which the learning rate rises from zero.
    warmup_steps: int = 200
    # Decoupled weight decay (AdamW).
    weight_decay: float = 0.0
    # Largest norm of all gradients together; 0 leaves them as they are.
    clip_norm: float = 1.0
    # Momentum of the moving average of the weights, below 1; 0 turns the average off.
    ema_momentum: float = 0.999
    # Steps between rows of the log, and between validations.
    log_every: int = 50
    validate_every: int = 500
    # Stop after so many validations without a better PSNR; 0 never stops early.
    patience: int = 0
    # Random seed of weights, crops and degradations.
    seed: int = 0

    def compressions(self) -> int:
        """How many of quantization, pruning and clustering are turned on."""
        return sum(map(bool, (self.quantization_aware, self.sparsity, self.clusters)))


@dataclass(frozen=True)
class Config:
    """Everything that decides the weights of a run."""

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


# (whether it holds, the setting, "must be ...", what was received)
Rule = tuple[object, str, str, object]


def _check(config: Config) -> None:
    rules = [*_train_rules(config), *_data_rules(config.data), *_loss_rules(config)]
    for holds, name, rule, received in rules:
        if not holds:
            raise InputError(f"{name} must be {rule}. Received: {received}.")
    check_degrade(config.data.degrade)


def _train_rules(config: Config) -> list[Rule]:
    train = config.train
    smallest = {
        "steps": 1,
        "batch_size": 1,
        "accumulate": 1,
        "log_every": 1,
        "validate_every": 1,
        "warmup_steps": 0,
        "patience": 0,
        "seed": 0,
        "clip_norm": 0,
        "weight_decay": 0,
        "final_learning_rate": 0,
    }
    values = {name: getattr(train, name) for name in smallest}
    even = train.accumulate < 1 or all(b % train.accumulate == 0 for _, b in config.stages())
    compressions = (train.quantization_aware, train.sparsity, train.clusters)
    return [
        *((values[k] >= n, f"train.{k}", f"at least {n}", values[k]) for k, n in smallest.items()),
        (train.learning_rate > 0, "train.learning_rate", "above 0", train.learning_rate),
        (0 <= train.ema_momentum < 1, "train.ema_momentum", "in [0, 1)", train.ema_momentum),
        (
            even,
            "train.batch_size",
            f"a multiple of train.accumulate = {train.accumulate} in every stage",
            train.batch_size,
        ),
        (
            list(train.progressive) == sorted(train.progressive),
            "train.progressive",
            "sorted by first step",
            train.progressive,
        ),
        (
            all(p >= 16 and b >= 1 for _, p, b in train.progressive),
            "train.progressive",
            "of patches of at least 16 px and batches of at least 1",
            train.progressive,
        ),
        (
            train.precision == "float32" or not train.quantization_aware,
            "train.precision",
            "float32 with train.quantization_aware, as bfloat16 has too few levels",
            train.precision,
        ),
        (0 <= train.sparsity < 1, "train.sparsity", "in [0, 1)", train.sparsity),
        (
            train.clusters == 0 or 2 <= train.clusters <= 256,
            "train.clusters",
            "0 or in 2 to 256",
            train.clusters,
        ),
        (
            train.compressions() <= 1,
            "train.quantization_aware, train.sparsity or train.clusters",
            "used alone, as each undoes the others",
            compressions,
        ),
        (
            train.precision == "float32" or not train.compressions(),
            "train.precision",
            "float32 with train.sparsity or train.clusters",
            train.precision,
        ),
    ]


def _data_rules(data: DataConfig) -> list[Rule]:
    return [
        (data.patch_px >= 16, "data.patch_px", "at least 16", data.patch_px),
        (data.workers >= 1, "data.workers", "at least 1", data.workers),
        (
            0 < data.validation_fraction < 1,
            "data.validation_fraction",
            "in (0, 1)",
            data.validation_fraction,
        ),
        (
            data.source == "builtin" or data.folder,
            "data.folder",
            f"set for data.source = {data.source!r}, to the folder of the photos",
            "none",
        ),
        (0 <= data.vary_colours <= 1, "data.vary_colours", "in [0, 1]", data.vary_colours),
        (
            1 <= data.downscale[0] <= data.downscale[1] <= 16,
            "data.downscale",
            "a pair low <= high of numbers in [1, 16]",
            data.downscale,
        ),
        (data.mixup >= 0, "data.mixup", "at least 0", data.mixup),
        (0 <= data.real_share < 1, "data.real_share", "in [0, 1)", data.real_share),
        (
            bool(data.real_share) == bool(data.real_pairs),
            "data.real_share",
            "above 0 exactly when data.real_pairs is set",
            data.real_share,
        ),
    ]


def _loss_rules(config: Config) -> list[Rule]:
    weights = dataclasses.asdict(config.loss)
    negative = [f"{name} = {weight}" for name, weight in weights.items() if weight < 0]
    return [
        (any(weights.values()), "loss", "of at least one weight above 0", "all weights 0"),
        (not negative, "loss", "without a negative weight", ", ".join(negative)),
        (
            bool(config.train.teacher) == bool(config.loss.distillation),
            "loss.distillation",
            "above 0 exactly when train.teacher is set",
            config.loss.distillation,
        ),
    ]
