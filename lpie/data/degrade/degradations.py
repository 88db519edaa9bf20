"""Synthetic degradations: each a pure function of an image and a random generator.

image: [H, W, 3] float32 sRGB in [0, 1]; the result has the same shape and dtype. Noise is neither
clipped nor rounded, as the denoising literature adds it; every other kind models what a camera
does to light and stays in [0, 1]; `jpeg`, `camera_noise` and `low_light_noise` end on 8-bit levels.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lpie.config.degrade import DegradeConfig
from lpie.data.degrade.blur import blur
from lpie.data.degrade.camera import camera_noise, draw_sensor
from lpie.data.degrade.camera_shake import draw_kernel
from lpie.data.degrade.display import draw_point_spread
from lpie.data.degrade.draws import log_uniform, uniform
from lpie.errors import unknown_name
from lpie.image.image import to_float, to_uint8

Image = NDArray[np.float32]


def degrade(image: Image, rng: Generator, config: DegradeConfig) -> Image:
    """`image` after every degradation of `config.kinds`, in that order."""
    for kind in config.kinds:
        if kind not in DEGRADATIONS:
            raise unknown_name("degradation", kind, DEGRADATIONS)
        image = DEGRADATIONS[kind](image, rng, config)
    return image


def describe(config: DegradeConfig) -> str:
    """One line such as `gaussian_noise(noise_sigma=25)`."""
    return " + ".join(
        f"{kind}({', '.join(f'{k}={_range(getattr(config, k))}' for k in PARAMETERS[kind])})"
        for kind in config.kinds
    )


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


def jpeg(image: Image, *, quality: float) -> Image:
    """JPEG compression at `quality` (1 to 100) and back."""
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality)]
    _, data = cv2.imencode(".jpg", to_uint8(image)[..., ::-1], options)
    return to_float(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def low_light(image: Image, *, exposure: float) -> Image:
    """The same scene with `exposure` (0 to 1) of the light: scaled in linear light, not in sRGB."""
    dark = _to_linear(np.clip(image, 0, 1)) * np.float32(exposure)
    return _from_linear(dark).astype(np.float32)


def eight_bits(image: Image) -> Image:
    """Clipped and rounded to whole levels, as a file of 8 bits stores it."""
    return to_float(to_uint8(image))


def _photo(image: Image, rng: Generator, c: DegradeConfig, *, exposure: float = 1) -> Image:
    noisy = camera_noise(image, rng, draw_sensor(rng, c), exposure=exposure)
    if rng.random() >= c.camera_jpeg:
        return noisy
    return jpeg(noisy, quality=uniform(rng, c.camera_jpeg_quality))


def _behind_display(image: Image, rng: Generator, c: DegradeConfig) -> Image:
    clear = uniform(rng, c.display_transmission)
    return blur(
        image,
        draw_point_spread(rng, c),
        highlight_gain=log_uniform(rng, c.highlight_gain),
        transmission=(clear, clear, clear * uniform(rng, c.display_blue)),
    )


DEGRADATIONS: dict[str, Callable[[Image, Generator, DegradeConfig], Image]] = {
    "gaussian_noise": lambda image, rng, c: gaussian_noise(
        image, rng, noise_sigma=uniform(rng, c.noise_sigma)
    ),
    "poisson_gaussian_noise": lambda image, rng, c: poisson_gaussian_noise(
        image, rng, gain=uniform(rng, c.gain), read_noise=uniform(rng, c.read_noise)
    ),
    "camera_noise": _photo,
    "low_light_noise": lambda image, rng, c: _photo(
        image, rng, c, exposure=uniform(rng, c.exposure)
    ),
    "motion_blur": lambda image, rng, c: motion_blur(
        image, length_px=uniform(rng, c.blur_length_px), angle=float(rng.uniform(0, np.pi))
    ),
    "camera_shake": lambda image, rng, c: blur(
        image, draw_kernel(rng, c), highlight_gain=log_uniform(rng, c.highlight_gain)
    ),
    "display_blur": _behind_display,
    "jpeg": lambda image, rng, c: jpeg(image, quality=uniform(rng, c.jpeg_quality)),
    "low_light": lambda image, rng, c: low_light(image, exposure=uniform(rng, c.exposure)),
    "eight_bits": lambda image, rng, c: eight_bits(image) if rng.random() < c.stored else image,
}

CAMERA = (
    "shot_noise", "read_noise_factor", "white_balance_gain", "colour_correction",
    "measured_response", "camera_jpeg", "camera_jpeg_quality",
)  # fmt: skip

# Which settings each degradation reads.
PARAMETERS = {
    "gaussian_noise": ("noise_sigma",),
    "poisson_gaussian_noise": ("gain", "read_noise"),
    "camera_noise": CAMERA,
    "low_light_noise": ("exposure", *CAMERA),
    "motion_blur": ("blur_length_px",),
    "camera_shake": (
        "shake_kernels", "shake_length_px", "anxiety", "kernel_scale", "highlight_gain",
    ),
    "display_blur": (
        "displays", "display_layouts", "display_pitch_um", "display_opening",
        "display_transmission", "display_blue", "focal_length_mm", "f_number", "sensor_pixel_um",
        "highlight_gain",
    ),
    "jpeg": ("jpeg_quality",),
    "low_light": ("exposure",),
    "eight_bits": ("stored",),
}  # fmt: skip


def _range(value: object) -> str:
    if not isinstance(value, tuple):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if not isinstance(value[0], float):
        return "/".join(map(str, value))
    low, high = value
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _to_linear(x: NDArray) -> NDArray:
    """The sRGB electro-optical transfer function (IEC 61966-2-1)."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _from_linear(x: NDArray) -> NDArray:
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 0) ** (1 / 2.4) - 0.055)
