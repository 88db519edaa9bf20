"""Which pretrained network a photo gets, and that a good photo gets none."""

import cv2
import numpy as np
import pytest

from lpie.config.config import DegradeConfig
from lpie.data.degrade.degradation import degrade
from lpie.image.image import read_image, to_float, to_uint8
from lpie.image.metrics import psnr
from lpie.restore.auto.advice import advise, guard
from lpie.restore.auto.look import look_at
from lpie.restore.restorer import Restorer
from lpie.weights import pretrained, tasks
from tests.conftest import SHARED

DEV = SHARED / "data" / "dev"


def noisy(photo, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma / 255, photo.shape)
    return to_uint8((to_float(photo) + noise).astype(np.float32))


def shaken(photo, length_px):
    kernel = cv2.getRotationMatrix2D((length_px, length_px), 30, 1)
    line = np.zeros((2 * length_px + 1,) * 2, np.float32)
    line[length_px, length_px // 2 : length_px // 2 + length_px] = 1
    line = cv2.warpAffine(line, kernel, line.shape)
    return cv2.filter2D(photo, -1, line / line.sum(), borderType=cv2.BORDER_REFLECT)


def jpeg(photo, quality):
    data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def smooth(photo):
    """Without the noise of the photograph, which JPEG has left in it."""
    return cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("quality", [100, 95, 60, 30])
def test_a_good_photo_is_left_alone(astronaut, quality):
    photo = astronaut if quality == 100 else jpeg(astronaut, quality)
    for view in (photo, smooth(photo), photo.astype(np.uint16) * 257, to_float(photo)):
        advice = advise(look_at(view))
        assert advice.network is None
        assert advice.reason == "neither noisy, dark nor blurred: left as it is"


@pytest.mark.parametrize("sigma", [3, 10, 25, 50])
def test_the_level_of_white_noise_is_estimated(astronaut, sigma):
    look = look_at(noisy(astronaut, sigma))
    assert look.noise.colour == pytest.approx(sigma, rel=0.2)
    assert look.noise.colour_middle == pytest.approx(sigma, rel=0.2)
    assert advise(look).network == "denoise"
    assert advise(look).reason.endswith("levels, alike in all pixels: denoise")


def test_the_noise_of_a_camera_is_told_from_white_noise(astronaut):
    config = DegradeConfig(kinds=("camera_noise",))
    for seed in (0, 4, 5):
        degraded = degrade(to_float(astronaut), np.random.default_rng(seed), config)
        advice = advise(look_at(degraded))
        assert advice.network == "denoise-phone"
        assert "correlated between pixels" in advice.reason


def test_noise_that_is_alike_in_all_colours_is_noticed(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)[..., None]
    assert advise(look_at(grey.repeat(3, 2))).network is None
    advice = advise(look_at(noisy(grey, 15).repeat(3, 2)))
    assert advice.network == "denoise-phone"
    assert advice.reason == "noise of about 15 levels, alike in all colours: denoise-phone"


def test_a_dark_photo_is_brightened_unless_noise_comes_first(astronaut):
    dark = to_uint8(to_float(astronaut) ** 2.2 * 0.5)
    assert advise(look_at(dark)).network == "lowlight"
    assert advise(look_at(noisy(dark, 20))).network == "denoise"


def test_a_shaken_photo_is_deblurred_and_a_sharp_one_is_not(astronaut):
    blurred = look_at(shaken(astronaut, 26))
    assert advise(blurred).network == "deblur"
    assert advise(blurred).strength < 1
    assert guard("deblur", blurred).strength == 1
    assert guard("deblur", look_at(smooth(astronaut))).strength == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (127, 127), (128, 128), (129, 150), (150, 129)])
def test_tiny_photos_and_photos_without_content_are_taken(size):
    rng = np.random.default_rng(0)
    for photo in (np.zeros((*size, 3), np.uint8), rng.integers(0, 256, (*size, 3), np.uint8)):
        advice = advise(look_at(photo))
        assert advice.reason
        for task in tasks():
            assert 0 <= guard(task, look_at(photo)).strength <= 1
    assert advise(look_at(np.full((130, 130, 3), np.nan, np.float32))).reason


def test_each_pretrained_network_declares_a_guard():
    for entry in pretrained().values():
        limits = tasks()[entry["task"]]["guard"]
        assert limits["none"] != limits["full"]


@pytest.mark.parametrize("name", ["deblur-s", "deblur-lpienet", "lowlight-s", "denoise-phone-s"])
def test_a_guard_leaves_a_good_photo_alone_and_says_so(name, astronaut):
    verdict = guard(pretrained()[name]["task"], look_at(smooth(astronaut)))
    assert verdict.strength == 0
    assert verdict.reason.endswith("all the same)")


def test_a_guard_takes_less_of_a_network_where_a_photo_needs_little(astronaut):
    verdict = guard("denoise-phone", look_at(noisy(astronaut, 3)))
    assert 0.2 < verdict.strength < 0.8
    assert verdict.reason.startswith(f"hardly any noise: {verdict.strength:.0%} of denoise-phone")


def crops(folder, px=160):
    """(name, the middle of each photo, the same of its ground truth) of a folder of pairs."""
    for path in sorted((folder / "degraded").iterdir()):
        target = next((folder / "target").glob(f"{path.stem}.*"))
        degraded, truth = read_image(path), read_image(target)
        y, x = ((side - min(side, px)) // 2 for side in degraded.shape[:2])
        yield path.name, degraded[y : y + px, x : x + px], truth[y : y + px, x : x + px]


@pytest.mark.skipif(not DEV.is_dir(), reason="needs the development photos in ../shared")
def test_no_good_development_photo_is_touched():
    for path in sorted((DEV / "clean" / "kodak24").iterdir()):
        assert advise(look_at(read_image(path))).network is None, path.name
    for folder in ("lowlight_sice", "lowlight_lol", "deblur_gopro", "realnoise_sidd"):
        for path in sorted((DEV / folder / "target").iterdir())[::2]:
            advice = advise(look_at(read_image(path)))
            assert advice.network is None or advice.strength < 0.4, (path.name, advice)


@pytest.mark.skipif(not DEV.is_dir(), reason="needs the development photos in ../shared")
@pytest.mark.parametrize(
    ("folder", "network", "least"),
    [
        ("realnoise_sidd", "denoise-phone", 4),
        ("lowlight_sice", "lowlight", 20),
        ("lowlight_lol", "lowlight", 1),
        ("deblur_gopro", "deblur", 1),
    ],
)
def test_degraded_development_photos_get_their_network(folder, network, least):
    paths = sorted((DEV / folder / "degraded").iterdir())
    looks = [look_at(read_image(path)) for path in paths[:20]]
    assert [advise(look).network for look in looks].count(network) >= least


@pytest.mark.skipif(not DEV.is_dir(), reason="needs the development photos in ../shared")
def test_no_development_photo_becomes_worse():
    restorers = {}

    def gain(photo, truth):
        advice = advise(look_at(photo))
        if advice.network is None:
            return 0
        restorer = restorers.setdefault(advice.network, Restorer(advice.network, threads=2))
        restored = restorer.restore(photo, strength=advice.strength)
        return psnr(to_float(restored), to_float(truth)) - psnr(to_float(photo), to_float(truth))

    for folder in ("realnoise_sidd", "lowlight_sice", "lowlight_lol", "deblur_gopro"):
        for name, photo, truth in crops(DEV / folder):
            assert gain(photo, truth) > -0.1, (folder, name)
    for index, path in enumerate(sorted((DEV / "clean" / "kodak24").iterdir())[::4]):
        clean = read_image(path)[100:260, 100:260]
        for sigma in (5, 25, 50):
            assert gain(noisy(clean, sigma, index), clean) > 3, path.name
        for degraded in (jpeg(clean, 30), jpeg(noisy(clean, 15), 80), jpeg(clean, 95)):
            assert gain(degraded, clean) > -0.1, path.name
