"""Training losses on [N, H, W, 3] images in [0, 1], written with `keras.ops`.

Each takes (prediction, target) and returns a scalar: the mean over the batch.
"""

import math

import numpy as np

from lpie.backend import Tensor, keras
from lpie.config.config import LossConfig
from lpie.image.metrics import LUMA, gaussian_taps

ops = keras.ops


def total_loss(
    config: LossConfig, prediction: Tensor, target: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of the parts that `config` asks for, and each part before its weight.

    target: [N, H, W, 3], or [N, H, W, 6] with a teacher's output behind it (`distillation`).
    """
    truth, teacher = target[..., :3], target[..., 3:]
    parts = {
        name: LOSSES[name](prediction, teacher if name == "distillation" else truth)
        for name in weights(config)
    }
    return sum(weights(config)[name] * part for name, part in parts.items()), parts


def weights(config: LossConfig) -> dict[str, float]:
    """The weights that are not zero, by the name of their part."""
    return {name: getattr(config, name) for name in LOSSES if getattr(config, name)}


def l1_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error."""
    return ops.mean(ops.abs(prediction - target))


def mse_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return ops.mean(ops.square(prediction - target))


def charbonnier_loss(prediction: Tensor, target: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """mean(sqrt(d^2 + epsilon^2)), an L1 that is smooth at zero (Charbonnier et al. 1994)."""
    return ops.mean(ops.sqrt(ops.square(prediction - target) + epsilon**2))


def psnr_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Negative PSNR in dB of each image, then the mean, as NAFNet is trained; -80 at equality."""
    mse = ops.mean(ops.square(prediction - target), axis=(1, 2, 3))
    return 10 / math.log(10) * ops.mean(ops.log(mse + 1e-8))


def psnr_y_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """`psnr_loss` of BT.601 luma."""
    weights = ops.convert_to_tensor(LUMA.astype(np.float32)[:, None])
    # In the order of the released code, whose rounding shows in the derivative.
    y, y_target = ((ops.matmul(x, weights) + 16) / 255 for x in (prediction, target))
    return psnr_loss(y, y_target)


def fft_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean modulus of the difference of both spectra over height and width, unscaled."""
    difference = _channels_first(prediction - target)
    real, imaginary = ops.fft2((difference, ops.zeros_like(difference)))
    # The derivative of the root is not finite where both images are equal.
    return ops.mean(ops.sqrt(ops.maximum(real**2 + imaginary**2, 1e-20)))


def gradient_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between gradient-magnitude maps (Ma et al., Structure-Preserving Super Resolution, 2020).

    The gradient of each channel is the difference of its two neighbours, zero beyond the border.
    """
    return l1_loss(_gradient_magnitude(prediction), _gradient_magnitude(target))


def ssim_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - SSIM, with the window, constants and valid region of `lpie.ssim`."""
    c1, c2 = 0.01**2, 0.03**2
    p, t = _channels_first(prediction), _channels_first(target)
    maps = _blur(ops.concatenate([p, t, p**2, t**2, p * t], axis=1))
    mu_p, mu_t, pp, tt, pt = ops.split(maps, 5, axis=1)  # each [N, 3, H-10, W-10]
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
    "psnr_y": psnr_y_loss,
    "fft": fft_loss,
    "distillation": l1_loss,
}


def _gradient_magnitude(x: Tensor) -> Tensor:
    """[N, H, W, 3] to [N, 3, H, W]."""
    x = _channels_first(x)
    _, _, h, w = x.shape
    dy = ops.matmul(_difference(h), x)
    dx = ops.matmul(x, ops.transpose(_difference(w)))
    # 1e-6 keeps the derivative of the root finite where the image is flat.
    return ops.sqrt(dx**2 + dy**2 + 1e-6)


def _difference(length: int) -> Tensor:
    """[length, length]: row i takes the pixel before i from the one after it."""
    return ops.convert_to_tensor(
        np.eye(length, k=1, dtype=np.float32) - np.eye(length, k=-1, dtype=np.float32)
    )


def _channels_first(x: Tensor) -> Tensor:
    """[N, C, H, W]: windows over H and W are then matrix products, several times faster on CPU."""
    return ops.transpose(x, (0, 3, 1, 2))


def _blur(x: Tensor) -> Tensor:
    """Gaussian 11x11 of sigma 1.5 over [N, C, H, W], valid region; by banded matrices."""
    _, _, h, w = x.shape
    x = ops.matmul(_band(h), x)  # [N, C, H-10, W]
    return ops.matmul(x, ops.transpose(_band(w)))  # [N, C, H-10, W-10]


def _band(length: int) -> Tensor:
    """[length - 10, length]: row i holds the window that starts at pixel i."""
    taps = gaussian_taps()
    band = np.zeros((length - 10, length), np.float32)
    for i in range(length - 10):
        band[i, i : i + 11] = taps
    return ops.convert_to_tensor(band)
