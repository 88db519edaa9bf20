"""Variations of clean photos stay natural images, and depend on their generator alone."""

import numpy as np
import pytest

from lpie.config.config import config_from
from lpie.data.augment import LUMA, draw_scale, reduced, rotation_about_grey, vary_colours
from lpie.data.batches import make_batch
from lpie.data.pools import Pool
from lpie.errors import InputError


def photo(shape=(24, 20)):
    return np.random.default_rng(0).random((*shape, 3)).astype(np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_colours_vary_within_the_range_and_by_the_generator_alone(seed):
    image, before = photo(), photo()
    one, two = (vary_colours(image, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(image, before)
    assert one.shape == image.shape
    assert one.dtype == np.float32
    assert one.min() >= 0
    assert one.max() <= 1
    assert np.abs(one - image).mean() > 1e-3
    assert not np.array_equal(one, vary_colours(image, np.random.default_rng(seed + 100)))


@pytest.mark.parametrize("angle", np.linspace(-np.pi, np.pi, 9))
def test_greys_stay_grey_when_hues_turn(angle):
    turn = rotation_about_grey(angle)
    np.testing.assert_allclose(turn @ np.full(3, 0.4), np.full(3, 0.4), atol=1e-12)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)  # it keeps saturation
    assert np.linalg.det(turn) == pytest.approx(1)


def test_a_third_of_a_turn_permutes_the_colours():
    turned = rotation_about_grey(2 * np.pi / 3) @ np.array([0.9, 0.2, 0.1])
    np.testing.assert_allclose(turned, [0.1, 0.9, 0.2], atol=1e-12)


def test_grey_photos_get_no_colour_but_that_of_the_white_balance():
    grey = np.repeat(photo()[..., :1], 3, axis=2)
    for seed in range(10):
        varied = vary_colours(grey, np.random.default_rng(seed))
        # One factor a channel: the ratio of two channels is the same all over, where none clips.
        inside = (varied > 0.02).all(-1) & (varied < 0.98).all(-1)
        ratios = np.log(varied[inside][:, :1] / varied[inside][:, 1:])
        assert ratios.std(axis=0).max() < 1e-3
    assert LUMA.sum() == pytest.approx(1)


def test_scales_are_drawn_on_a_logarithmic_scale_within_the_room():
    rng = np.random.default_rng(0)
    scales = [draw_scale(rng, (1.0, 4.0), 100.0) for _ in range(2000)]
    assert min(scales) >= 1
    assert max(scales) <= 4
    assert np.median(scales) == pytest.approx(2, rel=0.05)
    assert max(draw_scale(rng, (1.0, 4.0), 1.5) for _ in range(100)) <= 1.5
    assert draw_scale(rng, (2.0, 2.0), 100.0) == pytest.approx(2)


def test_a_reduced_crop_is_the_mean_of_the_area_of_each_pixel():
    image = photo((8, 8))
    np.testing.assert_allclose(
        reduced(image, 4), image.reshape(4, 2, 4, 2, 3).mean((1, 3)), atol=1e-6
    )
    assert reduced(image, 5).shape == (5, 5, 3)
    assert reduced(image, 8) is image


@pytest.mark.parametrize("augmented", [{"vary_colours": 1.0}, {"downscale": [1.5, 3]}])
def test_batches_of_varied_crops_keep_size_and_repeat(augmented):
    pool = Pool(1.0, [((photo((90, 120)) * 255).astype(np.uint8), None)], ["noise"])
    data = {"patch_px": 32, "degrade": {"noise_sigma": 0}}
    plain = config_from({"data": data, "train": {"batch_size": 3}})
    config = config_from({"data": {**data, **augmented}, "train": {"batch_size": 3}})
    degraded, target = make_batch([pool], config, 1)
    assert degraded.shape == target.shape == (3, 32, 32, 3)
    np.testing.assert_array_equal(target, make_batch([pool], config, 1)[1])
    assert np.abs(target - make_batch([pool], plain, 1)[1]).mean() > 1e-2


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"vary_colours": 1.5}, "data.vary_colours must be"),
        ({"downscale": [0.5, 2]}, "data.downscale must be"),
        ({"downscale": [3, 2]}, "data.downscale must be"),
    ],
)
def test_settings_are_checked(setting, sentence):
    with pytest.raises(InputError, match=sentence):
        config_from({"data": setting})
