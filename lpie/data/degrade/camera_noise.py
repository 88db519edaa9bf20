"""The noise of a phone camera: what a sensor adds to the light, seen through demosaicing,
colour correction, the camera's response and JPEG.

The chain is that of CBDNet (Guo et al., CVPR 2019) and "Unprocessing Images for Learned Raw
Denoising" (Brooks et al., CVPR 2019): pixel values -> light -> raw colours of the sensor -> Bayer
mosaic -> noise -> back. Noise that was white on the sensor ends up correlated between neighbours
and between channels, and stronger in the shadows; a network trained on white noise leaves it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lpie.data.degrade.bayer import PATTERNS, RADIUS, demosaic, mosaic
from lpie.data.degrade.degradation import (
    Degradation,
    Image,
    Range,
    degradation,
    log_uniform,
    setting,
    uniform,
)
from lpie.data.degrade.jpeg import jpeg
from lpie.data.degrade.low_light import Exposure
from lpie.data.degrade.responses import MEASURED, Response, from_light, measured, srgb, to_light

# Read noise against shot noise on the phones of SIDD, as fitted by CycleISP (Zamir et al., CVPR
# 2020): log10(read variance) = 1.85 log10(shot) + 0.30, give or take 0.20.
READ_SLOPE, READ_OFFSET = 1.85, 0.30


@degradation("camera_noise")
@dataclass(frozen=True)
class CameraNoise(Degradation):
    """The noise of a camera that is drawn for each crop.

    Fits of this model to eight photos of SIDD gave shot_noise 0.0007 to 0.014, read_noise_factor
    0.6 to 1.5, gains 1.1 to 2.8, corrections 0 to 1.2.
    """

    # Variance on the sensor per unit of raw signal, drawn on a logarithmic scale; Brooks et al.
    # 2019 use 0.0001 to 0.012 (DND), CycleISP 0.0007 to 0.022 (SIDD).
    shot_noise: Range = setting((0.0003, 0.03), 1e-6, 1)
    # Standard deviation of the read noise, relative to what is usual at that shot noise; drawn on a
    # logarithmic scale.
    read_noise_factor: Range = setting((0.4, 1.6), 1e-3, 100)
    # White balance of red and of blue, relative to green.
    white_balance_gain: Range = setting((1.0, 2.8), 0.1, 10)
    # How much of green is taken off red and blue, see `colour_correction`.
    colour_correction: Range = setting((0.1, 1.2), 0, 2)
    # The share of crops whose response is one of 201 measured ones; the others have that of sRGB.
    measured_response: float = setting(0.5, 0, 1)
    # The share of crops that the camera stores as JPEG, and their quality, 1 to 100.
    camera_jpeg: float = setting(0.5, 0, 1)
    camera_jpeg_quality: Range = setting((70.0, 98.0), 1, 100)

    def apply(self, image: Image, rng: Generator) -> Image:
        return self._photo(image, rng, exposure=1)

    def _photo(self, image: Image, rng: Generator, *, exposure: float) -> Image:
        noisy = camera_noise(image, rng, draw_sensor(rng, self), exposure=exposure)
        if rng.random() >= self.camera_jpeg:
            return noisy
        return jpeg(noisy, quality=uniform(rng, self.camera_jpeg_quality))


@degradation("low_light_noise")
@dataclass(frozen=True)
class LowLightNoise(Exposure, CameraNoise):
    """A dark photo with the noise of a camera.

    Where exposure is low, shot_noise should be low too: few photons leave nothing to see.
    """

    def apply(self, image: Image, rng: Generator) -> Image:
        return self._photo(image, rng, exposure=uniform(rng, self.exposure))


class Sensor(NamedTuple):
    """One camera at one ISO setting; light and raw values are in [0, 1], 1 where it saturates."""

    response: Response
    # Variance on the sensor: shot_noise * raw + read_noise^2 (Foi et al. 2008).
    shot_noise: float
    read_noise: float
    red_gain: float  # white balance, relative to green
    blue_gain: float
    # [3, 3] from the sensor's colours to linear sRGB; rows sum to 1, so that grey stays grey.
    correction: NDArray[np.float64]
    pattern: str = "RGGB"


def camera_noise(image: Image, rng: Generator, sensor: Sensor, *, exposure: float = 1) -> Image:
    """`image` as `sensor` takes it with `exposure` of its light: in [0, 1] on 8-bit levels.

    Without noise and at exposure 1 the image comes back to within rounding. All steps between
    sensor and response are linear, so only the noise is demosaiced and it is added to the
    untouched light: what demosaicing does to the picture itself (blur, coloured edges) is not
    noise, and a network asked to undo it would learn to sharpen.
    """
    light = to_light(image, sensor.response) * np.float32(exposure)
    noisy = light + sensor_noise(light, rng, sensor)
    levels = np.rint(from_light(noisy, sensor.response) * np.float32(255))
    return levels / np.float32(255)


def draw_sensor(rng: Generator, config: CameraNoise) -> Sensor:
    """A camera from the ranges of `config`."""
    shot_noise = log_uniform(rng, config.shot_noise)
    read_noise = usual_read_noise(shot_noise) * log_uniform(rng, config.read_noise_factor)
    red, green, blue = (uniform(rng, config.colour_correction) for _ in range(3))
    number = int(rng.integers(MEASURED))
    return Sensor(
        response=measured(number) if rng.random() < config.measured_response else srgb(),
        shot_noise=shot_noise,
        read_noise=read_noise,
        red_gain=uniform(rng, config.white_balance_gain),
        blue_gain=uniform(rng, config.white_balance_gain),
        # Green needs less: at most 0.5 in fits to SIDD, where the others reach 1.2.
        correction=colour_correction(red, 0.5 * green, blue),
        pattern=str(rng.choice(list(PATTERNS))),
    )


def sensor_noise(light: Image, rng: Generator, sensor: Sensor) -> Image:
    """What `sensor` adds to `light`: [H, W, 3] linear sRGB of mean zero, not clipped."""
    # Noise is made beyond the border too, so that the border is like the rest.
    wide = cv2.copyMakeBorder(light, RADIUS, RADIUS, RADIUS, RADIUS, cv2.BORDER_REFLECT_101)
    balanced = _coloured(wide, np.linalg.inv(sensor.correction))
    red = PATTERNS[sensor.pattern]
    # White balance comes before demosaicing, which mixes colours and takes grey for equal values.
    gains = np.array([sensor.red_gain, 1, sensor.blue_gain], np.float32)
    gain = mosaic(np.broadcast_to(gains, balanced.shape), red)
    raw = np.clip(mosaic(balanced, red) / gain, 0, 1)
    noise = raw_noise(raw, rng, shot_noise=sensor.shot_noise, read_noise=sensor.read_noise)
    inner = demosaic(noise * gain, red)[RADIUS:-RADIUS, RADIUS:-RADIUS]
    return _coloured(inner, sensor.correction)


def raw_noise(raw: Image, rng: Generator, *, shot_noise: float, read_noise: float) -> Image:
    """Noise of variance shot_noise * raw + read_noise^2, of the shape of `raw`.

    Photons are counted (Poisson: skewed where they are few), one photon being `shot_noise` of raw
    value; the read noise is Gaussian.
    """
    noise = rng.standard_normal(raw.shape, np.float32) * np.float32(read_noise)
    if shot_noise:
        photons = rng.poisson(raw / np.float32(shot_noise))
        noise += photons.astype(np.float32) * np.float32(shot_noise) - raw
    return noise


def usual_read_noise(shot_noise: float) -> float:
    """The standard deviation of the read noise that goes with `shot_noise` on SIDD's phones."""
    return float((10**READ_OFFSET * shot_noise**READ_SLOPE) ** 0.5)


def colour_correction(red: float, green: float, blue: float) -> NDArray[np.float64]:
    """[3, 3] that takes `red`, `green` and `blue` of its neighbours off each colour.

    Filters of sensors overlap, most of all with green; correcting that amplifies the noise and
    correlates red with blue. Rows sum to 1, so grey stays grey.
    """
    return np.array(
        [
            [1 + red, -red, 0],
            [-green / 2, 1 + green, -green / 2],
            [0, -blue, 1 + blue],
        ]
    )


def _coloured(image: NDArray, matrix: NDArray) -> Image:
    return np.asarray(cv2.transform(image, matrix), np.float32).reshape(image.shape)
