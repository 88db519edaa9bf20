"""The loss of a photo that is stored: JPEG, and whole levels of 8 bits."""

from dataclasses import dataclass

import cv2
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
from lpie.image.image import to_float, to_uint8


@degradation("jpeg")
@dataclass(frozen=True)
class Jpeg(Degradation):
    """JPEG compression of a quality that is drawn for each crop."""

    # Quality as libjpeg counts it, 1 to 100.
    jpeg_quality: Range = setting((30.0, 90.0), 1, 100)
    # The share of crops that is compressed, 0 to 1.
    jpeg_share: float = setting(1.0, 0, 1)

    def apply(self, image: Image, rng: Generator) -> Image:
        if self.jpeg_share < 1 and rng.random() >= self.jpeg_share:
            return image
        return jpeg(image, quality=uniform(rng, self.jpeg_quality))


@degradation("eight_bits")
@dataclass(frozen=True)
class EightBits(Degradation):
    """Clipping and rounding to whole levels, as files do, of a share of the crops.

    The denoising literature leaves noise as it is. As a rule the last of the kinds.
    """

    # The share of crops that is clipped and rounded, 0 to 1.
    stored: float = setting(0.5, 0, 1)

    def apply(self, image: Image, rng: Generator) -> Image:
        return eight_bits(image) if rng.random() < self.stored else image


def jpeg(image: Image, *, quality: float) -> Image:
    """JPEG compression at `quality` (1 to 100) and back."""
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality)]
    _, data = cv2.imencode(".jpg", to_uint8(image)[..., ::-1], options)
    return to_float(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def eight_bits(image: Image) -> Image:
    """Clipped and rounded to whole levels, as a file of 8 bits stores it."""
    return to_float(to_uint8(image))
