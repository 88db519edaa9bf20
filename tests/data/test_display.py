import numpy as np
import pytest

from lpie.config.degrade import DegradeConfig
from lpie.data.degrade.blur.display_blur import (
    OPENINGS,
    RADIUS_PX,
    SAMPLES,
    WAVELENGTHS_NM,
    Display,
    diffraction,
    draw_point_spread,
    point_spread,
    pupil,
)
from lpie.data.degrade.blur.linear_light import blur
from lpie.data.degrade.degradation import degrade

PHONE = Display("toled", 100.0, 0.25, focal_length_mm=3.5, f_number=2.0, sensor_pixel_um=2.8)
WIDTH_UM = 1750.0


def ideal(shape, wavelength_nm, pixel_um):
    """Through an open pupil, sampled so finely that a pixel is nearly a point."""
    return diffraction(
        shape,
        width_um=WIDTH_UM,
        wavelength_nm=wavelength_nm,
        focal_length_mm=3.5,
        pixel_um=pixel_um,
    )


def round_pupil():
    u = np.abs(np.arange(SAMPLES) - (SAMPLES - 1) / 2) / (SAMPLES / 2)
    return (np.add.outer(u**2, u**2) <= 1).astype(np.float32)


@pytest.mark.parametrize("wavelength_nm", WAVELENGTHS_NM)
def test_a_square_pupil_gives_sinc_squared(wavelength_nm):
    pixel_um = 0.05
    spread = ideal(np.ones((SAMPLES, SAMPLES), np.float32), wavelength_nm, pixel_um)
    x_um = (np.arange(2 * RADIUS_PX + 1) - RADIUS_PX) * pixel_um
    expected = np.sinc(x_um * WIDTH_UM / (wavelength_nm * 1e-3 * 3500)) ** 2
    row = spread[RADIUS_PX] / spread.max()
    np.testing.assert_allclose(row, expected, atol=2e-3)
    zero = wavelength_nm * 1e-3 * 3500 / WIDTH_UM / pixel_um
    assert np.argmin(row[RADIUS_PX:]) == pytest.approx(zero, abs=0.6)


@pytest.mark.parametrize("wavelength_nm", WAVELENGTHS_NM)
def test_a_round_pupil_gives_the_airy_disc(wavelength_nm):
    pixel_um = 0.08
    row = ideal(round_pupil(), wavelength_nm, pixel_um)[RADIUS_PX, RADIUS_PX:]
    dark = 1.2197 * wavelength_nm * 1e-3 * 2.0 / pixel_um  # 1.22 wavelength * f-number
    first = int(np.argmin(row[: round(1.3 * dark)]))
    assert first == pytest.approx(dark, abs=1)
    ring = row[first:].max() / row[0]
    assert ring == pytest.approx(0.0175, rel=0.05)


@pytest.mark.parametrize("wavelength_nm", WAVELENGTHS_NM)
def test_slits_are_a_grating(wavelength_nm):
    pitch_um = 62.5
    # Pixels of a tenth of wavelength * focal length / pitch: order n lies n * 10 pixels out.
    spread = diffraction(
        pupil(PHONE._replace(pitch_um=pitch_um)),
        width_um=WIDTH_UM,
        wavelength_nm=wavelength_nm,
        focal_length_mm=3.5,
        pixel_um=wavelength_nm * 1e-3 * 3500 / pitch_um / 10,
    )
    row = spread.sum(axis=0)
    orders = [row[RADIUS_PX + n * 10 - 2 : RADIUS_PX + n * 10 + 3] for n in range(4)]
    assert all(np.argmax(light) == 2 for light in orders)
    # Under the envelope of one slit, a quarter of the pitch wide: sinc^2(order / 4).
    shares = [light.sum() / orders[0].sum() for light in orders]
    np.testing.assert_allclose(shares, np.sinc(np.arange(4) / 4) ** 2, rtol=0.1)


@pytest.mark.parametrize("layout", OPENINGS)
def test_point_spread_of_a_display(layout):
    display = PHONE._replace(layout=layout)
    open_share = pupil(display).mean() / (np.pi / 4)
    assert open_share == pytest.approx(display.opening, rel=0.05)
    spread = point_spread(display)
    assert spread.shape == (65, 65, 3)
    assert spread.dtype == np.float32
    assert spread.min() >= 0
    np.testing.assert_allclose(spread.sum(axis=(0, 1)), 1, atol=1e-5)
    np.testing.assert_allclose(spread, spread[::-1, ::-1], atol=1e-6)
    # The undeflected share of the transmitted light is the open share (Parseval).
    centre = spread[31:34, 31:34].sum(axis=(0, 1))
    np.testing.assert_allclose(centre, display.opening, atol=0.06)
    # Blue lies closer in than red: mean distance within what both keep of the first orders.
    y, x = np.mgrid[-16:17, -16:17]
    near = spread[16:49, 16:49]
    red, _, blue = ((near * np.hypot(x, y)[..., None]).sum((0, 1)) / near.sum((0, 1))).tolist()
    assert blue < red
    assert point_spread(display) is spread
    assert not spread.flags.writeable


def test_an_open_display_leaves_the_photo_sharp():
    spread = point_spread(PHONE._replace(opening=1.0))
    assert spread[31:34, 31:34].sum(axis=(0, 1)).min() > 0.9


def test_attenuation_is_in_linear_light():
    white = np.ones((40, 30, 3), np.float32)
    seen = blur(white, point_spread(PHONE), transmission=(0.2, 0.2, 0.1))
    # sRGB of 0.2 and 0.1 of the light.
    np.testing.assert_allclose(seen[..., :2], 0.4845, atol=0.001)
    np.testing.assert_allclose(seen[..., 2], 0.3492, atol=0.001)


def test_displays_are_a_fixed_set():
    config, rng = DegradeConfig(kinds=("display_blur",), displays=3), np.random.default_rng(0)
    drawn = [draw_point_spread(rng, config) for _ in range(40)]
    assert len({spread.tobytes() for spread in drawn}) <= 6  # three, upright and turned
    image = np.random.default_rng(1).random((20, 30, 3)).astype(np.float32)
    one, two = (degrade(image, np.random.default_rng(5), config) for _ in range(2))
    np.testing.assert_array_equal(one, two)
