"""Blur as a lens and a moving camera make it: in linear light."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lpie.data.degrade.degradation import Degradation, Image, Range, setting
from lpie.data.degrade.responses import from_light, srgb, to_light

# Pixel values from which a photo is taken for saturated: the true light may have been any more.
SATURATED = 0.96


@dataclass(frozen=True)
class Highlights(Degradation):
    """The setting that blurs in linear light share."""

    # How many times brighter than white saturated pixels were, drawn on a logarithmic scale.
    highlight_gain: Range = setting((1.0, 1.0), 1, 1000)

    wide = True


def blur(
    image: Image,
    kernel: Image,
    *,
    highlight_gain: float = 1,
    transmission: Sequence[float] = (1, 1, 1),
) -> Image:
    """`image` convolved with `kernel` in linear light, in [0, 1].

    kernel: [K, K], or [K, K, 3] for one per colour. highlight_gain: how much brighter than white
    saturated pixels really were; blurred, they leave streaks and flares. transmission: the
    fraction of red, green and blue light that gets through.
    """
    light = brighten(to_light(image, srgb()), image, highlight_gain)
    # filter2D correlates; a convolution turns the kernel by half a circle.
    turned = np.ascontiguousarray(kernel[::-1, ::-1])
    if turned.ndim == 2:
        light = _filter(light, turned)
    else:
        planes = [_filter(light[..., c].copy(), turned[..., c].copy()) for c in range(3)]
        light = np.stack(planes, axis=-1)
    return from_light(light * np.asarray(transmission, np.float32), srgb())


def brighten(light: Image, image: Image, highlight_gain: float) -> Image:
    """`light` with what is saturated in `image` up to `highlight_gain` times as bright."""
    if highlight_gain == 1:
        return light
    peak = image.max(axis=-1, keepdims=True)
    share = np.clip((peak - SATURATED) / (1 - SATURATED), 0, 1).astype(np.float32)
    return light * (1 + share * np.float32(highlight_gain - 1))


def _filter(light: Image, kernel: Image) -> Image:
    filtered = cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(filtered, np.float32).reshape(light.shape)
