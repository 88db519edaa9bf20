"""The settings of a run: frozen dataclasses, the only place where defaults are written."""

import dataclasses
import json
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lpie.errors import InputError, unknown_name


@dataclass(frozen=True)
class ModelConfig:
    """The network and whatever of its hyperparameters differs from its own defaults."""

    name: str = "lpienet"
    hyperparameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DegradeConfig:
    """How clean photos are spoiled. A pair (low, high) is drawn uniformly for each crop."""

    kinds: tuple[
        Literal["gaussian_noise", "poisson_gaussian_noise", "motion_blur", "jpeg", "low_light"], ...
    ] = ("gaussian_noise",)
    # Standard deviation in levels of 255, as the denoising literature counts it.
    noise_sigma: tuple[float, float] = (25.0, 25.0)
    # Poisson-Gaussian noise: variance = gain * signal + read_noise^2, signal in [0, 1].
    gain: tuple[float, float] = (0.002, 0.02)
    read_noise: tuple[float, float] = (0.002, 0.02)
    blur_length_px: tuple[float, float] = (5.0, 21.0)
    jpeg_quality: tuple[float, float] = (30.0, 90.0)
    # Fraction of the light that is left, in linear light.
    exposure: tuple[float, float] = (0.05, 0.3)


@dataclass(frozen=True)
class DataConfig:
    """Where images come from: `builtin`, a folder of clean photos, or one of pairs."""

    # "builtin" (photographs inside scikit-image), "clean" or "pairs".
    source: Literal["builtin", "clean", "pairs"] = "builtin"
    folder: str = ""
    # For validation; empty means the built-in validation photograph, or for folders the training
    # images that `validation_fraction` holds back.
    validation_folder: str = ""
    validation_fraction: float = 0.1
    patch_px: int = 64
    augment: bool = True
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


@dataclass(frozen=True)
class TrainConfig:
    """The optimization."""

    steps: int = 20_000
    batch_size: int = 16
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warmup_steps: int = 200
    # Largest norm of all gradients together; 0 leaves them as they are.
    clip_norm: float = 1.0
    # 0 turns the moving average of the weights off.
    ema_momentum: float = 0.999
    log_every: int = 50
    validate_every: int = 500
    seed: int = 0


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's weights."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def load_config(path: Path, overrides: typing.Sequence[str] = ()) -> Config:
    """The settings in a TOML file that lists only what differs from the defaults.

    overrides: `section.key=value` strings, the value as TOML writes it (a bare word is text).
    Relative folders are taken from where the TOML file lies.
    """
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from None
    for override in overrides:
        _set(table, override)
    _absolute_folders(table, path.parent)
    return config_from(table)


def config_from(table: dict[str, Any]) -> Config:
    """The settings in a nested mapping; an unknown key or a value out of range is refused."""
    config = _build(Config, table, "")
    _check(config)
    return config


def to_dict(config: Config) -> dict[str, Any]:
    """The settings as nested plain values, as JSON holds them."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def differences(a: dict[str, Any], b: dict[str, Any], prefix: str = "") -> list[str]:
    """The keys, dotted, whose values differ between two nested mappings."""
    found = []
    for key in sorted(a.keys() | b.keys()):
        x, y = a.get(key), b.get(key)
        if isinstance(x, dict) and isinstance(y, dict):
            found += differences(x, y, f"{prefix}{key}.")
        elif x != y:
            found.append(f"{prefix}{key} ({x} there, {y} now)")
    return found


def _set(table: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not sections:
        raise InputError(f"--set takes SECTION.KEY=VALUE. Received: {override}.")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise InputError(f"--set {override}: {section} is a value, not a section.")
    try:
        table[key] = tomllib.loads(f"v = {text.strip()}")["v"]
    except tomllib.TOMLDecodeError:
        table[key] = text.strip()


def _absolute_folders(table: dict[str, Any], base: Path) -> None:
    data = table.get("data")
    for key in ("folder", "validation_folder"):
        if isinstance(data, dict) and isinstance(data.get(key), str) and data[key]:
            data[key] = str((base / data[key]).resolve())


def _build(kind: Any, table: Any, prefix: str) -> Any:
    if not isinstance(table, dict):
        raise InputError(f"{prefix.rstrip('.')} must be a section of keys. Received: {table!r}.")
    fields = typing.get_type_hints(kind)
    for key in table:
        if key not in fields:
            raise unknown_name(f"setting {prefix}{key}; its name", key, fields)
    return kind(**{k: _value(fields[k], v, f"{prefix}{k}") for k, v in table.items()})


def _value(kind: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, f"{name}.")
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal and isinstance(value, str):
        if value not in arguments:
            raise unknown_name(name, value, arguments)
        return value
    if origin is tuple and isinstance(value, list | tuple):
        each = arguments[0]
        if len(arguments) == 2 and arguments[1] is not Ellipsis and len(value) != 2:
            raise InputError(f"{name} must be two numbers [low, high]. Received: {value}.")
        return tuple(_value(each, v, name) for v in value)
    if origin is tuple and arguments[0] is float and isinstance(value, int | float):
        return (float(value), float(value))  # one number: always that one
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = kind if isinstance(kind, type) else origin
    if not isinstance(value, plain) or (isinstance(value, bool) and kind is not bool):
        wanted = kind.__name__ if isinstance(kind, type) else str(kind)
        raise InputError(f"{name} must be of type {wanted}. Received: {value!r}.")
    return value


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
