"""Photos of the same scene with less light."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from lpie.data.degrade.degradation import (
    Degradation,
    Image,
    Range,
    degradation,
    setting,
    uniform,
)
from lpie.image.curves import srgb_decode, srgb_encode


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
    dark = srgb_decode(np.clip(image, 0, 1)) * np.float32(exposure)
    return srgb_encode(dark).astype(np.float32)
