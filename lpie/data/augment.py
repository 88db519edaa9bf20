"""Variations of a clean photo that stay natural: other colours, another scale."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
GREY_AXIS = np.ones(3) / np.sqrt(3)


def vary_colours(image: Image, rng: Generator) -> Image:
    """`image` with permuted channels, another hue, saturation, white balance, exposure and tone.

    Training photos are mostly green and brown; test photos such as McMaster's are saturated.

    Args:
        image: [H, W, 3] float32 in [0, 1], sRGB.
        rng: Decides every draw.

    Returns:
        [H, W, 3] float32 in [0, 1].
    """
    colour = rotation_about_grey(rng.uniform(-np.pi, np.pi)) if rng.random() < 0.5 else np.eye(3)
    colour = colour[rng.permutation(3)].astype(np.float32)
    turned = np.asarray(image @ colour.T, np.float32)
    balanced = saturated(turned, rng.uniform(0.5, 2.2)) * np.exp(rng.normal(0, 0.08, 3)).astype(
        np.float32
    )
    exposed = np.clip(balanced * np.float32(2 ** rng.uniform(-0.7, 0.5)), 0, 1)
    return np.asarray(exposed ** np.float32(np.exp(rng.uniform(-0.35, 0.35))), np.float32)


def saturated(image: Image, factor: float) -> Image:
    """`image` [H, W, 3] with colours `factor` times as far from their grey; it is not clipped."""
    luma = (image @ LUMA)[..., None]
    return np.asarray(luma + np.float32(factor) * (image - luma), np.float32)


def rotation_about_grey(angle: float) -> NDArray[np.float64]:
    """The 3x3 matrix that turns hues by `angle` radians and leaves greys alone (Rodrigues)."""
    x, y, z = GREY_AXIS
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def draw_scale(rng: Generator, downscale: tuple[float, float], room: float) -> float:
    """How many times larger the window is that a crop is reduced from: logarithmic, at most `room`.

    A reduced photo is sharp to the pixel and has no trace of JPEG left.
    """
    low, high = downscale
    return float(np.exp(rng.uniform(np.log(min(low, room)), np.log(min(high, room)))))


def reduced(image: Image, size: int) -> Image:
    """`image` ([N, N, 3]) as [size, size, 3], every pixel the mean of the area that it covers."""
    if len(image) == size:
        return image
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.float32)
