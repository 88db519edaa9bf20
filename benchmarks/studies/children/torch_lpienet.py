"""LPIENet and the default loss in plain PyTorch, for the comparison with lpie's own."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class Lpienet(nn.Module):
    """The `keras` variant of `lpie.models.lpienet`; modules are named as the layers there."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder0, self.encoder1, self.encoder2 = Stage(3, 16), Stage(16, 32), Stage(32, 64)
        self.decoder0, self.decoder1 = Stage(64, 32), Stage(64, 16)
        self.inverse, self.tail = Inverse(32), Tail()

    def forward(self, image: Any) -> Any:
        skip0 = self.encoder0(image)
        skip1 = self.encoder1(F.max_pool2d(skip0, 2))
        x = self.encoder2(F.max_pool2d(skip1, 2))
        x = torch.cat([_up(self.decoder0(x)), skip1], 1)
        x = torch.cat([_up(self.decoder1(x)), skip0], 1)
        return image + self.tail(self.inverse(x))


class Stage(nn.Module):
    """Convolution, two base blocks, attention."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.conv = _conv(width_in, width, 3)
        self.block1, self.block2 = Block(width), Block(width)
        self.attention = Attention(width)

    def forward(self, x: Any) -> Any:
        return self.attention(self.block2(self.block1(F.relu(self.conv(x)))))


class Block(nn.Module):
    """The inverted residual block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv0, self.conv1 = _conv(width, width, 1), _conv(width, width, 1)
        self.conv2, self.conv3 = _conv(width, width, 1), _conv(width, width, 1)
        self.depthwise = _conv(width, width, 3, groups=width)

    def forward(self, x: Any) -> Any:
        m = self.conv1(F.elu(self.depthwise(self.conv0(x))))
        return self.conv3(F.elu(self.conv2(m))) + (m + x)


class Attention(nn.Module):
    """Two gates from the channel mean and maximum of each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = _conv(2, width, 3)
        self.channel0, self.channel1 = _conv(1, width, 1), _conv(width, width, 1)
        self.out = _conv(2 * width, width, 1)

    def forward(self, x: Any) -> Any:
        mean, peak = x.mean(1, keepdim=True), x.amax(1, keepdim=True)
        spatial = torch.sigmoid(self.spatial(torch.cat([mean, peak], 1)))
        channel = torch.sigmoid(self.channel1(F.relu(self.channel0(mean))))
        return x + self.out(torch.cat([x * spatial, x * channel], 1))


class Inverse(nn.Module):
    """Down to three channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv0, self.conv1, self.conv2 = _conv(width, 3, 1), _conv(3, 3, 1), _conv(width, 3, 1)
        self.depthwise = _conv(3, 3, 3, groups=3)

    def forward(self, x: Any) -> Any:
        return self.conv1(F.elu(self.depthwise(self.conv0(x)))) + F.relu(self.conv2(x))


class Tail(nn.Module):
    """The gate of the residual."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0, self.conv1, self.conv2 = _conv(3, 3, 7), _conv(3, 3, 5), _conv(3, 3, 3)

    def forward(self, z: Any) -> Any:
        return z * torch.sigmoid(self.conv2(F.relu(self.conv1(F.relu(self.conv0(z))))))


def _conv(width_in: int, width: int, kernel: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width_in, width, kernel, padding=kernel // 2, groups=groups)


def _up(x: Any) -> Any:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def total_loss(weights: dict[str, float], prediction: Any, target: Any) -> Any:
    """SSIM + L1 + gradient as `lpie.training.losses` weighs them."""
    return (
        weights["ssim"] * ssim_loss(prediction, target)
        + weights["l1"] * F.l1_loss(prediction, target)
        + weights["gradient"] * F.l1_loss(_magnitude(prediction), _magnitude(target))
    )


def ssim_loss(p: Any, t: Any) -> Any:
    """1 - SSIM: a Gaussian window of 11x11 and sigma 1.5 as two grouped convolutions, valid."""
    taps = torch.exp(-0.5 * ((torch.arange(11, device=p.device) - 5) / 1.5) ** 2)
    taps = (taps / taps.sum()).expand(15, 1, 1, 11)
    maps = torch.cat([p, t, p * p, t * t, p * t], 1)
    maps = F.conv2d(F.conv2d(maps, taps, groups=15), taps.mT, groups=15)
    mu_p, mu_t, pp, tt, pt = maps.split(3, 1)
    luminance = (2 * mu_p * mu_t + 0.01**2) / (mu_p**2 + mu_t**2 + 0.01**2)
    variances = (pp - mu_p**2) + (tt - mu_t**2)
    return 1 - (luminance * (2 * (pt - mu_p * mu_t) + 0.03**2) / (variances + 0.03**2)).mean()


def _magnitude(x: Any) -> Any:
    padded = F.pad(x, (1, 1, 1, 1))
    dy = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    dx = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    return torch.sqrt(dx**2 + dy**2 + 1e-6)
