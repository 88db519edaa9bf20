"""Camera responses: how light becomes sRGB-like pixel values in real cameras, and back.

`responses.npz` holds the 201 response curves of the DoRF database (Grossberg & Nayar, "Modeling
the Space of Camera Response Functions", PAMI 2004) as distributed with CBDNet (Guo et al., CVPR
2019; Apache-2.0, github.com/GuoShi28/CBDNet). It is made by `resample`; tests/data/test_camera.py
compares it with the original file.
"""

import functools
import importlib.resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

MEASURED = 201
# Both directions are looked up over the square root of the light, in which responses are nearly
# straight: 8192 entries then keep a round trip within 0.3 levels of 255 on the steepest curve.
ENTRIES = 8192
# Points per stored curve: at most 0.5 levels of 255 from the original 1024, 0.03 in the median.
STORED = 129


class Response(NamedTuple):
    """Lookup tables of `ENTRIES` float32. value: over sqrt(light); root: sqrt(light) over value."""

    value: Image
    root: Image


def to_light(image: Image, response: Response) -> Image:
    """The light in [0, 1] that `response` turns into `image`; values are clipped to [0, 1]."""
    root = response.root[_index(image)]
    return root * root


def from_light(light: Image, response: Response) -> Image:
    """The pixel values in [0, 1] of `light`, clipped to [0, 1]: what a sensor can hold."""
    return response.value[_index(np.sqrt(np.maximum(light, 0)))]


@functools.lru_cache(maxsize=MEASURED + 1)
def measured(number: int) -> Response:
    """Curve `number` (0 to 200) of the DoRF database."""
    return _tables(_curves()[number])


@functools.cache
def srgb() -> Response:
    """The sRGB transfer function (IEC 61966-2-1), finely enough sampled for its linear toe."""
    light = np.linspace(0, 1, ENTRIES) ** 2
    toe = light <= 0.0031308
    return _tables(np.where(toe, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def resample(light: NDArray, value: NDArray) -> NDArray[np.uint16]:
    """Curves as `responses.npz` stores them: [N, 129] over sqrt(light), 65535 for 1.

    light, value: [N, M], `I` and `B` of CBDNet's 201_CRF_data.mat.
    """
    grid = np.linspace(0, 1, STORED) ** 2
    curves = [np.interp(grid, x, y) for x, y in zip(light, value, strict=True)]
    return np.rint(np.array(curves) * 65535).astype(np.uint16)


@functools.cache
def _curves() -> NDArray[np.float64]:
    path = importlib.resources.files(__package__) / "responses.npz"
    with importlib.resources.as_file(path) as file, np.load(file) as stored:
        return stored["curves"] / 65535


def _tables(curve: NDArray) -> Response:
    fine, root = np.linspace(0, 1, ENTRIES), np.linspace(0, 1, len(curve))
    value = np.interp(fine, root, curve)
    return Response(value.astype(np.float32), np.interp(fine, curve, root).astype(np.float32))


def _index(values: Image) -> NDArray[np.int32]:
    scaled = np.clip(values, 0, 1) * np.float32(ENTRIES - 1)
    return (scaled + np.float32(0.5)).astype(np.int32)
