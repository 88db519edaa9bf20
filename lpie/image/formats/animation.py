"""Animations: the frames of a file as photos that are shown one after another."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lpie.image.samples import Header, Photo


def decoded(data: bytes, header: Header, *, loops: int) -> Photo:
    """All frames of a file that Pillow reads, as they are shown. loops: where it says none."""
    frames, durations = [], []
    with Image.open(io.BytesIO(data)) as image:
        loops = int(image.info.get("loop", loops))
        for number in range(header.frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGBA")))
            durations.append(float(image.info.get("duration", 0)))
    return animated(frames, durations, loops, header)


def animated(
    frames: Sequence[NDArray], durations: Sequence[float], loops: int, header: Header
) -> Photo:
    """A photo of `frames` [H, W, 4], without the transparency where there is none."""
    if all((frame[..., 3] == np.iinfo(frame.dtype).max).all() for frame in frames):
        frames = [np.ascontiguousarray(frame[..., :3]) for frame in frames]
    photos = [
        Photo(frame, header, duration_ms=duration, loops=loops)
        for frame, duration in zip(frames, durations, strict=True)
    ]
    return photos[0].with_pictures(photos)


def rgba(samples: NDArray) -> NDArray:
    """[H, W, 4] of grey or RGB integers, opaque where they have no transparency; a copy."""
    planes = samples[..., None] if samples.ndim == 2 else samples
    high = np.iinfo(samples.dtype).max
    alpha = planes[..., -1:] if planes.shape[2] in (2, 4) else np.full_like(planes[..., :1], high)
    colours = planes[..., : 1 if planes.shape[2] < 3 else 3]
    return np.concatenate([np.broadcast_to(colours, (*planes.shape[:2], 3)), alpha], axis=-1)
