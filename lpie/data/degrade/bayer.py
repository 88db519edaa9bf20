"""The Bayer mosaic of a colour sensor, and its demosaicing."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

# Where red lies in each 2x2 cell; blue lies diagonally opposite, green on the other two.
PATTERNS = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}

# Malvar, He & Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color
# images", ICASSP 2004, Fig. 2: 5x5 filters that add the Laplacian of the measured channel.
# In eighths: green on red or blue; red beside red; red diagonally opposite red; so too for blue.
GREEN, BESIDE, DIAGONAL = (
    np.array(rows, np.float32) / np.float32(8)
    for rows in (
        [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]],
        [
            [0, 0, 0.5, 0, 0],
            [0, -1, 0, -1, 0],
            [-1, 4, 5, 4, -1],
            [0, -1, 0, -1, 0],
            [0, 0, 0.5, 0, 0],
        ],
        [
            [0, 0, -1.5, 0, 0],
            [0, 2, 0, 2, 0],
            [-1.5, 0, 6, 0, -1.5],
            [0, 2, 0, 2, 0],
            [0, 0, -1.5, 0, 0],
        ],
    )
)
RADIUS = 2


def mosaic(image: Image, red: tuple[int, int]) -> Image:
    """[H, W] of the one channel each pixel sees; image: [H, W, 3], `red` as in `PATTERNS`."""
    y, x = red
    plane = image[..., 1].copy()
    plane[y::2, x::2] = image[y::2, x::2, 0]
    plane[1 - y :: 2, 1 - x :: 2] = image[1 - y :: 2, 1 - x :: 2, 2]
    return plane


def demosaic(plane: Image, red: tuple[int, int]) -> Image:
    """[H, W, 3] interpolated linearly from a Bayer mosaic `plane` [H, W]."""

    def filtered(kernel: Image) -> Image:
        result = cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(result, np.float32)

    y, x = red
    h, w = plane.shape
    across, down, diagonal = filtered(BESIDE), filtered(BESIDE.T.copy()), filtered(DIAGONAL)
    out = np.empty((h, w, 3), np.float32)
    out[..., 1] = plane
    green = filtered(GREEN)
    for channel, (i, j) in ((0, (y, x)), (2, (1 - y, 1 - x))):
        here, far = np.s_[i::2, j::2], np.s_[1 - i :: 2, 1 - j :: 2]
        row, column = np.s_[i::2, 1 - j :: 2], np.s_[1 - i :: 2, j::2]
        out[..., 1][here] = green[here]
        out[..., channel][here] = plane[here]
        out[..., channel][far] = diagonal[far]
        out[..., channel][row] = across[row]
        out[..., channel][column] = down[column]
    return out
