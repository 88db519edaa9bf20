"""The settings of all synthetic degradations together, and the check of their limits.

Each kind is described in its own file in `lpie/data/degrade/`: its settings with their units,
defaults and limits, and what it does to an image. A new kind is one more base class here.
"""

from dataclasses import asdict, dataclass, fields

from numpy.random import Generator

from lpie.data.degrade.blur.camera_shake import CameraShake
from lpie.data.degrade.blur.display_blur import DisplayBlur
from lpie.data.degrade.blur.frame_averaging import FrameAveraging
from lpie.data.degrade.blur.motion_blur import MotionBlur
from lpie.data.degrade.camera_noise import LowLightNoise
from lpie.data.degrade.degradation import DEGRADATIONS, Image, Range, degrade
from lpie.data.degrade.gaussian_noise import GaussianNoise, PoissonGaussianNoise
from lpie.data.degrade.jpeg import EightBits, Jpeg
from lpie.data.degrade.low_light import LowLight
from lpie.data.degrade.phone_noise import PhoneNoise
from lpie.errors import InputError, shown, unknown_name


@dataclass(frozen=True)
class DegradeConfig(
    GaussianNoise,
    PoissonGaussianNoise,
    LowLightNoise,  # with the settings of CameraNoise
    PhoneNoise,
    MotionBlur,
    CameraShake,
    FrameAveraging,
    DisplayBlur,
    Jpeg,
    LowLight,
    EightBits,
):
    """How clean photos are degraded.

    A pair (low, high) is drawn uniformly for each crop, or, where its comment says so, uniformly on
    a logarithmic scale; one number stands for a pair of equal ones.
    """

    # The degradations to apply, one after another.
    kinds: tuple[str, ...] = ("gaussian_noise",)

    def apply(self, image: Image, rng: Generator) -> Image:
        return degrade(image, rng, self)


# Smallest and largest value of each setting that is a number or a pair of them.
LIMITS: dict[str, Range] = {
    setting.name: setting.metadata["limits"]
    for setting in fields(DegradeConfig)
    if "limits" in setting.metadata
}


def check_degrade(config: DegradeConfig, section: str = "data.degrade") -> None:
    """Raise an `InputError` for the first setting that is out of its limits."""
    values = asdict(config)
    for name, value in values.items():
        if isinstance(value, tuple) and not value:
            raise InputError(f"{section}.{name} must name at least one. Received: none.")
    for kind in config.kinds:
        if kind not in DEGRADATIONS:
            raise unknown_name(f"{section}.kinds", kind, DEGRADATIONS)
    for name, (least, most) in LIMITS.items():
        value = values[name]
        numbers = value if isinstance(value, tuple) else (value,)
        inside = all(least <= x <= most for x in numbers)
        if not inside or list(numbers) != sorted(numbers):
            rule = "a pair low <= high of numbers" if isinstance(value, tuple) else "a number"
            raise InputError(
                f"{section}.{name} must be {rule} in [{least:g}, {most:g}]. "
                f"Received: {shown(value)}."
            )
