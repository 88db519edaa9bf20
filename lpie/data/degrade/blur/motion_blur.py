"""The blur of a straight camera motion."""

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


@degradation("motion_blur")
@dataclass(frozen=True)
class MotionBlur(Degradation):
    """A straight motion of a length that is drawn for each crop, in any direction."""

    # Length of the motion in pixels.
    blur_length_px: Range = setting((5.0, 21.0), 0.1, 1000)

    wide = True

    def apply(self, image: Image, rng: Generator) -> Image:
        length_px = uniform(rng, self.blur_length_px)
        return motion_blur(image, length_px=length_px, angle=float(rng.uniform(0, np.pi)))


def motion_blur(image: Image, *, length_px: float, angle: float) -> Image:
    """A straight camera motion of `length_px` pixels at `angle` radians."""
    radius = int(np.ceil(length_px / 2))
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    for t in np.linspace(-length_px / 2, length_px / 2, 4 * radius + 1):
        # Each sample of the path is shared between its four nearest pixels.
        y, x = radius + t * np.sin(angle), radius + t * np.cos(angle)
        y0, x0 = min(int(y), 2 * radius - 1), min(int(x), 2 * radius - 1)
        fy, fx = y - y0, x - x0
        kernel[y0 : y0 + 2, x0 : x0 + 2] += np.outer([1 - fy, fy], [1 - fx, fx])
    blurred = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float32)
