"""PSNR and SSIM of images, in float64."""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError, unknown_name

_SIGMA = 1.5
_WINDOW = 11
LUMA = np.array([65.481, 128.553, 24.966])  # BT.601, studio swing, of RGB; 16 is added


def psnr(
    image: NDArray,
    target: NDArray,
    *,
    data_range: float | None = None,
    border: int = 0,
    y_channel: bool = False,
) -> float:
    """Compute the peak signal-to-noise ratio, 10 log10(peak^2 / MSE).

    Args:
        image: [H, W, C] or [N, H, W, C], RGB or grey.
        target: The ground truth, of the same shape and dtype.
        data_range: The peak. By default 255 for uint8, and 1 for other types.
        border: The number of pixels to leave out on every side.
        y_channel: Whether to compare BT.601 luma instead of RGB.

    Returns:
        The ratio in dB, infinite for equal images; of a batch the mean over its images.

    Raises:
        InputError: The shapes or dtypes differ, or nothing is left inside the border.
    """
    pairs, peak = _prepare(image, target, data_range, border, y_channel)
    with np.errstate(divide="ignore"):
        values = [10 * np.log10(peak**2 / np.mean((a - b) ** 2)) for a, b in pairs]
    return float(np.mean(values))


def ssim(
    image: NDArray,
    target: NDArray,
    *,
    data_range: float | None = None,
    border: int = 0,
    y_channel: bool = False,
    convention: Literal["standard", "basicsr3d"] = "standard",
) -> float:
    """Compute the structural similarity (Wang et al. 2004), the mean over pixels and channels.

    Args:
        image: [H, W, C] or [N, H, W, C], RGB or grey, of at least 11x11 pixels.
        target: The ground truth, of the same shape and dtype.
        data_range: The peak. By default 255 for uint8, and 1 for other types.
        border: The number of pixels to leave out on every side.
        y_channel: Whether to compare BT.601 luma instead of RGB.
        convention: "standard" has a Gaussian window of 11x11 and sigma 1.5, and counts only pixels
            whose whole window lies inside the image, as scikit-image does with
            `gaussian_weights=True, use_sample_covariance=False`. "basicsr3d" is the figure that
            NAFNet's code prints and that the tables of its papers hold: its window is 11x11x11 and
            runs over the channels too, with the border repeated. It averages three channels as if
            they were neighbours and reports more (0.948 where "standard" reports 0.831), so
            compare it only with itself.

    Returns:
        The similarity, 1 for equal images; of a batch the mean over its images.

    Raises:
        InputError: The shapes or dtypes differ, or an image is smaller than the window.
    """
    if convention not in ("standard", "basicsr3d"):
        raise unknown_name("convention", convention, ("standard", "basicsr3d"))
    pairs, peak = _prepare(image, target, data_range, border, y_channel)
    blur = _blur if convention == "standard" else _blur_3d
    return float(np.mean([_ssim(a, b, peak, blur) for a, b in pairs]))


def luma(image: NDArray) -> NDArray:
    """BT.601 studio-swing luma of `image` [..., 3] RGB in [0, 1]: [..., 1] in [16/255, 235/255]."""
    return (image @ (LUMA / 255) + 16 / 255)[..., None]


def _prepare(
    image: NDArray, target: NDArray, data_range: float | None, border: int, y_channel: bool
) -> tuple[list[tuple[NDArray, NDArray]], float]:
    if image.shape != target.shape or image.ndim not in (3, 4):
        raise InputError(
            "`image` and `target` must be two [H, W, C] or [N, H, W, C] arrays of one shape. "
            f"Received: {image.shape} and {target.shape}."
        )
    if image.dtype != target.dtype:
        raise InputError(
            f"`image` and `target` must share a dtype. Received: {image.dtype} and {target.dtype}."
        )
    h, w = image.shape[-3:-1]
    if border < 0 or 2 * border >= min(h, w):
        raise InputError(f"`border` must leave some of {w}x{h} pixels. Received: {border}.")
    peak = data_range or (255.0 if image.dtype == np.uint8 else 1.0)
    inner = (..., slice(border, h - border), slice(border, w - border), slice(None))
    a, b = (np.asarray(x[inner], np.float64) for x in (image, target))
    if y_channel:
        a, b = (luma(x / peak) * peak for x in (a, b))
    batched = (a, b) if a.ndim == 4 else (a[None], b[None])
    return list(zip(*batched, strict=True)), peak


def _ssim(a: NDArray, b: NDArray, peak: float, blur: Callable[[NDArray], NDArray]) -> float:
    h, w, _ = a.shape
    if min(h, w) < _WINDOW:
        raise InputError(f"SSIM needs at least {_WINDOW}x{_WINDOW} pixels. Received: {w}x{h}.")
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mu_a, mu_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mu_a**2, blur(b * b) - mu_b**2
    cov = blur(a * b) - mu_a * mu_b
    value = (2 * mu_a * mu_b + c1) * (2 * cov + c2)
    return float(np.mean(value / ((mu_a**2 + mu_b**2 + c1) * (var_a + var_b + c2))))


def gaussian_taps() -> NDArray:
    """SSIM's window along one axis: [11] float64, of sum 1."""
    r = _WINDOW // 2
    taps = np.exp(-0.5 * (np.arange(-r, r + 1) / _SIGMA) ** 2)
    return taps / taps.sum()


def _blur(x: NDArray) -> NDArray:
    """[H, W, C] blurred, without its border: [H - 10, W - 10, C]."""
    r, taps = _WINDOW // 2, gaussian_taps()
    blurred = cv2.sepFilter2D(np.ascontiguousarray(x), cv2.CV_64F, taps, taps)
    return blurred.reshape(x.shape)[r:-r, r:-r]  # OpenCV drops a channel axis of one


def _blur_3d(x: NDArray) -> NDArray:
    """[H, W, C] blurred over the channels as well; the border is repeated, the shape stays."""
    taps, channels = gaussian_taps(), x.shape[-1]
    flat = np.ascontiguousarray(x)
    blurred = cv2.sepFilter2D(flat, cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REPLICATE)
    r = _WINDOW // 2
    mixed = np.zeros((channels, channels))
    for c in range(channels):
        for k, tap in zip(range(c - r, c + r + 1), taps, strict=True):
            mixed[min(max(k, 0), channels - 1), c] += tap
    return blurred.reshape(x.shape) @ mixed
