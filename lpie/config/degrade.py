"""The settings of synthetic degradations, and their limits."""

import math
from dataclasses import asdict, dataclass
from typing import Literal

from lpie.errors import InputError

Range = tuple[float, float]


@dataclass(frozen=True)
class DegradeConfig:
    """How clean photos are spoiled. A pair (low, high) is drawn uniformly for each crop, or, where
    it says so, uniformly on a logarithmic scale."""

    kinds: tuple[
        Literal[
            "gaussian_noise",
            "poisson_gaussian_noise",
            "camera_noise",
            "low_light_noise",
            "motion_blur",
            "camera_shake",
            "display_blur",
            "jpeg",
            "low_light",
            "eight_bits",
        ],
        ...,
    ] = ("gaussian_noise",)
    # Standard deviation in levels of 255, as the denoising literature counts it.
    noise_sigma: Range = (25.0, 25.0)
    # Poisson-Gaussian noise: variance = gain * signal + read_noise^2, signal in [0, 1].
    gain: Range = (0.002, 0.02)
    read_noise: Range = (0.002, 0.02)

    # Cameras (lpie.data.degrade.camera). Fits of this model to eight photos of SIDD gave shot_noise
    # 0.0007 to 0.014, read_noise_factor 0.6 to 1.5, gains 1.1 to 2.8, corrections 0 to 1.2. For
    # low_light_noise lower shot_noise where exposure is low: few photons leave nothing to see.
    # Variance on the sensor per unit of raw signal, logarithmic; Brooks et al. 2019 use 0.0001 to
    # 0.012 (DND), CycleISP 0.0007 to 0.022 (SIDD).
    shot_noise: Range = (0.0003, 0.03)
    # Standard deviation of the read noise over what is usual at that shot noise, logarithmic.
    read_noise_factor: Range = (0.4, 1.6)
    # Of red and of blue, relative to green.
    white_balance_gain: Range = (1.0, 2.8)
    # How much of green is taken off red and blue, see `camera.colour_correction`.
    colour_correction: Range = (0.1, 1.2)
    # How often the response is one of 201 measured ones; otherwise that of sRGB.
    measured_response: float = 0.5
    # How often the camera writes JPEG, and of which quality.
    camera_jpeg: float = 0.5
    camera_jpeg_quality: Range = (70.0, 98.0)

    blur_length_px: Range = (5.0, 21.0)
    # Camera shake (lpie.data.degrade.camera_shake): where kernels come from, each as likely.
    shake_kernels: tuple[Literal["trajectory", "measured", "gaussian"], ...] = (
        "trajectory",
        "measured",
    )
    # Of trajectories: their length, and how far they are from straight lines, logarithmic.
    shake_length_px: Range = (5.0, 40.0)
    anxiety: Range = (0.0002, 0.01)
    # Of stored kernels, which are 13 to 27 pixels wide.
    kernel_scale: Range = (0.6, 1.4)
    # How many times brighter than white saturated pixels were, logarithmic; in blurs.
    highlight_gain: Range = (1.0, 1.0)
    # Under-display cameras (lpie.data.degrade.display): how many displays there are, what each is drawn
    # from, and the camera behind it. A pixel of 2.8 um is one of four binned 1.4 um pixels.
    displays: int = 16
    display_layouts: tuple[Literal["toled", "stripe", "pentile"], ...] = (
        "toled",
        "stripe",
        "pentile",
    )
    display_pitch_um: Range = (100.0, 200.0)
    display_opening: Range = (0.2, 0.5)
    # Fraction of the light that the camera ends up with: about 0.2 through the T-OLED of Zhou et
    # al. 2021, 1 where it exposes longer to make up for that; and of blue, relative to the rest,
    # which the plastic of flexible displays absorbs.
    display_transmission: Range = (0.2, 1.0)
    display_blue: Range = (0.7, 1.0)
    focal_length_mm: float = 3.5
    f_number: float = 2.0
    sensor_pixel_um: float = 2.8

    jpeg_quality: Range = (30.0, 90.0)
    # Fraction of the light that is left, in linear light.
    exposure: Range = (0.05, 0.3)
    # How often `eight_bits`, the last of the kinds, clips and rounds to whole levels, as files do;
    # the denoising literature leaves noise as it is.
    stored: float = 0.5


# Smallest and largest value of each setting; 0 and 1 where it is a share.
LIMITS: dict[str, Range] = {
    "noise_sigma": (0, 255),
    "gain": (0, 1),
    "read_noise": (0, 1),
    "shot_noise": (1e-6, 1),
    "read_noise_factor": (1e-3, 100),
    "white_balance_gain": (0.1, 10),
    "colour_correction": (0, 2),
    "measured_response": (0, 1),
    "camera_jpeg": (0, 1),
    "camera_jpeg_quality": (1, 100),
    "blur_length_px": (0.1, 1000),
    "shake_length_px": (0.1, 200),
    "anxiety": (1e-6, 1),
    "kernel_scale": (0.1, 4),
    "highlight_gain": (1, 1000),
    "displays": (1, 128),
    "display_pitch_um": (10, 1000),
    "display_opening": (0.01, 1),
    "display_transmission": (0.001, 1),
    "display_blue": (0.001, 1),
    "focal_length_mm": (0.5, 50),
    "f_number": (0.7, 22),
    "sensor_pixel_um": (0.5, 20),
    "jpeg_quality": (1, 100),
    "exposure": (0, 1),
    "stored": (0, 1),
}


def check_degrade(config: DegradeConfig, section: str = "data.degrade") -> None:
    """Raise an `InputError` for the first setting that is out of its limits."""
    values = asdict(config)
    for name, value in values.items():
        if isinstance(value, tuple) and not value:
            raise InputError(f"{section}.{name} must name at least one. Received: none.")
    for name, (least, most) in LIMITS.items():
        value = values[name]
        numbers = value if isinstance(value, tuple) else (value,)
        inside = all(math.isfinite(x) and least <= x <= most for x in numbers)
        if not inside or list(numbers) != sorted(numbers):
            rule = "a pair low <= high of numbers" if isinstance(value, tuple) else "a number"
            raise InputError(
                f"{section}.{name} must be {rule} in [{least:g}, {most:g}]. Received: {value}."
            )
