"""What a photo's samples mean, and the way from them to what a network sees and back.

The way back adds the network's change to the samples, so that what the network leaves alone stays
as it was, bit for bit, in every type and colour model.
"""

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from lpie.image.curves import Curve

Model = Literal["grey", "rgb", "cmyk"]
CHANNELS: dict[Model, int] = {"grey": 1, "rgb": 3, "cmyk": 4}
BLOCK = 1 << 20  # pixels that are converted at once


@dataclass(frozen=True)
class Colour:
    """What samples mean.

    Attributes:
        model: What the first 1, 3 or 4 channels are; further ones are kept as they are.
        low: The value of black (in CMYK: of no ink).
        high: The value of white (in CMYK: of full ink).
        alpha: The channel that holds the transparency, if one does.
        associated: Whether colours are multiplied by the transparency.
        curve: The transfer curve, where it is not that of sRGB.
        profile: The ICC profile of CMYK.
    """

    model: Model
    low: float
    high: float
    alpha: int | None = None
    associated: bool = False
    curve: Curve | None = None
    profile: bytes | None = None

    @property
    def channels(self) -> int:
        """How many of the channels are colours."""
        return CHANNELS[self.model]

    def plain(self, dtype: np.dtype) -> bool:
        """Whether a network can take the samples as they are."""
        return (
            dtype in (np.uint8, np.uint16)
            and self.model != "cmyk"
            and (self.low, self.high) == (0, np.iinfo(dtype).max)
            and not self.associated
            and self.curve is None
        )


def of_samples(samples: NDArray) -> Colour:
    """The usual meaning of integer samples, [H, W] or [H, W, 1 to 4]; floats lie in [0, 1]."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    high = np.iinfo(samples.dtype).max if samples.dtype.kind in "iu" else 1.0
    return Colour(
        "grey" if channels < 3 else "rgb",
        0.0,
        float(high),
        alpha=channels - 1 if channels in (2, 4) else None,
    )


def to_network(samples: NDArray, colour: Colour) -> NDArray:
    """[H, W, 3] uint8, uint16 or float32 sRGB of `samples`; a view of them where they are plain."""
    colours = _colours(samples, colour)
    if colour.plain(samples.dtype):
        return colours if colours.shape[2] == 3 else np.broadcast_to(colours, _rgb_shape(samples))
    out: NDArray = np.empty(_rgb_shape(samples), _network_type(samples.dtype, colour))
    for rows in _blocks(samples):
        out[rows] = _network_values(samples[rows], colour)
    return out


def canvas(samples: NDArray, colour: Colour, scale: int = 1) -> tuple[NDArray, NDArray]:
    """Empty samples for a result, and the [H, W, 3] array for the network to write to.

    The second is a view of the first where that is possible. scale: the size of the result.
    """
    shape = (samples.shape[0] * scale, samples.shape[1] * scale, *samples.shape[2:])
    result = np.empty(shape, samples.dtype)
    if samples.ndim == 3 and samples.shape[2] == 3 and samples.strides[2] < 0:
        result = result[..., ::-1]  # the order of OpenCV, which will write it
    if colour.plain(samples.dtype) and colour.model == "rgb":
        return result, result[..., :3]
    kind = _network_type(samples.dtype, colour)
    return result, np.empty((*shape[:2], 3), kind)


def finish(samples: NDArray, colour: Colour, result: NDArray, rgb: NDArray) -> None:
    """Fill `result` from what the network wrote to `rgb`; both are those of `canvas`."""
    if samples.shape[:2] != result.shape[:2]:
        samples = enlarged(samples, colour, result.shape)
    viewed = result.ndim == 3 and np.shares_memory(result, rgb)
    if result.ndim == 3:
        result[..., colour.channels :] = samples[..., colour.channels :]
    if viewed:
        return
    for rows in _blocks(samples):
        _colours(result[rows], colour)[...] = _changed(samples[rows], rgb[rows], colour)


def rescale(samples: NDArray, colour: Colour, dtype: np.dtype, high: float) -> NDArray:
    """`samples` as `dtype` from 0 (black) to `high`, colours not multiplied by the transparency.

    CMYK becomes RGB. The curve stays.
    """
    channels = 1 if colour.model == "grey" else 3
    extra = samples[..., colour.channels :] if samples.ndim == 3 else samples[..., None][..., 1:]
    out: NDArray = np.empty((*samples.shape[:2], channels + extra.shape[2]), dtype)
    for rows in _blocks(samples):
        if colour.model == "cmyk":
            values: NDArray = _cmyk_to_rgb(samples[rows], colour) / 255.0
        else:
            values = _straight(samples[rows], colour)
        least = min(colour.low, colour.high)
        share = (extra[rows].astype(np.float64) - least) / abs(colour.high - colour.low)
        both = np.concatenate([values, share], axis=-1)
        out[rows] = both if dtype.kind == "f" else np.rint(np.clip(both, 0, 1) * high)
    return out if out.shape[2] > 1 else out[..., 0]


def _colours(samples: NDArray, colour: Colour) -> NDArray:
    return samples[..., None] if samples.ndim == 2 else samples[..., : colour.channels]


def _rgb_shape(samples: NDArray) -> tuple[int, int, int]:
    return (samples.shape[0], samples.shape[1], 3)


def _network_type(dtype: np.dtype, colour: Colour) -> type:
    if colour.model == "cmyk":
        return np.uint8
    if dtype == np.uint8 and colour.plain(dtype):
        return np.uint8
    return np.uint16 if dtype.kind in "iub" and dtype.itemsize <= 2 else np.float32


def _blocks(samples: NDArray) -> Iterator[slice]:
    step = max(BLOCK // max(samples.shape[1], 1), 1)
    for start in range(0, samples.shape[0], step):
        yield slice(start, start + step)


def _alpha(samples: NDArray, colour: Colour) -> NDArray:
    """[h, w, 1] the transparency in [0, 1]."""
    assert colour.alpha is not None
    most = abs(colour.high - colour.low)
    return samples[..., colour.alpha, None].astype(np.float64) / most


def _straight(samples: NDArray, colour: Colour) -> NDArray:
    """[h, w, C] float64, 0 black and 1 white, not multiplied by the transparency, not clipped."""
    values = (_colours(samples, colour).astype(np.float64) - colour.low) / (
        colour.high - colour.low
    )
    if colour.associated:
        alpha = _alpha(samples, colour)
        values = np.divide(values, alpha, out=np.zeros_like(values), where=alpha > 0)
    return values


def _network_values(samples: NDArray, colour: Colour) -> NDArray:
    """[h, w, C] of the type that the network takes."""
    if colour.model == "cmyk":
        return _cmyk_to_rgb(samples, colour)
    values = _straight(samples, colour)
    mapped = colour.curve.to_srgb(values) if colour.curve else np.clip(values, 0, 1)
    if _network_type(samples.dtype, colour) == np.float32:
        return mapped.astype(np.float32)
    high = np.iinfo(_network_type(samples.dtype, colour)).max
    return np.rint(mapped * high).astype(_network_type(samples.dtype, colour))


def _changed(samples: NDArray, rgb: NDArray, colour: Colour) -> NDArray:
    """[h, w, C] the colours of `samples` with the network's change, in their own type."""
    before = _network_values(samples, colour)
    colours = _colours(samples, colour).astype(np.float64)
    if colour.model == "cmyk":
        change = _rgb_to_cmyk(rgb, samples, colour) - _rgb_to_cmyk(before, samples, colour)
        return _as_type(colours + change * (colour.high - colour.low), samples.dtype, colour)
    after = _linear(rgb, colour)
    change = after - _linear(before, colour)
    if colour.model == "grey":
        change = change.mean(axis=-1, keepdims=True)
    if not colour.associated:
        return _as_type(colours + change * (colour.high - colour.low), samples.dtype, colour)
    alpha = _alpha(samples, colour) * abs(colour.high - colour.low)
    changed = colours + change * alpha
    return _as_type(
        np.where(colours <= alpha, np.minimum(changed, alpha), changed), samples.dtype, colour
    )


def _linear(values: NDArray, colour: Colour) -> NDArray:
    """float64 in [0, 1] of what the network takes or gives, in the photo's own curve."""
    if values.dtype.kind == "f":
        shares = np.clip(values.astype(np.float64), 0, 1)
        return colour.curve.from_srgb(shares) if colour.curve else shares
    if colour.curve:
        return _inverse_table(colour.curve)[values]
    return values / float(np.iinfo(values.dtype).max)


@functools.lru_cache(maxsize=4)
def _inverse_table(curve: Curve) -> NDArray:
    return curve.from_srgb(np.arange(65536) / 65535)


def _as_type(values: NDArray, dtype: np.dtype, colour: Colour) -> NDArray:
    if dtype.kind == "f":
        return values.astype(dtype)
    low, high = sorted((colour.low, colour.high))
    return np.clip(np.rint(values), low, high).astype(dtype)


def enlarged(samples: NDArray, colour: Colour, shape: tuple[int, ...]) -> NDArray:
    """`samples` in the size of `shape`, by bicubic: what the network's change is added to."""
    height, width = shape[:2]
    planes = [
        cv2.resize(plane.astype(np.float64), (width, height), interpolation=cv2.INTER_CUBIC)
        for plane in np.moveaxis(samples.reshape(*samples.shape[:2], -1), 2, 0)
    ]
    return _as_type(np.stack(planes, axis=-1), samples.dtype, colour).reshape(shape)


def _cmyk_to_rgb(samples: NDArray, colour: Colour) -> NDArray:
    """[h, w, 3] uint8 sRGB."""
    ink = (samples[..., :4].astype(np.float64) - colour.low) / (colour.high - colour.low)
    if not colour.profile:
        return np.rint((1 - ink[..., :3]) * (1 - ink[..., 3:]) * 255).astype(np.uint8)
    levels = np.rint(ink * 255).astype(np.uint8)
    return _through(levels, "CMYK", "RGB", colour.profile)


def _rgb_to_cmyk(rgb: NDArray, samples: NDArray, colour: Colour) -> NDArray:
    """[h, w, 4] float64 shares of ink for `rgb`; without a profile the black ink stays."""
    if colour.profile:
        return _through(rgb, "RGB", "CMYK", colour.profile) / 255.0
    ink = (samples[..., :4].astype(np.float64) - colour.low) / (colour.high - colour.low)
    light = 1 - ink[..., 3:]
    shares = 1 - np.divide(rgb / 255.0, light, out=np.ones(rgb.shape), where=light > 0)
    return np.concatenate([np.clip(shares, 0, 1), ink[..., 3:]], axis=-1)


def _through(values: NDArray, source: str, target: str, profile: bytes) -> NDArray:
    data = np.ascontiguousarray(values)
    image = Image.frombytes(source, (data.shape[1], data.shape[0]), data.tobytes())
    turned = ImageCms.applyTransform(image, _transform(source, target, profile))
    assert turned is not None
    return np.asarray(turned)


@functools.lru_cache(maxsize=4)
def _transform(source: str, target: str, profile: bytes) -> ImageCms.ImageCmsTransform:
    """Of CMYK to sRGB or back, by the profile's relative colorimetric tables."""
    ink = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    screen = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    pair = (ink, screen) if source == "CMYK" else (screen, ink)
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return ImageCms.buildTransform(*pair, source, target, renderingIntent=intent)
