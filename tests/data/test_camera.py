import numpy as np
import pytest

from lpie.config.degrade import DegradeConfig
from lpie.data.degrade import responses
from lpie.data.degrade.bayer import PATTERNS, demosaic, mosaic
from lpie.data.degrade.camera_noise import (
    Sensor,
    camera_noise,
    colour_correction,
    draw_sensor,
    raw_noise,
    sensor_noise,
    usual_read_noise,
)
from lpie.data.degrade.degradation import degrade
from lpie.data.degrade.jpeg import jpeg
from lpie.data.degrade.low_light import low_light
from tests.conftest import SHARED

LEVELS = np.repeat(np.arange(256, dtype=np.float32)[None, :, None] / 255, 3, axis=2)
ALL = [responses.srgb(), *map(responses.measured, range(responses.MEASURED))]


def sensor(**changes):
    plain = Sensor(responses.srgb(), 0.01, 0.02, 1.0, 1.0, colour_correction(0, 0, 0))
    return plain._replace(**changes)


@pytest.fixture(scope="module")
def image(astronaut):
    return astronaut[:96, 60:180].astype(np.float32) / 255


@pytest.fixture(scope="module")
def grey():
    """[600, 600, 3] of linear light 0.3."""
    return np.full((600, 600, 3), 0.3, np.float32)


def test_packaged_responses_are_those_of_dorf():
    io = pytest.importorskip("scipy.io")
    path = SHARED / "data" / "synthesis" / "camera_response" / "201_CRF_data.mat"
    if not path.is_file():
        pytest.skip("no ../shared/data/synthesis beside this clone")
    original = io.loadmat(path)
    light, value = original["I"], original["B"]
    assert len(value) == responses.MEASURED
    for i in range(responses.MEASURED):
        ours = responses.from_light(light[i], responses.measured(i))
        assert np.abs(ours - value[i]).max() * 255 < 0.75, i
    with np.load(responses.__file__.replace(".py", ".npz")) as stored:
        np.testing.assert_array_equal(stored["curves"], responses.resample(light, value))


def test_responses_rise_and_their_directions_undo_each_other():
    for i, response in enumerate(ALL):
        assert response.value[[0, -1]].tolist() == [0, 1]
        assert np.diff(response.value).min() >= 0, i
        assert np.diff(response.root).min() >= 0, i
        back = responses.from_light(responses.to_light(LEVELS, response), response)
        assert np.abs(back - LEVELS).max() * 255 < 0.3, i


def test_srgb_is_the_standard_one():
    exact = np.where(LEVELS <= 0.04045, LEVELS / 12.92, ((LEVELS + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(responses.to_light(LEVELS, responses.srgb()), exact, atol=2e-4)
    outside = np.array([-0.1, 1.2], np.float32)
    assert responses.from_light(outside, responses.srgb()).tolist() == [0, 1]


@pytest.mark.parametrize("name", PATTERNS)
def test_mosaic_and_demosaic(name):
    colour = np.broadcast_to(np.array([0.2, 0.5, 0.9], np.float32), (8, 10, 3))
    plane = mosaic(colour, PATTERNS[name])
    seen = plane[:2, :2].ravel().tolist()
    assert seen == pytest.approx([{"R": 0.2, "G": 0.5, "B": 0.9}[letter] for letter in name])
    np.testing.assert_allclose(demosaic(plane, PATTERNS[name]), colour, atol=1e-6)


def test_demosaicing_keeps_what_was_measured_and_grey_ramps():
    rng = np.random.default_rng(0)
    plane = rng.random((33, 20), np.float32)
    for red in PATTERNS.values():
        np.testing.assert_array_equal(mosaic(demosaic(plane, red), red), plane)
    ramp = np.add.outer(np.arange(20), 2 * np.arange(30)).astype(np.float32)
    inner = demosaic(ramp, (0, 1))[2:-2, 2:-2]
    np.testing.assert_allclose(inner, np.repeat(ramp[2:-2, 2:-2, None], 3, 2), atol=1e-4)


def test_raw_noise_is_poisson_plus_gaussian():
    raw = np.full((1500, 1500), 0.3, np.float32)
    rng = np.random.default_rng(0)
    noise = raw_noise(raw, rng, shot_noise=0.05, read_noise=0.03).astype(np.float64)
    variance = 0.05 * 0.3 + 0.03**2
    assert noise.mean() == pytest.approx(0, abs=5e-4)
    assert noise.var() == pytest.approx(variance, rel=0.01)
    # The third central moment of Poisson counts is their mean; the Gaussian has none.
    assert (noise**3).mean() == pytest.approx(0.05**2 * 0.3, rel=0.05)
    assert not raw_noise(raw, rng, shot_noise=0, read_noise=0).any()


def test_variance_after_demosaicing_is_that_of_the_filters(grey):
    noise = sensor_noise(grey, np.random.default_rng(1), sensor()).astype(np.float64)
    variance = 0.01 * 0.3 + 0.02**2
    # Half of green is measured, half weighs its neighbours with squares that sum to 36/64; a
    # quarter of red is measured, half has 63.5/64 and a quarter 61/64. Blue is as red.
    assert noise[..., 1].var() == pytest.approx(variance * (1 + 36 / 64) / 2, rel=0.02)
    for channel in (0, 2):
        expected = variance * (1 + 2 * 63.5 / 64 + 61 / 64) / 4
        assert noise[..., channel].var() == pytest.approx(expected, rel=0.02)
    # A measured green lends a quarter of itself to each pixel beside it.
    beside = (noise[:, :-1, 1] * noise[:, 1:, 1]).mean()
    assert beside == pytest.approx(0.25 * variance, rel=0.05)
    apart = (noise[:, :-8, 1] * noise[:, 8:, 1]).mean()
    assert apart == pytest.approx(0, abs=0.01 * variance)


def test_white_balance_and_correction_amplify_noise(grey):
    def variances(**changes):
        noise = sensor_noise(grey, np.random.default_rng(2), sensor(read_noise=0.0, **changes))
        return noise.reshape(-1, 3).astype(np.float64).var(axis=0)

    plain = variances()
    # Half the light reaches the red pixels and is doubled: their variance is 4 * shot / 2, twice
    # that of green. Red is interpolated with squares of 32/64 on red and 31.5/64 on green beside
    # a red pixel, 16/64 on red and 45/64 on blue opposite one.
    balanced = variances(red_gain=2.0)
    red = (2 + 2 * (32 * 2 + 31.5) / 64 + (16 * 2 + 45) / 64) / 4
    assert balanced[0] == pytest.approx(0.01 * 0.3 * red, rel=0.02)
    assert balanced[0] > 1.4 * plain[0]
    # 1.8 red - 0.8 green, correlated as they are.
    assert variances(correction=colour_correction(0.8, 0, 0))[0] > 1.3 * plain[0]
    np.testing.assert_allclose(colour_correction(0.8, 0.2, 0.5).sum(axis=1), 1)


def test_the_border_is_as_noisy_as_the_rest():
    light, rng = np.full((16, 16, 3), 0.5, np.float32), np.random.default_rng(3)
    noise = np.stack([sensor_noise(light, rng, sensor()) for _ in range(600)])
    border = np.ones((16, 16), bool)
    border[2:-2, 2:-2] = False
    assert noise[:, border].std() == pytest.approx(noise[:, ~border].std(), rel=0.02)


@pytest.mark.parametrize("response", [ALL[0], ALL[1], ALL[100], ALL[201]])
def test_without_noise_the_photo_comes_back(image, response):
    quiet = sensor(
        response=response,
        shot_noise=0.0,
        read_noise=0.0,
        red_gain=1.8,
        blue_gain=1.4,
        correction=colour_correction(0.7, 0.2, 0.5),
    )
    for clean in (image, LEVELS):
        again = camera_noise(clean, np.random.default_rng(0), quiet)
        np.testing.assert_allclose(again, clean, atol=1e-6)


def test_noise_is_unbiased_in_light_and_ends_on_levels():
    light = np.full((400, 400, 3), 0.25, np.float32)
    clean = responses.from_light(light, responses.srgb())
    noisy = camera_noise(clean, np.random.default_rng(4), sensor(shot_noise=0.002, read_noise=0.0))
    np.testing.assert_allclose(noisy * 255, np.rint(noisy * 255), atol=1e-4)
    assert responses.to_light(noisy, responses.srgb()).mean() == pytest.approx(0.25, abs=1e-3)


def test_jpeg_comes_last_and_can_be_off(image):
    def photo(share):
        config = DegradeConfig(
            kinds=("camera_noise",), camera_jpeg=share, camera_jpeg_quality=(50, 50)
        )
        return degrade(image, np.random.default_rng(7), config)

    np.testing.assert_array_equal(photo(1.0), jpeg(photo(0.0), quality=50))
    assert np.abs(photo(1.0) - photo(0.0)).max() > 0.01


def test_low_light_noise_is_low_light_seen_by_a_camera(image):
    config = DegradeConfig(
        kinds=("low_light_noise",),
        exposure=(0.2, 0.2),
        shot_noise=(1e-6, 1e-6),
        measured_response=0.0,
        camera_jpeg=0.0,
    )
    dark = degrade(image, np.random.default_rng(0), config)
    assert np.abs(dark - low_light(image, exposure=0.2)).mean() * 255 < 0.5
    noisy = degrade(
        image,
        np.random.default_rng(0),
        DegradeConfig(kinds=("low_light_noise",), exposure=(0.2, 0.2), camera_jpeg=0.0),
    )
    assert noisy.std() > dark.std()


def test_drawn_sensors_stay_in_their_ranges():
    config, rng = DegradeConfig(shot_noise=(0.001, 0.1)), np.random.default_rng(0)
    drawn = [draw_sensor(rng, config) for _ in range(800)]
    shots = np.array([s.shot_noise for s in drawn])
    assert shots.min() >= 0.001
    assert shots.max() <= 0.1
    # Logarithmic: half of them lie below the geometric mean.
    assert np.median(shots) == pytest.approx(0.01, rel=0.2)
    factors = [s.read_noise / usual_read_noise(s.shot_noise) for s in drawn]
    low, high = config.read_noise_factor
    assert low <= min(factors)
    assert max(factors) <= high * (1 + 1e-9)
    assert {s.pattern for s in drawn} == set(PATTERNS)
    standard = np.mean([s.response is responses.srgb() for s in drawn])
    assert standard == pytest.approx(1 - config.measured_response, abs=0.07)
    # 10^(0.30 - 1.85 * 2) is the variance at 0.01.
    assert usual_read_noise(0.01) == pytest.approx(10**-1.7)
