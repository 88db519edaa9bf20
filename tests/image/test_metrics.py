import numpy as np
import pytest

from lpie import psnr, ssim
from lpie.errors import InputError
from lpie.image.metrics import luma


def test_psnr_by_hand():
    target = np.zeros((4, 4, 3), np.float32)
    assert psnr(target + np.float32(0.1), target) == pytest.approx(20, abs=1e-5)
    assert psnr(target, target) == float("inf")
    assert psnr(np.full((4, 4, 3), 51, np.uint8), target.astype(np.uint8)) == pytest.approx(
        20 * np.log10(5)
    )


def test_psnr_of_a_batch_is_the_mean_of_its_images():
    target = np.zeros((2, 4, 4, 3))
    image = np.stack([np.full((4, 4, 3), 0.1), np.full((4, 4, 3), 0.01)])
    assert psnr(image, target) == pytest.approx(30)


@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_equal_to_scikit_image(photos, astronaut, border, dtype):
    metrics = pytest.importorskip("skimage.metrics")
    target = astronaut[100:356, 100:420]
    image = photos[0]
    peak = 255
    if dtype == np.float32:
        image, target, peak = image.astype(np.float32) / 255, target.astype(np.float32) / 255, 1
    cut = slice(border, -border or None)
    a, b = image[cut, cut], target[cut, cut]
    assert psnr(image, target, border=border) == pytest.approx(
        metrics.peak_signal_noise_ratio(
            b.astype(np.float64), a.astype(np.float64), data_range=peak
        ),
        abs=1e-6,
    )
    theirs = metrics.structural_similarity(
        b.astype(np.float64),
        a.astype(np.float64),
        data_range=peak,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(image, target, border=border) == pytest.approx(theirs, abs=1e-6)


def test_y_channel_is_bt601_luma(photos, astronaut):
    assert luma(np.ones((1, 1, 3)))[0, 0, 0] == pytest.approx(235 / 255)
    assert luma(np.zeros((1, 1, 3)))[0, 0, 0] == pytest.approx(16 / 255)
    target, image = astronaut[100:356, 100:420] / 255, photos[0] / 255
    expected = psnr(luma(image), luma(target))
    assert psnr(image, target, y_channel=True) == pytest.approx(expected)
    assert ssim(image, target, y_channel=True) == pytest.approx(ssim(luma(image), luma(target)))
    assert psnr(photos[0], astronaut[100:356, 100:420], y_channel=True) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("a", "b", "options", "words"),
    [
        ((4, 4, 3), (4, 5, 3), {}, "one shape"),
        ((4, 4), (4, 4), {}, "one shape"),
        ((4, 4, 3), (4, 4, 3), {"border": 2}, "border"),
    ],
)
def test_refuses_what_cannot_be_compared(a, b, options, words):
    with pytest.raises(InputError, match=words):
        psnr(np.zeros(a), np.zeros(b), **options)


def test_refuses_mixed_dtypes_and_images_below_the_window():
    with pytest.raises(InputError, match="dtype"):
        psnr(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3)))
    with pytest.raises(InputError, match="11x11"):
        ssim(np.zeros((10, 30, 3)), np.zeros((10, 30, 3)))


@pytest.mark.parametrize("channels", [3, 1])
def test_ssim_as_nafnet_prints_it(channels):
    """Against a window in three dimensions, as the released code applies it."""
    filters = pytest.importorskip("scipy.ndimage")
    a, b = np.random.default_rng(0).random((2, 16, 20, channels))

    def blur(x):
        # Eleven taps: scipy cuts at `truncate` sigmas.
        return filters.gaussian_filter(x, 1.5, mode="nearest", truncate=5 / 1.5)

    mu_a, mu_b = blur(a), blur(b)
    var_a, var_b, cov = blur(a * a) - mu_a**2, blur(b * b) - mu_b**2, blur(a * b) - mu_a * mu_b
    value = (2 * mu_a * mu_b + 1e-4) * (2 * cov + 9e-4)
    expected = np.mean(value / ((mu_a**2 + mu_b**2 + 1e-4) * (var_a + var_b + 9e-4)))
    assert ssim(a, b, convention="basicsr3d") == pytest.approx(expected, abs=1e-9)


def test_an_unknown_convention_is_refused():
    with pytest.raises(InputError, match="Valid: basicsr3d, standard"):
        ssim(np.zeros((16, 16, 3)), np.zeros((16, 16, 3)), convention="3d")
