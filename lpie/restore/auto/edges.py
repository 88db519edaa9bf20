"""How wide the edges in a photo are, in the direction where they are sharpest and where they are
most blurred.

The width of an edge is its contrast over its steepest slope, as of Marziliano et al., "A
no-reference perceptual blur metric", ICIP 2002. A camera that moved blurs the edges across its way
and leaves those along it; a photo out of focus, or an enlarged one, has wide edges everywhere.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Edges(NamedTuple):
    """The widths of the strongest edges of a photo, in px: 2 is as sharp as a photo gets.

    Attributes:
        measured: How many edges were measured; with few of them the widths are 0.
        narrow: That of the direction with the narrowest edges.
        wide: That of the direction with the widest edges.
        typical: The lower quartile over all edges.
    """

    measured: int
    narrow: float
    wide: float
    typical: float


_REACH = 16  # px on each side of an edge
_MOST = 400  # edges of a window
_LEAST_SLOPE = 4  # levels of 255 per px; below it is noise and shading
_LEAST_CONTRAST = 25
_LEAST_EDGES, _LEAST_OF_DIRECTION, _DIRECTIONS = 60, 25, 8
_PERCENT = 25  # narrow edges tell of the lens, wide ones also of soft things


def measure(windows: Sequence[NDArray[np.uint8]]) -> Edges:
    """The edges in `windows` of a photo, [h, w, 3]."""
    rows = [_edges(window) for window in windows if min(window.shape[:2]) > 3 * _REACH]
    widths, angles = np.concatenate([np.zeros((2, 0)), *rows], axis=1)
    if len(widths) < _LEAST_EDGES:
        return Edges(len(widths), 0.0, 0.0, 0.0)
    direction = np.rint(angles / (np.pi / _DIRECTIONS)).astype(int) % _DIRECTIONS
    by_direction = [widths[direction == k] for k in range(_DIRECTIONS)]
    medians = [np.percentile(w, _PERCENT) for w in by_direction if len(w) >= _LEAST_OF_DIRECTION]
    typical = float(np.percentile(widths, _PERCENT))
    narrow, wide = (min(medians), max(medians)) if medians else (typical, typical)
    return Edges(len(widths), float(narrow), float(wide), typical)


def _edges(window: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[2, M]: the widths of the edges in px, and their angles in [0, pi)."""
    grey = cv2.GaussianBlur(window.mean(2, dtype=np.float32), (0, 0), 0.8)
    dx, dy = cv2.Scharr(grey, cv2.CV_32F, 1, 0) / 32, cv2.Scharr(grey, cv2.CV_32F, 0, 1) / 32
    slope = np.asarray(np.hypot(dx, dy))
    slope[:_REACH] = slope[-_REACH:] = 0
    slope[:, :_REACH] = slope[:, -_REACH:] = 0
    dx, dy = dx / (slope + 1e-6), dy / (slope + 1e-6)
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
    before, after = (cv2.remap(slope, x + s * dx, y + s * dy, cv2.INTER_LINEAR) for s in (-1, 1))
    ys, xs = np.nonzero((slope > _LEAST_SLOPE) & (slope >= before) & (slope >= after))
    strongest = np.argsort(-slope[ys, xs], kind="stable")[:_MOST]
    at = ys[strongest], xs[strongest]
    if not strongest.size:
        return np.zeros((2, 0))
    steps = np.arange(-_REACH, _REACH + 1, dtype=np.float32)
    across = [
        p.astype(np.float32)[:, None] + d[at][:, None] * steps
        for p, d in ((at[1], dx), (at[0], dy))
    ]
    contrast = _contrast(cv2.remap(grey, across[0], across[1], cv2.INTER_LINEAR))
    kept = contrast > _LEAST_CONTRAST
    angles = np.arctan2(dy[at], dx[at])[kept] % np.pi
    return np.stack([(contrast / slope[at])[kept], angles])


def _contrast(profiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """By how much each profile [M, 2 reach + 1] rises around its middle, without a fall between."""
    rising = np.diff(profiles, axis=1) > 0
    right = np.cumprod(rising[:, _REACH:], axis=1).sum(1)
    left = np.cumprod(rising[:, :_REACH][:, ::-1], axis=1).sum(1)
    row = np.arange(len(profiles))
    return np.asarray(profiles[row, _REACH + right] - profiles[row, _REACH - left], np.float32)
