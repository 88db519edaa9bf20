"""White Gaussian noise, and noise that grows with the signal."""

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


@degradation("gaussian_noise")
@dataclass(frozen=True)
class GaussianNoise(Degradation):
    """White Gaussian noise of a standard deviation that is drawn for each crop."""

    # Standard deviation in levels of 255, as the denoising literature counts it.
    noise_sigma: Range = setting((25.0, 25.0), 0, 255)

    def apply(self, image: Image, rng: Generator) -> Image:
        return gaussian_noise(image, rng, noise_sigma=uniform(rng, self.noise_sigma))


@degradation("poisson_gaussian_noise")
@dataclass(frozen=True)
class PoissonGaussianNoise(Degradation):
    """Noise of variance gain * signal + read_noise^2, with the signal in [0, 1]."""

    # Variance per unit of signal.
    gain: Range = setting((0.002, 0.02), 0, 1)
    # Standard deviation where there is no signal.
    read_noise: Range = setting((0.002, 0.02), 0, 1)

    def apply(self, image: Image, rng: Generator) -> Image:
        gain, read_noise = uniform(rng, self.gain), uniform(rng, self.read_noise)
        return poisson_gaussian_noise(image, rng, gain=gain, read_noise=read_noise)


def gaussian_noise(image: Image, rng: Generator, *, noise_sigma: float) -> Image:
    """White Gaussian noise; `noise_sigma` in levels of 255."""
    noise = rng.standard_normal(image.shape, np.float32)
    return image + noise * np.float32(noise_sigma / 255)


def poisson_gaussian_noise(
    image: Image, rng: Generator, *, gain: float, read_noise: float
) -> Image:
    """Signal-dependent noise of variance gain * signal + read_noise^2 (Foi et al. 2008)."""
    deviation = np.sqrt(np.maximum(image, 0) * gain + read_noise**2)
    return image + rng.standard_normal(image.shape, np.float32) * deviation.astype(np.float32)
