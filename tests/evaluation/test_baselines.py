"""Classical methods against properties, on real photographs."""

import numpy as np
import pytest

from lpie import psnr
from lpie.data.degrade.low_light import low_light
from lpie.evaluation.baselines import (
    BASELINES,
    clahe,
    dct_threshold,
    equalize,
    estimate_sigma,
    gamma,
    richardson_lucy,
    unsharp_mask,
)
from lpie.image.image import to_float
from lpie.image.metrics import ssim

SIGMA = 25 / 255


@pytest.fixture(scope="module")
def sharp(astronaut):
    return to_float(astronaut[60:188, 150:290])


@pytest.fixture(scope="module")
def noisy(sharp):
    noise = np.random.default_rng(0).standard_normal(sharp.shape, np.float32)
    return sharp + noise * np.float32(SIGMA)


def arguments(method):
    if method.package:
        pytest.importorskip(method.package)
    return (SIGMA,) if method.denoises else ()


@pytest.mark.parametrize("name", BASELINES)
def test_keeps_shape_dtype_and_input(name, noisy):
    method = BASELINES[name]
    before = noisy.copy()
    restored = method.restore(noisy, *arguments(method))
    np.testing.assert_array_equal(noisy, before)
    assert restored.shape == noisy.shape
    assert restored.dtype == np.float32
    assert np.isfinite(restored).all()
    spread = noisy.max() - noisy.min()  # the noise leaves [0, 1], and sharpening leaves the noise
    assert restored.min() >= noisy.min() - spread / 2
    assert restored.max() <= noisy.max() + spread / 2


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("size", [(11, 64), (13, 17)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_small_and_flat_images(name, size, value):
    method = BASELINES[name]
    image = np.full((*size, 3), value, np.float32)
    restored = method.restore(image, *arguments(method))
    assert restored.shape == image.shape
    assert np.isfinite(restored).all()


@pytest.mark.parametrize(
    ("name", "least_db"), [("NLM", 6), ("NLM OpenCV", 5), ("TV", 5), ("DCT", 7)]
)
def test_denoisers_gain(name, least_db, sharp, noisy):
    method = BASELINES[name]
    restored = np.clip(method.restore(noisy, *arguments(method)), 0, 1)
    assert psnr(restored, sharp) > psnr(noisy, sharp) + least_db


@pytest.mark.parametrize("name", [name for name, method in BASELINES.items() if method.denoises])
def test_no_noise_is_hardly_changed(name, sharp):
    method = BASELINES[name]
    arguments(method)
    assert psnr(method.restore(sharp, estimate_sigma(np.zeros_like(sharp))), sharp) > 45


def test_dct_against_one_block_at_a_time(noisy):
    scipy_fft = pytest.importorskip("scipy.fft")
    crop = noisy[:9, :10]
    colours = scipy_fft.dct(np.pad(crop, ((8, 8), (8, 8), (0, 0)), "reflect"), norm="ortho")
    total, weights = np.zeros_like(colours), np.zeros_like(colours)
    for y in range(colours.shape[0] - 7):
        for x in range(colours.shape[1] - 7):
            for c in range(3):
                where = (slice(y, y + 8), slice(x, x + 8), c)
                found = scipy_fft.dctn(colours[where], norm="ortho")
                keep = np.abs(found) > 2.8 * SIGMA
                keep[0, 0] = True
                total[where] += scipy_fft.idctn(found * keep, norm="ortho") / keep.sum()
                weights[where] += 1 / keep.sum()
    expected = scipy_fft.idct(total / weights, norm="ortho")[8:-8, 8:-8]
    np.testing.assert_allclose(dct_threshold(crop, SIGMA), expected, atol=1e-5)


@pytest.mark.parametrize("step_px", [1, 2])
@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_sigma_of_white_noise_is_found(sigma, step_px, sharp):
    noise = np.random.default_rng(1).standard_normal(sharp.shape, np.float32)
    found = estimate_sigma(sharp + noise * np.float32(sigma / 255), step_px=step_px) * 255
    assert found == pytest.approx(sigma, rel=0.25)


def test_correlated_noise_needs_the_step(sharp):
    import cv2

    noise = cv2.GaussianBlur(
        np.random.default_rng(1).standard_normal(sharp.shape, np.float32), (3, 3), 0.8
    )
    noisy = sharp + noise / noise.std() * np.float32(SIGMA)
    every, second = estimate_sigma(noisy), estimate_sigma(noisy, step_px=2)
    assert every < 0.6 * SIGMA
    assert second == pytest.approx(SIGMA, rel=0.25)


@pytest.mark.parametrize("method", [gamma, equalize, clahe])
def test_a_dark_photo_gets_brighter_and_nearer(method, sharp):
    dark = low_light(sharp, exposure=0.1)
    restored = method(dark)
    assert restored.mean() > dark.mean() + 0.1
    assert 0 <= restored.min() <= restored.max() <= 1
    assert psnr(restored, sharp) > psnr(dark, sharp) + 1


def test_sharpening_adds_detail(sharp):
    import cv2

    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 1.5), np.float32)
    for method in (unsharp_mask, richardson_lucy):
        restored = method(blurred)
        assert np.abs(np.diff(restored, axis=0)).mean() > np.abs(np.diff(blurred, axis=0)).mean()
        assert ssim(np.clip(restored, 0, 1), sharp) > ssim(blurred, sharp)
    assert psnr(np.clip(richardson_lucy(blurred), 0, 1), sharp) > psnr(blurred, sharp) + 1
