import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

from lpie.benchmarks.studies.vivid import scores, vivid


def test_a_vivid_photo_is_smaller_and_more_saturated(astronaut):
    photo = vivid(astronaut[:200, :300])
    assert photo.shape == (100, 100, 3)
    small = astronaut[:200, :200].reshape(100, 2, 100, 2, 3).mean((1, 3)) / 255
    assert np.ptp(photo, axis=-1).mean() > 1.3 * np.ptp(small, axis=-1).mean()


def test_a_pretrained_network_denoises_it(astronaut):
    low, middle, high = scores("denoise-s", [vivid(astronaut[:200, :200])])
    assert low > 24.6 + 4
    assert low > middle > high
