"""Point-spread functions of a camera that looks through a display.

The display's opaque pixels and wires leave openings in front of the lens. A distant point sends
a plane wave through them; the lens forms its Fraunhofer diffraction pattern in the focal plane
(Goodman, "Introduction to Fourier Optics", 4th ed., section 6.2; for displays, Zhou et al., "Image
Restoration for Under-Display Camera", CVPR 2021):

    intensity(x, y) ~ |F[pupil](x / (wavelength * focal_length), y / (...))|^2

A periodic display is a grating: copies of the image at wavelength * focal_length / pitch, for red
further out than for blue, under an envelope that the single opening decides. The mask is taken as
thin and the lens as perfect.
"""

import functools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lpie.data.degrade.blur.linear_light import Highlights, blur
from lpie.data.degrade.degradation import (
    Image,
    Range,
    choice,
    degradation,
    log_uniform,
    setting,
    uniform,
)

Layout = Literal["toled", "stripe", "pentile"]

WAVELENGTHS_NM = (640.0, 550.0, 460.0)  # red, green, blue
# A colour filter passes a band; in steps of 15 nm its far copies run into each other, as they do.
BAND_NM = (-30.0, -15.0, 0.0, 15.0, 30.0)
RADIUS_PX = 32  # of the result; some percent of the light that falls further out are left out
SAMPLES = 512  # across the pupil: 3 to 4 um each on a phone, a thirtieth of a display pixel
FINER = 4  # each is the mean of 4x4 points, so that an edge between samples counts in part


@degradation("display_blur")
@dataclass(frozen=True)
class DisplayBlur(Highlights):
    """The blur and the loss of light of a camera behind one of several displays."""

    # How many displays there are, and what each is drawn from: its layout, the distance from one
    # display pixel to the next in micrometres, and the share of its area that lets light through.
    displays: int = setting(16, 1, 128)
    display_layouts: tuple[Layout, ...] = ("toled", "stripe", "pentile")
    display_pitch_um: Range = setting((100.0, 200.0), 10, 1000)
    display_opening: Range = setting((0.2, 0.5), 0.01, 1)
    # Fraction of the light that the camera ends up with: about 0.2 through the T-OLED of Zhou et
    # al. 2021, 1 where it exposes longer to make up for that; and of blue, relative to the rest,
    # which the plastic of flexible displays absorbs.
    display_transmission: Range = setting((0.2, 1.0), 0.001, 1)
    display_blue: Range = setting((0.7, 1.0), 0.001, 1)
    # The camera: focal length in millimetres, f-number, and the width of a sensor pixel in
    # micrometres; one of 2.8 um is four binned pixels of 1.4 um.
    focal_length_mm: float = setting(3.5, 0.5, 50)
    f_number: float = setting(2.0, 0.7, 22)
    sensor_pixel_um: float = setting(2.8, 0.5, 20)

    def apply(self, image: Image, rng: Generator) -> Image:
        clear = uniform(rng, self.display_transmission)
        return blur(
            image,
            draw_point_spread(rng, self),
            highlight_gain=log_uniform(rng, self.highlight_gain),
            transmission=(clear, clear, clear * uniform(rng, self.display_blue)),
        )


class Display(NamedTuple):
    """A display and the camera behind it."""

    layout: Layout
    pitch_um: float  # from one display pixel to the next
    opening: float  # the fraction of the area that lets light through
    focal_length_mm: float
    f_number: float  # focal length over diameter of the lens
    sensor_pixel_um: float


def draw_point_spread(rng: Generator, config: DisplayBlur) -> NDArray[np.float32]:
    """[65, 65, 3] of one of `config.displays` displays, upright or turned by 90 degrees.

    Display i has always the same layout, pitch and opening, drawn from the ranges of `config`
    with the generator of i: computing one takes far longer than using it.
    """
    own = np.random.default_rng(int(rng.integers(config.displays)))
    display = Display(
        layout=choice(own, config.display_layouts),
        pitch_um=uniform(own, config.display_pitch_um),
        opening=uniform(own, config.display_opening),
        focal_length_mm=config.focal_length_mm,
        f_number=config.f_number,
        sensor_pixel_um=config.sensor_pixel_um,
    )
    return np.rot90(point_spread(display), int(rng.integers(2)))


@functools.lru_cache(maxsize=128)
def point_spread(display: Display) -> NDArray[np.float32]:
    """[65, 65, 3] in red, green, blue: what a point becomes on the sensor; each sums to 1."""
    width_um = display.focal_length_mm * 1000 / display.f_number
    seen = pupil(display)

    def at(wavelength_nm: float) -> NDArray[np.float32]:
        return diffraction(
            seen,
            width_um=width_um,
            wavelength_nm=wavelength_nm,
            focal_length_mm=display.focal_length_mm,
            pixel_um=display.sensor_pixel_um,
        )

    channels = [np.mean([at(nm + d) for d in BAND_NM], axis=0) for nm in WAVELENGTHS_NM]
    spread = np.stack(channels, axis=-1)
    spread.setflags(write=False)  # the cache hands out the same array again
    return spread


def diffraction(
    pupil: NDArray[np.float32],
    *,
    width_um: float,
    wavelength_nm: float,
    focal_length_mm: float,
    pixel_um: float,
    radius_px: int = RADIUS_PX,
) -> NDArray[np.float32]:
    """[K, K] light on the sensor pixels around the image of a point, its sum 1; K = 2 radius + 1.

    pupil: [N, N] amplitude transmission over a square of `width_um`, N even, the same when
    mirrored left to right and top to bottom: its transform is then real and a sum of cosines over
    one quarter. Two matrix products rather than an FFT, so that the samples fall on the sensor's
    grid at every wavelength. They are as dense as the intensity needs (its Nyquist interval is
    wavelength * focal length / (2 width)) and summed over each pixel.
    """
    reach_um2 = wavelength_nm * 1e-3 * focal_length_mm * 1e3
    finer = int(np.ceil(2 * pixel_um * width_um / reach_um2))
    n, k = len(pupil), 2 * radius_px + 1
    u = (np.arange(n // 2) + 0.5) / n * width_um  # across the pupil, from its middle
    x = ((np.arange(k * finer) + 0.5) / finer - k / 2) * pixel_um  # across the sensor
    waves = np.cos(2 * np.pi * np.outer(x, u) / reach_um2).astype(np.float32)
    field = waves @ pupil[n // 2 :, n // 2 :] @ waves.T
    pixels = (field**2).reshape(k, finer, k, finer).sum(axis=(1, 3), dtype=np.float64)
    return (pixels / pixels.sum()).astype(np.float32)


def pupil(display: Display) -> NDArray[np.float32]:
    """[512, 512] transmission of the round lens behind the openings of `display`, in [0, 1]."""
    width_um = display.focal_length_mm * 1000 / display.f_number
    half = SAMPLES // 2
    u = (np.arange(half * FINER) + 0.5) / (SAMPLES * FINER) * width_um  # from the middle
    x, y = u[None, :], u[:, None]
    round_lens = x**2 + y**2 <= (width_um / 2) ** 2
    # Coordinates within a display pixel, in [-1/2, 1/2), one pixel centred on the lens.
    cell_x, cell_y = (np.mod(v / display.pitch_um + 0.5, 1) - 0.5 for v in (x, y))
    fine = round_lens & OPENINGS[display.layout](cell_x, cell_y, display.opening)
    quarter = fine.reshape(half, FINER, half, FINER).mean(axis=(1, 3), dtype=np.float32)
    right = np.concatenate([quarter[::-1], quarter])
    return np.concatenate([right[:, ::-1], right], axis=1)


def _slits(x: NDArray, y: NDArray, opening: float) -> NDArray[np.bool_]:
    """Transparent OLED: clear columns between the columns of pixels."""
    return (np.abs(x) <= opening / 2) & (np.abs(y) <= 1)


def _windows(x: NDArray, y: NDArray, opening: float) -> NDArray[np.bool_]:
    """RGB stripes: one square window beside the three bars of each pixel."""
    return (np.abs(x) <= opening**0.5 / 2) & (np.abs(y) <= opening**0.5 / 2)


def _diamonds(x: NDArray, y: NDArray, opening: float) -> NDArray[np.bool_]:
    """Pentile: two diamonds for each pixel, in a checkerboard between the emitters."""
    half = (opening / 4) ** 0.5  # a diamond |x| + |y| <= h has the area 2 h^2
    middle = np.abs(x) + np.abs(y) <= half
    corner = (0.5 - np.abs(x)) + (0.5 - np.abs(y)) <= half
    return middle | corner


OPENINGS = {"toled": _slits, "stripe": _windows, "pentile": _diamonds}
