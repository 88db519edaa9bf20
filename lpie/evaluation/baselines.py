"""Classical restoration methods, to be measured beside a network.

Every method is a pure function of image: [H, W, 3] float32 RGB, in [0, 1] or, with noise that is
not clipped, beyond; the result has the same shape and dtype and is not clipped. Denoisers get
sigma, the noise's standard deviation in the image's units. Constants were chosen on the
development sets. BM3D is absent: its authors' package (`bm3d`) is for non-commercial use only, and
the free ones for colour are plugins of a video server, or need a GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lpie.data.augment import LUMA
from lpie.image.image import to_float, to_uint8

Image = NDArray[np.float32]

# Its response to white noise has the noise's own deviation: the squares sum to 1. It ignores
# every linear gradient (Immerkaer, "Fast noise variance estimation", 1996).
_NOISE_FILTER = np.outer([1, -2, 1], [1, -2, 1]) / 6
# A quarter of an 8-bit level: an image without any noise would else divide by zero.
_LEAST_SIGMA = 0.25 / 255


@dataclass(frozen=True)
class Baseline:
    """A method.

    about: its constants. denoises: whether it takes sigma. package: what it needs beside OpenCV.
    """

    restore: Callable[..., Image]
    about: str
    denoises: bool = False
    package: str = ""


def estimate_sigma(image: Image, *, step_px: int = 1) -> float:
    """The standard deviation of the noise in `image`, from its finest detail.

    Median absolute deviation of a high-pass filter, so that edges count little. step_px: look at
    every nth pixel only. A camera's demosaicing correlates the noise of neighbours, which hides
    from the filter more than half of it; two pixels apart little of that is left.
    """
    every = np.ascontiguousarray(image[::step_px, ::step_px])
    detail = cv2.filter2D(every, -1, _NOISE_FILTER)
    return max(float(np.median(np.abs(detail))) / 0.6745, _LEAST_SIGMA)


def non_local_means(image: Image, sigma: float) -> Image:
    """Means over similar patches (Buades et al. 2005), scikit-image's fast mode."""
    from skimage.restoration import denoise_nl_means

    done = denoise_nl_means(
        image,
        patch_size=5,
        patch_distance=6,
        h=0.6 * sigma,
        sigma=sigma,
        fast_mode=True,
        channel_axis=-1,
    )
    return np.asarray(done, np.float32)


def non_local_means_opencv(image: Image, sigma: float) -> Image:
    """Non-local means in Lab colour and 8 bits, as OpenCV has it; the input is clipped."""
    strength = 0.6 * 255 * sigma
    bgr = cv2.cvtColor(to_uint8(image), cv2.COLOR_RGB2BGR)
    done = cv2.fastNlMeansDenoisingColored(
        bgr,
        None,
        h=strength,
        hColor=strength,
        templateWindowSize=5,
        searchWindowSize=15,
    )
    return to_float(np.asarray(cv2.cvtColor(done, cv2.COLOR_BGR2RGB), np.uint8))


def total_variation(image: Image, sigma: float) -> Image:
    """The image of least total variation near this one (Chambolle 2004)."""
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(image, weight=0.8 * sigma, channel_axis=-1), np.float32)


def dct_threshold(image: Image, sigma: float) -> Image:
    """Means over all 8x8 blocks, each without its small DCT coefficients.

    Yu and Sapiro, "DCT image denoising", IPOL 2011: opponent colours, hard threshold; here of 2.8
    sigma, and blocks weigh as much as they are sparse, as in BM3D's first step.
    """
    n, (h, w, _) = 8, image.shape
    bottom, right = n + (-h) % n, n + (-w) % n
    padded = cv2.copyMakeBorder(image, n, bottom, n, right, cv2.BORDER_REFLECT_101)
    planes = np.ascontiguousarray((padded @ _OPPONENT.T).transpose(2, 0, 1))  # [3, H', W']
    total, weights = np.zeros_like(planes), np.zeros_like(planes)
    for y in range(n):
        for x in range(n):
            inner = (slice(None), slice(y, y - n), slice(x, x - n))
            blocks, weight = _sparse_blocks(planes[inner], 2.8 * sigma)
            total[inner] += blocks
            weights[inner] += weight
    inner = (slice(None), slice(n, n + h), slice(n, n + w))
    return np.ascontiguousarray((total[inner] / weights[inner]).transpose(1, 2, 0) @ _OPPONENT)


def gamma(image: Image) -> Image:
    """The image to the power that takes its mean luma to 0.5."""
    clipped = np.clip(image, 0, 1)
    mean = float(np.mean(clipped @ LUMA))
    return clipped ** np.float32(np.log(0.5) / np.log(np.clip(mean, 1e-3, 0.99)))


def equalize(image: Image) -> Image:
    """The image with the histogram of its lightness (Lab, 8 bits) made flat."""
    return _with_lightness(image, cv2.equalizeHist)


def clahe(image: Image) -> Image:
    """Equalized lightness in 8x8 tiles, its contrast limited (Zuiderveld 1994)."""
    return _with_lightness(image, cv2.createCLAHE(clipLimit=16, tileGridSize=(8, 8)).apply)


def unsharp_mask(image: Image) -> Image:
    """The image plus half of what a Gaussian blur of 1.5 px takes away."""
    return image + np.float32(0.5) * (image - _blur(image, 1.5))


def richardson_lucy(image: Image) -> Image:
    """Ten steps of Richardson-Lucy deconvolution, as if a Gaussian of 1.5 px had blurred it."""
    least = np.float32(1e-3)  # it divides by the image
    blurred = np.maximum(image, least)
    sharp = blurred.copy()
    for _ in range(10):
        ratio = np.divide(blurred, np.maximum(_blur(sharp, 1.5), least), dtype=np.float32)
        sharp = np.multiply(sharp, _blur(ratio, 1.5), dtype=np.float32)
    return sharp


BASELINES = {
    "NLM": Baseline(
        non_local_means,
        "scikit-image denoise_nl_means, fast mode, patches of 5 px, reach 6 px, h = 0.6 sigma",
        denoises=True,
        package="skimage",
    ),
    "NLM OpenCV": Baseline(
        non_local_means_opencv,
        "fastNlMeansDenoisingColored on 8 bits, patches of 5 px, reach 7 px, h = 0.6 sigma",
        denoises=True,
    ),
    "TV": Baseline(
        total_variation,
        "scikit-image denoise_tv_chambolle, weight = 0.8 sigma",
        denoises=True,
        package="skimage",
    ),
    "DCT": Baseline(
        dct_threshold,
        "all 8x8 blocks of opponent colours, hard threshold of 2.8 sigma",
        denoises=True,
    ),
    "gamma": Baseline(gamma, "the power that takes the mean luma to 0.5"),
    "equalize": Baseline(equalize, "OpenCV equalizeHist on the lightness (Lab, 8 bits)"),
    "CLAHE": Baseline(clahe, "OpenCV, clip limit 16, 8x8 tiles, lightness (Lab, 8 bits)"),
    "unsharp mask": Baseline(unsharp_mask, "amount 0.5, Gaussian of 1.5 px"),
    "Richardson-Lucy": Baseline(richardson_lucy, "10 steps, a Gaussian of 1.5 px assumed"),
}


def _dct_matrix(n: int) -> Image:
    """The orthonormal DCT-II: row k is the cosine of frequency k."""
    k, i = np.arange(n)[:, None], np.arange(n)
    rows = np.sqrt(2 / n) * np.cos(np.pi * (2 * i + 1) * k / (2 * n))
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


_DCT = _dct_matrix(8)
# Luma and two colour differences; orthonormal, as the DCT of three points is.
_OPPONENT = _dct_matrix(3)


def _sparse_blocks(planes: Image, threshold: float) -> tuple[Image, Image]:
    """(planes of thresholded blocks times their weight, the weights); planes: [3, H, W]."""
    n, (c, h, w) = 8, planes.shape
    columns = _DCT @ np.ascontiguousarray(planes).reshape(c, h // n, n, w)
    # Many small products: one large one goes to BLAS threads, which starve on a busy machine.
    coefficients = columns.reshape(c, h // n, n, w // n, n) @ _DCT.T
    keep = np.abs(coefficients) > threshold
    keep[:, :, 0, :, 0] = True  # the mean of a block is never noise
    weight = 1 / keep.sum((2, 4), keepdims=True, dtype=np.float32)
    rows = ((coefficients * keep) @ _DCT).reshape(c, h // n, n, w)
    blocks = (_DCT.T @ rows).reshape(coefficients.shape) * weight
    return blocks.reshape(c, h, w), np.broadcast_to(weight, coefficients.shape).reshape(c, h, w)


def _with_lightness(image: Image, change: Callable[[NDArray], NDArray]) -> Image:
    lab = cv2.cvtColor(to_uint8(image), cv2.COLOR_RGB2LAB)
    lab[..., 0] = change(lab[..., 0])
    return to_float(np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8))


def _blur(image: Image, sigma_px: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.float32)
