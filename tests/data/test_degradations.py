import json
from dataclasses import dataclass

import numpy as np
import pytest

from lpie.config.config import DegradeConfig, config_from
from lpie.data.batches import make_batch
from lpie.data.degrade.blur.motion_blur import motion_blur
from lpie.data.degrade.degradation import (
    DEGRADATIONS,
    Degradation,
    degradation,
    degrade,
    describe,
    setting,
)
from lpie.data.degrade.gaussian_noise import gaussian_noise, poisson_gaussian_noise
from lpie.data.degrade.jpeg import jpeg
from lpie.data.degrade.low_light import low_light
from lpie.data.pools import load_pools
from lpie.errors import InputError
from tests.conftest import ROOT

BATCHES = json.loads((ROOT / "tests" / "golden" / "compatibility" / "batches.json").read_text())


@pytest.fixture(scope="module")
def image(astronaut):
    return astronaut[:200, :240].astype(np.float32) / 255


@pytest.mark.parametrize("kind", sorted(set(DEGRADATIONS) - {"eight_bits"}))
def test_a_pure_function_of_image_and_generator(image, kind):
    config, before = DegradeConfig(kinds=(kind,)), image.copy()
    one, two = (degrade(image, np.random.default_rng(5), config) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(image, before)
    assert one.dtype == np.float32
    assert one.shape == image.shape
    assert np.abs(one - image).mean() > 1e-3
    assert not np.array_equal(one, degrade(image, np.random.default_rng(6), config))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (33, 20)])
@pytest.mark.parametrize("kind", sorted(DEGRADATIONS))
def test_any_size(kind, shape):
    small = np.random.default_rng(0).random((*shape, 3)).astype(np.float32)
    out = degrade(small, np.random.default_rng(1), DegradeConfig(kinds=(kind,)))
    assert out.shape == small.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    if "gaussian" not in kind:
        assert out.min() >= 0
        assert out.max() <= 1


def test_every_setting_belongs_to_a_degradation():
    settings = set(DegradeConfig.__dataclass_fields__) - {"kinds"}
    assert settings == {name for kind in DEGRADATIONS.values() for name in kind.settings()}
    assert all(issubclass(DegradeConfig, kind) for kind in DEGRADATIONS.values())


@pytest.mark.parametrize("kind", sorted(DEGRADATIONS))
def test_batches_stay_what_they_were(kind):
    """Runs of earlier versions resume: every kind draws the same random numbers as it did."""
    degrade = {**BATCHES["settings"], "kinds": [kind]}
    config = config_from({"data": {"degrade": degrade, "patch_px": 32}, "train": {"batch_size": 2}})
    pools, _, _ = load_pools(config)
    degraded = make_batch(pools, config, 5)[0]
    now, before = degraded.ravel()[:: BATCHES["every"]], np.array(BATCHES["kinds"][kind])
    away = np.abs(now - before)
    assert np.quantile(away, 0.9) < 1e-5
    assert away.max() < 1.01 / 255  # one level, where another processor rounds to another


def test_a_degradation_is_added_in_one_place(monkeypatch):
    monkeypatch.setattr("lpie.data.degrade.degradation.DEGRADATIONS", {**DEGRADATIONS})

    @degradation("fade")
    @dataclass(frozen=True)
    class Fade(Degradation):
        share: float = setting(0.25, 0, 1)

        def apply(self, image, rng):
            return image * np.float32(self.share)

    @dataclass(frozen=True)
    class More(DegradeConfig, Fade):
        pass

    grey, rng = np.full((2, 2, 3), 0.5, np.float32), np.random.default_rng(0)
    config = More(kinds=("fade", "fade"), share=0.5)
    np.testing.assert_array_equal(degrade(grey, rng, config), grey / 4)
    assert describe(config) == "fade(share=0.5) + fade(share=0.5)"
    assert DEGRADATIONS.keys().isdisjoint({"fade"})


def test_noise_has_the_variance_it_says():
    grey, rng = np.full((400, 400, 3), 0.5, np.float32), np.random.default_rng(0)
    noise = gaussian_noise(grey, rng, noise_sigma=25) - grey
    assert noise.std() * 255 == pytest.approx(25, rel=0.01)
    assert noise.mean() == pytest.approx(0, abs=1e-3)
    noise = poisson_gaussian_noise(grey, rng, gain=0.01, read_noise=0.02) - grey
    assert noise.var() == pytest.approx(0.01 * 0.5 + 0.02**2, rel=0.02)


def test_noise_is_neither_clipped_nor_rounded():
    white = np.ones((64, 64, 3), np.float32)
    noisy = gaussian_noise(white, np.random.default_rng(0), noise_sigma=25)
    assert noisy.max() > 1
    assert np.unique(noisy).size > 10_000


def test_motion_blur_spreads_a_point_along_its_path():
    point = np.zeros((41, 41, 3), np.float32)
    point[20, 20] = 1
    across = motion_blur(point, length_px=10, angle=0.0)
    assert across.sum() == pytest.approx(3, rel=1e-4)
    assert across[20, 16:25, 0].sum() > 0.85
    assert across[:19].max() == 0
    np.testing.assert_allclose(
        motion_blur(point, length_px=10, angle=np.pi / 2), across.transpose(1, 0, 2), atol=1e-6
    )


def test_jpeg_loses_more_at_lower_quality(image):
    losses = [np.abs(jpeg(image, quality=q) - image).mean() for q in (95, 50, 10)]
    assert losses == sorted(losses)


def test_low_light_scales_linear_light():
    grey = np.full((8, 8, 3), 0.5, np.float32)
    dark = low_light(grey, exposure=0.25)
    linear = ((0.5 + 0.055) / 1.055) ** 2.4 * 0.25
    assert dark[0, 0, 0] == pytest.approx(1.055 * linear ** (1 / 2.4) - 0.055, abs=1e-5)


def test_describe_and_unknown_kind(image):
    assert describe(DegradeConfig()) == "gaussian_noise(noise_sigma=25)"
    mixed = DegradeConfig(kinds=("motion_blur", "jpeg"))
    assert (
        describe(mixed)
        == "motion_blur(blur_length_px=5 to 21) + jpeg(jpeg_quality=30 to 90, jpeg_share=1)"
    )
    with pytest.raises(InputError, match="Did you mean 'gaussian_noise'"):
        degrade(image, np.random.default_rng(0), DegradeConfig(kinds=("gausian_noise",)))


def test_eight_bits_stores_as_often_as_configured():
    noisy = np.random.default_rng(0).normal(0.5, 0.5, (16, 16, 3)).astype(np.float32)
    before = noisy.copy()
    rng, config = np.random.default_rng(1), DegradeConfig(kinds=("eight_bits",), stored=0.25)
    found = [degrade(noisy, rng, config) for _ in range(400)]
    stored = [image for image in found if not np.array_equal(image, noisy)]
    np.testing.assert_array_equal(noisy, before)
    assert 70 < len(stored) < 130
    np.testing.assert_array_equal(stored[0], np.rint(np.clip(noisy, 0, 1) * 255) / np.float32(255))
