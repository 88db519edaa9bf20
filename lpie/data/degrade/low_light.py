"""Photos of the same scene with less light."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lpie.data.degrade.degradation import (
    Degradation,
    Image,
    Range,
    degradation,
    setting,
    uniform,
)


@dataclass(frozen=True)
class Exposure(Degradation):
    """The setting that `low_light` and `low_light_noise` share."""

    # Fraction of the light that is left, in linear light.
    exposure: Range = setting((0.05, 0.3), 0, 1)


@degradation("low_light")
@dataclass(frozen=True)
class LowLight(Exposure):
    """A dark photo without noise."""

    def apply(self, image: Image, rng: Generator) -> Image:
        return low_light(image, exposure=uniform(rng, self.exposure))


def low_light(image: Image, *, exposure: float) -> Image:
    """The same scene with `exposure` (0 to 1) of the light: scaled in linear light, not in sRGB."""
    dark = _to_linear(np.clip(image, 0, 1)) * np.float32(exposure)
    return _from_linear(dark).astype(np.float32)


def _to_linear(x: NDArray) -> NDArray:
    """The sRGB electro-optical transfer function (IEC 61966-2-1)."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _from_linear(x: NDArray) -> NDArray:
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 0) ** (1 / 2.4) - 0.055)
