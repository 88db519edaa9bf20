"""The settings of a run: frozen dataclasses, the only place where defaults are written."""

import dataclasses
import json
import os
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lpie.config.degrade import DegradeConfig, check_degrade
from lpie.config.parse import build, limit_broken, override
from lpie.data.degrade.degradation import setting
from lpie.errors import InputError, shown
from lpie.system.documents import read_toml

# What nobody trains with; a larger number is a slip of the pen.
MOST_STEPS, MOST_CROPS, MOST_WEIGHT = 1_000_000_000, 65_536, 1_000_000
MOST_PX = 2**31  # of the crops of a step, which lie in memory several times over


@dataclass(frozen=True)
class ModelConfig:
    """The network to train."""

    # Name of the network (`lpie models` lists them), or one of your own: a .keras file, with its
    # weights, relative to the TOML file; or "module:function" that returns a Keras network.
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
    validation_fraction: float = setting(0.1, 0, 1)
    # Folder of real pairs to train on beside clean photos, and the share of crops taken from it.
    real_pairs: str = ""
    real_share: float = setting(0.0, 0, 1)
    # How many pixels the noise of a real pair may be put beside its place, at random: few pairs
    # then give more noise.
    real_shift_px: int = setting(0, 0, 8)
    # Width and height of a crop, in pixels.
    patch_px: int = setting(64, 16, 16_384)
    # Turn crops by 90, 180 or 270 degrees and mirror them, at random.
    augment: bool = True
    # Share of clean crops that get other colours, see lpie.data.augment.
    vary_colours: float = setting(0.0, 0, 1)
    # How many times a clean crop is reduced in size: a pair (low, high), drawn on a logarithmic
    # scale; (1, 1) leaves crops as they are. Reduced crops are sharp to the pixel.
    downscale: tuple[float, float] = setting((1.0, 1.0), 1, 16)
    # Mix two crops with a weight drawn from Beta(mixup, mixup); 0 turns it off.
    mixup: float = setting(0.0, 0, 1000)
    # Skip photos that cannot be used, instead of stopping at the first one.
    skip_bad: bool = False
    # Number of threads that make batches ahead; it does not change the batches.
    workers: int = setting(1, 1, 1024)
    # How clean photos are degraded.
    degrade: DegradeConfig = field(default_factory=DegradeConfig)


@dataclass(frozen=True)
class LossConfig:
    """Weight of each part of the loss; a part of weight 0 is not computed.

    The LPIENet paper calls `l1` alpha and `gradient` beta.
    """

    # 1 - SSIM, with a Gaussian window of 11x11.
    ssim: float = setting(1.0, 0, MOST_WEIGHT)
    # Mean absolute error.
    l1: float = setting(1.0, 0, MOST_WEIGHT)
    # Mean absolute error of the gradients' magnitudes.
    gradient: float = setting(0.1, 0, MOST_WEIGHT)
    # Charbonnier loss: an L1 that is smooth at zero.
    charbonnier: float = setting(0.0, 0, MOST_WEIGHT)
    # Mean squared error.
    mse: float = setting(0.0, 0, MOST_WEIGHT)
    # Negative PSNR in dB, over RGB or over luma.
    psnr: float = setting(0.0, 0, MOST_WEIGHT)
    psnr_y: float = setting(0.0, 0, MOST_WEIGHT)
    # Mean absolute error of the spectra.
    fft: float = setting(0.0, 0, MOST_WEIGHT)
    # Mean absolute error to the output of `train.teacher`.
    distillation: float = setting(0.0, 0, MOST_WEIGHT)


@dataclass(frozen=True)
class TrainConfig:
    """The optimization."""

    # Number of optimizer steps in all.
    steps: int = setting(20_000, 1, MOST_STEPS)
    # Crops in a step, over all devices together.
    batch_size: int = setting(16, 1, MOST_CROPS)
    # Number of parts of a batch that are computed one after another, to save memory; the gradient
    # of a step is their mean.
    accumulate: int = setting(1, 1, MOST_CROPS)
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
    sparsity: float = setting(0.0, 0, 1)
    # Weight clustering: how many different values each convolution kernel may have, 2 to 256; 0
    # leaves kernels free. Needs tensorflow-model-optimization and one device.
    clusters: int = setting(0, 0, 256)
    # Largest learning rate, and the one at the end of the cosine schedule.
    learning_rate: float = setting(1e-3, 0, 1000)
    final_learning_rate: float = setting(1e-6, 0, 1000)
    # Number of steps in which the learning rate rises from zero.
    warmup_steps: int = setting(200, 0, MOST_STEPS)
    # Decoupled weight decay (AdamW).
    weight_decay: float = setting(0.0, 0, 1000)
    # Largest norm of all gradients together; 0 leaves them as they are.
    clip_norm: float = setting(1.0, 0, 1_000_000)
    # Momentum of the moving average of the weights, below 1; 0 turns the average off.
    ema_momentum: float = setting(0.999, 0, 1)
    # Steps between rows of the log, and between validations.
    log_every: int = setting(50, 1, MOST_STEPS)
    validate_every: int = setting(500, 1, MOST_STEPS)
    # Stop after so many validations without a better PSNR; 0 never stops early.
    patience: int = setting(0, 0, MOST_STEPS)
    # Random seed of weights, crops and degradations.
    seed: int = setting(0, 0, 2**32 - 1)

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
    table = read_toml(path)
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
        "model": ("name",),
    }.items():
        values = table.get(section)
        if not isinstance(values, dict):
            continue
        for key in keys:
            value = values.get(key)
            if not isinstance(value, str) or not value or "\0" in value:
                continue
            # A model may also be the name of a pretrained one, or a function of a module.
            named = section != "data" and "/" not in value
            if not named or os.path.exists(base / value):
                values[key] = os.path.realpath(base / value)


# (whether it holds, the setting, "must be ...", what was received)
Rule = tuple[object, str, str, object]


def _check(config: Config) -> None:
    _raise_first(_limit_rules(config))  # the other rules calculate with the numbers
    _raise_first([*_train_rules(config), *_data_rules(config.data), *_loss_rules(config)])
    check_degrade(config.data.degrade)


def _raise_first(rules: list[Rule]) -> None:
    """Raise an `InputError` for the first rule that does not hold."""
    for holds, name, rule, received in rules:
        if not holds:
            text = received if isinstance(received, str) else shown(received)
            raise InputError(f"{name} must be {rule}. Received: {text}.")


def _limit_rules(config: Config) -> list[Rule]:
    """A rule for each number that breaks a limit of its field."""
    broken: list[Rule] = []
    for section in ("data", "loss", "train"):
        settings = getattr(config, section)
        for item in dataclasses.fields(settings):
            value = getattr(settings, item.name)
            for number in value if isinstance(value, tuple) else (value,):
                rule = "limits" in item.metadata and limit_broken(number, *item.metadata["limits"])
                if rule:
                    broken.append((False, f"{section}.{item.name}", rule, value))
    return broken


def _train_rules(config: Config) -> list[Rule]:
    train = config.train
    even = all(b % train.accumulate == 0 for _, b in config.stages())
    compressions = (train.quantization_aware, train.sparsity, train.clusters)
    return [
        (train.learning_rate > 0, "train.learning_rate", "above 0", train.learning_rate),
        (train.ema_momentum < 1, "train.ema_momentum", "in [0, 1)", train.ema_momentum),
        *_stage_rules(config),
        (
            even,
            "train.batch_size",
            f"a multiple of train.accumulate = {train.accumulate} in every stage",
            train.batch_size,
        ),
        (
            train.precision == "float32" or not train.quantization_aware,
            "train.precision",
            "float32 with train.quantization_aware, as bfloat16 has too few levels",
            train.precision,
        ),
        (train.sparsity < 1, "train.sparsity", "in [0, 1)", train.sparsity),
        (train.clusters != 1, "train.clusters", "0 or in 2 to 256", train.clusters),
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


def _stage_rules(config: Config) -> list[Rule]:
    """Rules for the sizes of crops and batches, at all steps."""
    stages = config.train.progressive
    largest = max(patch_px**2 * batch for patch_px, batch in config.stages())
    return [
        (
            list(stages) == sorted(stages),
            "train.progressive",
            "sorted by first step",
            stages,
        ),
        (
            all(p >= 16 and b >= 1 for _, p, b in stages),
            "train.progressive",
            "of patches of at least 16 px and batches of at least 1",
            stages,
        ),
        (
            all(0 <= first <= MOST_STEPS for first, _, _ in stages),
            "train.progressive",
            f"of first steps in 0 to {MOST_STEPS:,}",
            stages,
        ),
        (
            largest <= MOST_PX,
            "train.batch_size",
            f"so small that its crops have at most {MOST_PX:,} pixels together",
            f"crops of {largest:,} pixels" if largest < 10**20 else "far more",
        ),
    ]


def _data_rules(data: DataConfig) -> list[Rule]:
    return [
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
        (
            data.downscale[0] <= data.downscale[1],
            "data.downscale",
            "a pair low <= high of numbers in [1, 16]",
            data.downscale,
        ),
        (data.real_share < 1, "data.real_share", "in [0, 1)", data.real_share),
        (
            bool(data.real_share) == bool(data.real_pairs),
            "data.real_share",
            "above 0 exactly when data.real_pairs is set",
            data.real_share,
        ),
    ]


def _loss_rules(config: Config) -> list[Rule]:
    weights = dataclasses.asdict(config.loss)
    return [
        (any(weights.values()), "loss", "of at least one weight above 0", "all weights 0"),
        (
            bool(config.train.teacher) == bool(config.loss.distillation),
            "loss.distillation",
            "above 0 exactly when train.teacher is set",
            config.loss.distillation,
        ),
    ]
