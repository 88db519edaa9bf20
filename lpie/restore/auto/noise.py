"""How strong the noise in a photo is, how it is spread over frequencies, and signs of JPEG.

Natural pictures have flat parts, where little but noise is left. They are found as the 8x8 blocks
with the least energy at low frequencies of the DCT, and the noise is what they hold at higher ones
(Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS images", 2007; Liu,
Tanaka and Okutomi, "Single-image noise level estimation for blind denoising", 2013). It is taken in
luma and in two colour differences: texture and film grain are grey, most noise is coloured. Noise
that is alike in all pixels has equal energy at all frequencies; what a camera's demosaicing, its
denoising and JPEG do to it takes the high ones away.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N = 8  # pixels of a block, which are those of JPEG's


class Noise(NamedTuple):
    """The noise in the flat parts of a photo, in levels of 255.

    Of noise that is alike and independent in all pixels and channels, all are its sigma.

    Attributes:
        luma: Standard deviation at high frequencies of the luma.
        luma_floor: The same in the flattest twentieth of all blocks: what no texture adds to.
        luma_middle: At middle frequencies.
        colour: At high frequencies of the colour differences.
        colour_middle: At middle frequencies.
        colour_low: At low frequencies, which JPEG leaves.
    """

    luma: float
    luma_floor: float
    luma_middle: float
    colour: float
    colour_middle: float
    colour_low: float


def _dct_matrix(n: int) -> NDArray[np.float32]:
    """The orthonormal DCT-II: row k is the cosine of frequency k."""
    k, i = np.arange(n)[:, None], np.arange(n)
    rows = np.sqrt(2 / n) * np.cos(np.pi * (2 * i + 1) * k / (2 * n))
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


_DCT = _dct_matrix(N)
_OPPONENT = _dct_matrix(3)  # luma and two colour differences, orthonormal
_FREQUENCY = np.add.outer(np.arange(N), np.arange(N))
_LOW = (_FREQUENCY > 0) & (_FREQUENCY <= 3)
_MIDDLE = (_FREQUENCY >= 4) & (_FREQUENCY < 8)
_HIGH = _FREQUENCY >= 8
_FLAT_PERCENT, _FLOOR_PERCENT = 10, 5
_MOST_CLIPPED = 0.1  # of a block's samples: black and white hide the noise
_LEAST_BLOCKS = 30


def estimate(windows: Sequence[NDArray[np.uint8]]) -> Noise:
    """The noise in `windows` of a photo, [h, w, 3] with sides of at least 8 px."""
    energy = np.concatenate([_energy(window) for window in windows])  # [M, 3, 8, 8]
    unclipped = np.concatenate([_clipped(window) for window in windows]) < _MOST_CLIPPED
    if unclipped.sum() >= _LEAST_BLOCKS:
        energy = energy[unclipped]
    luma, colour = energy[:, :1], energy[:, 1:]
    flat_luma, flat_colour = _flat(luma), _flat(colour)
    floor = np.percentile(luma[..., _HIGH].mean((1, 2)), _FLOOR_PERCENT)
    return Noise(
        luma=_deviation(flat_luma, _HIGH),
        luma_floor=float(np.sqrt(floor)),
        luma_middle=_deviation(flat_luma, _MIDDLE),
        colour=_deviation(flat_colour, _HIGH),
        colour_middle=_deviation(flat_colour, _MIDDLE),
        colour_low=_deviation(flat_colour, _LOW),
    )


def blockiness(windows: Sequence[NDArray[np.uint8]]) -> float:
    """How much larger steps are at the borders of JPEG's blocks than within them, in levels.

    windows: [h, w, 3], which begin at multiples of 8 px. The median over the seven other positions
    is subtracted (Wang, Sheikh and Bovik, "No-reference perceptual quality assessment of JPEG
    compressed images", 2002).
    """
    steps = []
    for window in windows:
        grey = window.mean(2, dtype=np.float32)
        for rows in (grey, grey.T):
            difference = np.abs(np.diff(rows, axis=1))
            beside = (difference[:, :-2] + difference[:, 2:]) / 2
            excess = np.minimum(difference[:, 1:-1] - beside, 30).mean(0)  # [width - 3]
            at = (np.arange(len(excess)) + 1) % N
            steps.append([excess[at == k].mean() if (at == k).any() else 0 for k in range(N)])
    means = np.mean(steps, axis=0)
    return float(means[-1] - np.median(means))


def _clipped(window: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The share of black and white samples in each block of `_energy`: [M]."""
    h, w = (side // N * N for side in window.shape[:2])
    extreme = (window[:h, :w] == 0) | (window[:h, :w] == 255)
    return extreme.reshape(h // N, N, w // N, N, 3).mean((1, 3, 4)).reshape(-1)


def _energy(window: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The squares of the DCT coefficients of all blocks: [M, 3, 8, 8]."""
    h, w = (side // N * N for side in window.shape[:2])
    planes = window[:h, :w].astype(np.float32).reshape(-1, 3) @ _OPPONENT.T
    blocks = planes.reshape(h // N, N, w // N, N, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, N, N)
    return np.square(_DCT @ blocks @ _DCT.T)


def _flat(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """The tenth of the blocks with the least energy at low frequencies."""
    low = energy[..., _LOW].mean((1, 2))
    return energy[low <= np.percentile(low, _FLAT_PERCENT)]


def _deviation(energy: NDArray[np.float32], frequencies: NDArray[np.bool_]) -> float:
    return float(np.sqrt(np.median(energy[..., frequencies].mean((1, 2)))))
