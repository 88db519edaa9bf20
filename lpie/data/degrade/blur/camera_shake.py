"""Blur kernels of a hand-held camera: [K, K] float32, K odd, no value below 0, their sum 1.

Each is centred on its centroid, so that blur moves nothing: a target photo stays aligned.

`camera_shake.npz` holds 18 kernels as distributed with KAIR (github.com/cszn/KAIR, MIT, Kai Zhang):
the 8 camera shakes measured by Levin et al. (CVPR 2009), 2 motions and 8 Gaussians of USRNet (Zhang
et al., CVPR 2020). It is made by `pack`; tests/data/test_kernels.py compares it with the originals.
"""

import functools
import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lpie.data.degrade.blur.linear_light import Highlights, blur
from lpie.data.degrade.degradation import (
    Image,
    Range,
    choice,
    degradation,
    log_uniform,
    setting,
    uniform,
)

Kernel = NDArray[np.float32]

STORED_PX = 27  # the largest of them
# The trajectory model is published for 2000 steps; at 128 a step is still below half a pixel, and
# a Python loop over them takes a tenth of a millisecond.
PUBLISHED_STEPS, STEPS = 2000, 128


@degradation("camera_shake")
@dataclass(frozen=True)
class CameraShake(Highlights):
    """The blur of a hand-held camera, by a kernel that is drawn for each crop."""

    # Where kernels come from, each as likely: random trajectories, measured or Gaussian ones.
    shake_kernels: tuple[Literal["trajectory", "measured", "gaussian"], ...] = (
        "trajectory",
        "measured",
    )
    # Length of a trajectory in pixels.
    shake_length_px: Range = setting((5.0, 40.0), 0.1, 200)
    # How far a trajectory is from a straight line, drawn on a logarithmic scale.
    anxiety: Range = setting((0.0002, 0.01), 1e-6, 1)
    # Factor on the size of stored kernels, which are 13 to 27 pixels wide.
    kernel_scale: Range = setting((0.6, 1.4), 0.1, 4)

    def apply(self, image: Image, rng: Generator) -> Image:
        kernel = draw_kernel(rng, self)
        return blur(image, kernel, highlight_gain=log_uniform(rng, self.highlight_gain))


def draw_kernel(rng: Generator, config: CameraShake) -> Kernel:
    """A kernel of one of `config.shake_kernels`, each as likely."""
    kind = choice(rng, config.shake_kernels)
    if kind == "trajectory":
        length, anxiety = uniform(rng, config.shake_length_px), log_uniform(rng, config.anxiety)
        return rasterize(trajectory(rng, length_px=length, anxiety=anxiety))
    kernels = stored(kind)
    kernel = kernels[int(rng.integers(len(kernels)))]
    angle, scale = float(rng.uniform(0, 2 * np.pi)), uniform(rng, config.kernel_scale)
    return turned(kernel, angle=angle, scale=scale, mirror=bool(rng.integers(2)))


def trajectory(rng: Generator, *, length_px: float, anxiety: float) -> NDArray[np.complex128]:
    """[128] places x + iy of a point of the scene while the shutter is open, `length_px` in all.

    Boracchi & Foi, "Modeling the performance of image restoration from motion blur", IEEE TIP
    2012: a particle of constant speed, pushed at random, drawn back to its start and, now and
    then, thrown back the way it came. `anxiety` (0: a straight line; 0.1: tangled) is on their
    scale, for 2000 steps: pushes grow with the root of the longer step, the others in proportion.
    """
    longer = PUBLISHED_STEPS / STEPS
    pushes = rng.standard_normal((STEPS, 2)).view(np.complex128)[:, 0]
    pushes *= 10 * rng.random() * anxiety * longer**0.5
    pull = 0.7 * rng.random() * anxiety * longer
    thrown = rng.random(STEPS) < 0.2 * rng.random() * anxiety * longer
    throws = np.where(thrown, 2 * np.exp(1j * (np.pi + rng.random(STEPS) - 0.5)), 0)
    step = length_px / (STEPS - 1)
    direction, place = complex(np.exp(2j * np.pi * rng.random())), 0j
    places = [place]
    for push, throw in zip(pushes[1:].tolist(), throws[1:].tolist(), strict=True):
        direction += direction * throw + push - pull * place
        direction /= abs(direction) or 1.0
        place += step * direction
        places.append(place)
    return np.array(places)


def rasterize(places: NDArray[np.complex128], light: NDArray | None = None) -> Kernel:
    """The kernel of `light` (by default even) at `places` x + iy, each shared between 4 pixels."""
    weights = np.ones(len(places)) if light is None else light
    weights = weights / weights.sum()
    centred = places - (weights * places).sum()
    x, y = centred.real, centred.imag
    radius = int(np.ceil(max(np.abs(x).max(), np.abs(y).max())))
    size = 2 * radius + 1
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    right, below = x - column, y - row
    first = (row + radius) * size + column + radius
    shares = (
        (first, weights * (1 - below) * (1 - right)),
        (first + 1, weights * (1 - below) * right),
        (first + size, weights * below * (1 - right)),
        (first + size + 1, weights * below * right),
    )
    # A place on the last row or column has nothing to share beyond it.
    longest = size * (size + 1) + 1
    grid = sum(np.bincount(index, share, longest) for index, share in shares)
    return np.asarray(grid)[: size * size].reshape(size, size).astype(np.float32)


def turned(kernel: Kernel, *, angle: float, scale: float, mirror: bool) -> Kernel:
    """`kernel` turned by `angle` radians, `scale` times as wide, perhaps mirrored, centred.

    Its pixels are moved as points, four each lest they leave gaps; resampling would lose light
    where a kernel one pixel wide falls between samples.
    """
    y, x = np.nonzero(kernel > 1e-4 * kernel.max())
    places = np.add.outer(x + 1j * y, np.array([-1 - 1j, -1 + 1j, 1 - 1j, 1 + 1j]) / 4).ravel()
    places = np.conj(places) if mirror else places
    return rasterize(places * scale * np.exp(1j * angle), np.repeat(kernel[y, x], 4))


@functools.cache
def stored(kind: str) -> Kernel:
    """[N, 27, 27]: the 10 "measured" kernels or the 8 "gaussian" ones."""
    path = importlib.resources.files(__package__) / "camera_shake.npz"
    with importlib.resources.as_file(path) as file, np.load(file) as arrays:
        return arrays[kind]


def pack(kernels: Sequence[NDArray]) -> Kernel:
    """`kernels` of odd sizes in the middle of [N, 27, 27], as `camera_shake.npz` stores them."""
    margins = [(STORED_PX - len(kernel)) // 2 for kernel in kernels]
    return np.stack([np.pad(k, m) for k, m in zip(kernels, margins, strict=True)]).astype(
        np.float32
    )
