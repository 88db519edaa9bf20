"""What a degradation is: a frozen dataclass of settings with limits, registered under a name.

image: [H, W, 3] float32 sRGB in [0, 1]; the result has the same shape and dtype. Noise is neither
clipped nor rounded, as the denoising literature adds it; every other kind models what a camera
does to light and stays in [0, 1]; `jpeg`, `camera_noise` and `low_light_noise` end on 8-bit levels.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lpie.errors import unknown_name

Image = NDArray[np.float32]
Range = tuple[float, float]
T = TypeVar("T")


@dataclass(frozen=True)
class Degradation:
    """Settings of one kind of degradation; a subclass is registered by `@degradation("its_name")`.

    wide: whether it carries light over many pixels, so that crops need a margin.
    """

    wide = False

    @classmethod
    def of(cls, settings: Any) -> Self:
        """The settings of this kind among those of all kinds."""
        return cls(**{setting.name: getattr(settings, setting.name) for setting in fields(cls)})

    @classmethod
    def settings(cls) -> list[str]:
        """The names of its settings: its own first, then those that it shares with others."""
        return [name for base in cls.__mro__ for name in vars(base).get("__annotations__", {})]

    def apply(self, image: Image, rng: Generator) -> Image:
        """`image` degraded, with whatever is random drawn from `rng`."""
        raise NotImplementedError


class Settings(Protocol):
    """The settings of all kinds, and which of them are applied."""

    @property
    def kinds(self) -> tuple[str, ...]: ...


Kind = TypeVar("Kind", bound=type[Degradation])
DEGRADATIONS: dict[str, type[Degradation]] = {}


def degradation(name: str) -> Callable[[Kind], Kind]:
    """Registers a class under the `name` that `data.degrade.kinds` selects it by."""

    def register(kind: Kind) -> Kind:
        DEGRADATIONS[name] = kind
        return kind

    return register


def setting(default: T, least: float, most: float) -> T:
    """A setting with the smallest and the largest value that it, or both ends of it, may have."""
    return field(default=default, metadata={"limits": (least, most)})


def degrade(image: Image, rng: Generator, settings: Settings) -> Image:
    """`image` after every degradation of `settings.kinds`, in that order."""
    for name in settings.kinds:
        if name not in DEGRADATIONS:
            raise unknown_name("degradation", name, DEGRADATIONS)
        image = DEGRADATIONS[name].of(settings).apply(image, rng)
    return image


def describe(settings: Settings) -> str:
    """One line such as `gaussian_noise(noise_sigma=25)`."""
    return " + ".join(
        f"{name}({', '.join(_assignment(settings, key) for key in DEGRADATIONS[name].settings())})"
        for name in settings.kinds
    )


def uniform(rng: Generator, bounds: Range) -> float:
    """Between low and high; low where they are equal, without using the generator."""
    return float(rng.uniform(*bounds)) if bounds[0] != bounds[1] else bounds[0]


def log_uniform(rng: Generator, bounds: Range) -> float:
    """Between low and high, both above 0, each factor as likely as its inverse."""
    return math.exp(uniform(rng, (math.log(bounds[0]), math.log(bounds[1]))))


def choice(rng: Generator, options: Sequence[T]) -> T:
    """One of `options`, each as likely."""
    return options[int(rng.integers(len(options)))]


def _assignment(settings: Settings, key: str) -> str:
    value = getattr(settings, key)
    if not isinstance(value, tuple):
        return f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
    if not isinstance(value[0], float):
        return f"{key}={'/'.join(map(str, value))}"
    low, high = value
    return f"{key}={low:g}" if low == high else f"{key}={low:g} to {high:g}"
