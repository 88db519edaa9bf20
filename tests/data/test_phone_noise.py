import numpy as np
import pytest

from lpie.config.config import config_from
from lpie.data.batches import make_batch
from lpie.data.degrade.phone_noise import PhoneNoise, blurred_noise, scaled_noise, sharpened
from lpie.data.pools import load_pools
from lpie.errors import InputError
from lpie.image.image import to_float, write_image


@pytest.fixture(scope="module")
def image(astronaut):
    return to_float(astronaut[40:136, 150:250])


@pytest.fixture(scope="module")
def white():
    return np.random.default_rng(0).standard_normal((96, 100, 3)).astype(np.float32)


def neighbours(noise):
    """The correlation of brightness with that of the pixel to the right."""
    luma = noise.mean(axis=-1)
    return np.corrcoef(luma[:, 1:].ravel(), luma[:, :-1].ravel())[0, 1]


def test_in_camera_denoising_leaves_blotches_coarser_in_colour(white):
    noise = blurred_noise(white, luma_px=0.7, chroma_px=2.0)
    chroma = noise - noise.mean(axis=-1, keepdims=True)
    assert abs(neighbours(white)) < 0.05
    assert neighbours(noise) > 0.5
    across = np.corrcoef(chroma[:, 3:, 0].ravel(), chroma[:, :-3, 0].ravel())[0, 1]
    assert across > 0.4
    np.testing.assert_allclose(blurred_noise(white, luma_px=0, chroma_px=0), white, atol=1e-6)


@pytest.mark.parametrize(("scale", "smooth", "weaker"), [(1.8, 0.5, 0.9), (0.5, -0.1, 0.6)])
def test_a_scaled_picture_has_other_noise(white, scale, smooth, weaker):
    scaled = scaled_noise(white, scale)
    assert scaled.shape == white.shape
    assert neighbours(scaled) > smooth
    assert scaled.std() < weaker
    if scale < 1:
        assert scaled.std() == pytest.approx(0.5, abs=0.05)  # the mean of four


def test_sharpening_amplifies(white):
    assert sharpened(white, 1.0).std() > 1.5 * white.std()
    np.testing.assert_array_equal(sharpened(white, 0.0), white)


def test_a_share_of_the_crops_is_clean_and_what_is_left_is_said(image):
    clean = PhoneNoise(clean_share=1.0, camera_jpeg=0.0).apply(image, np.random.default_rng(0))
    assert np.abs(clean - image).max() < 0.51 / 255

    def deviation(left):
        kind = PhoneNoise(clean_share=0, processed_share=1, noise_left=(left, left), camera_jpeg=0)
        return (kind.apply(image, np.random.default_rng(1)) - image).std()

    assert 0.2 < deviation(0.3) / deviation(1.0) < 0.5


def test_noise_of_real_pairs_beside_its_place(image, tmp_path):
    levels = np.full((64, 64, 3), 100, np.uint8)
    noisy = levels + np.arange(64, dtype=np.uint8)[None, :, None]
    for side, pixels in (("target", levels), ("degraded", noisy)):
        write_image(tmp_path / side / "a.png", pixels)
    pairs = {"source": "pairs", "folder": str(tmp_path), "patch_px": 32, "augment": False}

    def batch(shift_px):
        data = {"data": {**pairs, "real_shift_px": shift_px}, "train": {"batch_size": 8}}
        config = config_from(data)
        return make_batch(load_pools(config)[0], config, 0)

    (still, _), (moved, target) = batch(0), batch(2)
    away = np.rint((moved - still)[:, 0, 0, 0] * 255)
    assert set(away) <= {-2, -1, 0, 1, 2}
    assert len(set(away)) > 1
    assert np.ptp(target) == 0
    with pytest.raises(InputError, match=r"data.real_shift_px must be at most 8. Received: 9"):
        batch(9)
