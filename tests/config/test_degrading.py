import dataclasses
import math

import pytest

from lpie.config.config import config_from
from lpie.config.degrade import LIMITS, DegradeConfig, check_degrade
from lpie.errors import InputError


def test_every_number_has_limits_and_the_defaults_keep_them():
    words = {"kinds", "shake_kernels", "display_layouts"}
    assert set(LIMITS) == {field.name for field in dataclasses.fields(DegradeConfig)} - words
    check_degrade(DegradeConfig())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"noise_sigma": -1}, "data.degrade.noise_sigma must be a pair low <= high of numbers in"),
        ({"noise_sigma": math.nan}, "noise_sigma must be a pair"),
        ({"shot_noise": [0.02, 0.01]}, "Received: (0.02, 0.01)."),
        ({"shot_noise": 0}, "in [1e-06, 1]"),
        ({"read_noise_factor": [0.5, math.inf]}, "read_noise_factor must be"),
        (
            {"camera_jpeg": 1.5},
            "data.degrade.camera_jpeg must be a number in [0, 1]. Received: 1.5",
        ),
        ({"measured_response": math.nan}, "measured_response must be a number"),
        ({"highlight_gain": 0.5}, "in [1, 1000]"),
        ({"displays": 0}, "data.degrade.displays must be a number in [1, 128]. Received: 0."),
        ({"display_opening": [0.2, 1.2]}, "display_opening must be"),
        ({"kinds": []}, "data.degrade.kinds must name at least one. Received: none."),
        ({"shake_kernels": []}, "shake_kernels must name at least one"),
        ({"shake_kernels": ["measurd"]}, "Did you mean 'measured'?"),
        ({"kinds": ["camera_nose"]}, "Did you mean 'camera_noise'?"),
        ({"display_layouts": "toled"}, "display_layouts must be"),
    ],
)
def test_bad_settings_give_one_sentence(settings, sentence):
    with pytest.raises(InputError) as caught:
        config_from({"data": {"degrade": settings}})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
