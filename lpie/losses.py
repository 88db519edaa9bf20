"""Training losses on [N, H, W, 3] images in [0, 1], written with `keras.ops`.

Each takes (prediction, target) and returns a scalar: the mean over the batch.
"""

import math
from typing import Any

import numpy as np

from lpie.backend import keras
from lpie.config import LossConfig

ops = keras.ops


def total_loss(config: LossConfig, prediction: Any, target: Any) -> tuple[Any, dict[str, Any]]:
    """The weighted sum of the parts that `config` asks for, and each part before its weight."""
    parts = {name: LOSSES[name](prediction, target) for name, weight in weights(config).items()}
    return sum(weights(config)[name] * part for name, part in parts.items()), parts


def weights(config: LossConfig) -> dict[str, float]:
    """The weights that are not zero, by the name of their part."""
    return {name: getattr(config, name) for name in LOSSES if getattr(config, name)}


def l1_loss(prediction: Any, target: Any) -> Any:
    """Mean absolute error."""
    return ops.mean(ops.abs(prediction - target))


def mse_loss(prediction: Any, target: Any) -> Any:
    """Mean squared error."""
    return ops.mean(ops.square(prediction - target))


def charbonnier_loss(prediction: Any, target: Any, *, epsilon: float = 1e-3) -> Any:
    """mean(sqrt(d^2 + epsilon^2)), an L1 that is smooth at zero (Charbonnier et al. 1994)."""
    return ops.mean(ops.sqrt(ops.square(prediction - target) + epsilon**2))


def psnr_loss(prediction: Any, target: Any) -> Any:
    """Negative PSNR in dB of each image, then the mean, as NAFNet is trained; -80 at equality."""
    mse = ops.mean(ops.square(prediction - target), axis=(1, 2, 3))
    return 10 / math.log(10) * ops.mean(ops.log(mse + 1e-8))


def gradient_loss(prediction: Any, target: Any) -> Any:
    """L1 between gradient-magnitude maps (Ma et al., Structure-Preserving Super Resolution, 2020).

    The gradient of each channel is the difference of its two neighbours, zero beyond the border.
    """
    return l1_loss(_gradient_magnitude(prediction), _gradient_magnitude(target))


def ssim_loss(prediction: Any, target: Any) -> Any:
    """1 - SSIM, with the window, constants and valid region of `lpie.ssim`."""
    c1, c2 = 0.01**2, 0.03**2
    both = ops.concatenate(
        [prediction, target, prediction**2, target**2, prediction * target], axis=-1
    )
    mu_p, mu_t, pp, tt, pt = ops.split(_blur(both), 5, axis=-1)  # each [N, H-10, W-10, 3]
    luminance = (2 * mu_p * mu_t + c1) / (mu_p**2 + mu_t**2 + c1)
    variances = (pp - mu_p**2) + (tt - mu_t**2)
    return 1 - ops.mean(luminance * (2 * (pt - mu_p * mu_t) + c2) / (variances + c2))


LOSSES = {
    "ssim": ssim_loss,
    "l1": l1_loss,
    "gradient": gradient_loss,
    "charbonnier": charbonnier_loss,
    "mse": mse_loss,
    "psnr": psnr_loss,
}


def _gradient_magnitude(x: Any) -> Any:
    padded = ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    dy = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    dx = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    # 1e-6 keeps the derivative of the root finite where the image is flat.
    return ops.sqrt(dx**2 + dy**2 + 1e-6)  # [N, H, W, 3]


def _blur(x: Any) -> Any:
    """Gaussian 11x11 of sigma 1.5, valid region.

    As two products with banded matrices.
    """
    _, h, w, _ = x.shape
    x = ops.einsum("ih,nhwc->niwc", _band(h), x)
    return ops.einsum("jw,niwc->nijc", _band(w), x)  # [N, H-10, W-10, C]


def _band(length: int) -> Any:
    """[length - 10, length]: row i holds the window that starts at pixel i."""
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    taps /= taps.sum()
    band = np.zeros((length - 10, length), np.float32)
    for i in range(length - 10):
        band[i, i : i + 11] = taps
    return ops.convert_to_tensor(band)
