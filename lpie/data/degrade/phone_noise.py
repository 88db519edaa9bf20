"""The noise of finished phone photos: what the camera's own processing makes of a sensor's noise.

A phone denoises, scales, sharpens and compresses before anyone sees a pixel. Noise then is weaker,
lies in blotches of several pixels, is coarser in colour than in brightness, and has rims. As in
`camera_noise`, only the noise goes through these (linear) steps and the picture itself does not:
what they do to the picture is not noise.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from lpie.data.degrade.camera_noise import CameraNoise, camera_noise, draw_sensor
from lpie.data.degrade.degradation import (
    Image,
    Range,
    degradation,
    log_uniform,
    setting,
    uniform,
)
from lpie.data.degrade.jpeg import eight_bits, jpeg


@degradation("phone_noise")
@dataclass(frozen=True)
class PhoneNoise(CameraNoise):
    """The noise of a camera after the camera's own denoising, scaling, sharpening and JPEG."""

    # Factor on the noise, drawn on a logarithmic scale: what in-camera denoising leaves of it.
    noise_left: Range = setting((0.3, 1.0), 0.01, 10)
    # Standard deviation of the blur of in-camera denoising, in pixels: of brightness, of colour.
    noise_blur_px: Range = setting((0.0, 1.2), 0, 20)
    chroma_blur_px: Range = setting((0.0, 2.5), 0, 20)
    # How the camera scales its picture, on a logarithmic scale: above 1 for digital zoom.
    noise_scale: Range = setting((0.6, 1.8), 0.1, 8)
    # Strength of the unsharp mask.
    noise_sharpening: Range = setting((0.0, 1.0), 0, 10)
    # The share of crops that are so processed; the others have the noise of `camera_noise`.
    processed_share: float = setting(0.7, 0, 1)
    # The share of crops without any noise, so that a clean photo is left alone.
    clean_share: float = setting(0.1, 0, 1)

    def apply(self, image: Image, rng: Generator) -> Image:
        if rng.random() < self.clean_share:
            return self._stored(eight_bits(image), rng)
        noisy = camera_noise(image, rng, draw_sensor(rng, self))
        if rng.random() < self.processed_share:
            noisy = eight_bits(image + self._processed(noisy - image, rng))
        return self._stored(noisy, rng)

    def _processed(self, noise: Image, rng: Generator) -> Image:
        """`noise` after one camera's denoising, scaling and sharpening."""
        denoised = blurred_noise(
            noise,
            luma_px=uniform(rng, self.noise_blur_px),
            chroma_px=uniform(rng, self.chroma_blur_px),
        )
        scaled = scaled_noise(denoised, log_uniform(rng, self.noise_scale))
        sharp = sharpened(scaled, uniform(rng, self.noise_sharpening))
        return sharp * np.float32(log_uniform(rng, self.noise_left))

    def _stored(self, image: Image, rng: Generator) -> Image:
        if rng.random() >= self.camera_jpeg:
            return image
        return jpeg(image, quality=uniform(rng, self.camera_jpeg_quality))


def blurred_noise(noise: Image, *, luma_px: float, chroma_px: float) -> Image:
    """`noise` [H, W, 3] with brightness and colour blurred by Gaussians, deviations in px."""
    luma = noise.mean(axis=-1, keepdims=True)
    chroma = noise - luma
    return _blurred(luma, luma_px).reshape(luma.shape) + _blurred(chroma, chroma_px)


def scaled_noise(noise: Image, scale: float) -> Image:
    """`noise` [H, W, 3] as a picture scaled by `scale` has it: a crop of the same size.

    Enlarged noise is smooth, reduced noise is weaker and white; what a reduction lacks at the
    border is mirrored.
    """
    h, w = noise.shape[:2]
    size = (max(round(w * scale), 1), max(round(h * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(noise, size, interpolation=how), np.float32)
    below, right = max(h - size[1], 0), max(w - size[0], 0)
    wide = np.pad(scaled, ((0, below), (0, right), (0, 0)), mode="symmetric")
    return wide[:h, :w]


def sharpened(noise: Image, strength: float) -> Image:
    """`noise` after an unsharp mask: `strength` times what a blur of 1 px takes away is added."""
    return noise + np.float32(strength) * (noise - _blurred(noise, 1.0))


def _blurred(image: Image, deviation_px: float) -> Image:
    if deviation_px < 0.05:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation_px), np.float32)
