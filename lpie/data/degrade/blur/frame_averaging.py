"""Blur as a real exposure makes it: the mean of many sub-frames in linear light.

Data sets of real motion blur average the frames of a fast camera (GoPro: Nah et al., CVPR 2017;
REDS: Nah et al., CVPRW 2019). Here the frames come from one sharp photo: the camera turns and
shifts along a random path, a homography a sub-frame, and objects of random shape move along paths
of their own. The frame in the middle of the exposure is the sharp photo itself.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lpie.data.degrade.blur.camera_shake import trajectory
from lpie.data.degrade.blur.linear_light import Highlights, brighten
from lpie.data.degrade.degradation import (
    Image,
    Range,
    degradation,
    log_uniform,
    setting,
    uniform,
)
from lpie.data.degrade.responses import MEASURED, Response, from_light, measured, srgb, to_light

# Paths of points in px over the time, and the matrices of homographies.
Floats = NDArray[np.float64]

# A sub-frame for every so many px of the longest path: linear interpolation hides the steps.
STEP_PX = 1.5
# The optical centre lies up to so many px from the middle of the crop: a roll about it also shifts.
CENTRE_PX = 600.0
# Focal length in px: how strongly a turning camera changes the perspective.
FOCAL_PX = 1500.0


@dataclass(frozen=True)
class Motion:
    """What moves while the shutter is open: paths are [T, 2] px as (x, y), 0 in the middle."""

    camera: Floats
    roll: Floats  # [T] radians
    centre: tuple[float, float]  # px, of the roll
    objects: tuple[tuple[Image, Floats], ...]  # a soft mask [H, W] and a path


@degradation("frame_averaging")
@dataclass(frozen=True)
class FrameAveraging(Highlights):
    """The mean of the sub-frames of a moving camera and of objects that move on their own."""

    # Length of the camera's path over the sensor, in px.
    camera_path_px: Range = setting((0.0, 30.0), 0, 200)
    # How far the camera rolls about its optical axis, in degrees.
    camera_roll_deg: Range = setting((0.0, 0.6), 0, 45)
    # The share of crops in which one or two objects move on their own, and their paths.
    object_share: float = setting(0.4, 0, 1)
    object_path_px: Range = setting((2.0, 30.0), 0, 200)
    # The share of crops through the response of a measured camera; the others are sRGB.
    camera_share: float = setting(0.5, 0, 1)
    # The share of crops that stay sharp: so that a sharp photo is left alone.
    sharp_share: float = setting(0.1, 0, 1)

    def apply(self, image: Image, rng: Generator) -> Image:
        if rng.random() < self.sharp_share:
            return image
        motion = draw_motion(image.shape[:2], rng, self)
        measured_camera = rng.random() < self.camera_share
        response = measured(int(rng.integers(MEASURED))) if measured_camera else srgb()
        gain = log_uniform(rng, self.highlight_gain)
        return average_frames(image, motion, response=response, highlight_gain=gain)


def average_frames(
    image: Image, motion: Motion, *, response: Response, highlight_gain: float = 1
) -> Image:
    """`image` as the mean of its sub-frames under `motion`, [H, W, 3] in [0, 1].

    response: of the camera that made `image`. highlight_gain: as of `blur`.
    """
    light = brighten(to_light(image, response), image, highlight_gain)
    total = np.zeros_like(light)
    for t in range(len(motion.camera)):
        total += _frame(light, motion, t)
    return from_light(total / np.float32(len(motion.camera)), response)


def draw_motion(shape: tuple[int, ...], rng: Generator, config: FrameAveraging) -> Motion:
    """A random motion for a crop of `shape` (height, width)."""
    length_px = uniform(rng, config.camera_path_px)
    objects = int(rng.integers(1, 3)) if rng.random() < config.object_share else 0
    object_px = [uniform(rng, config.object_path_px) for _ in range(objects)]
    roll = np.deg2rad(uniform(rng, config.camera_roll_deg))
    x, y = (float(c) for c in rng.uniform(-CENTRE_PX, CENTRE_PX, 2))
    reach = max([length_px + roll * math.hypot(x, y), *object_px])
    frames = 2 * int(np.ceil(reach / STEP_PX / 2)) + 1
    turn = np.linspace(-0.5, 0.5, frames) * roll * rng.choice([-1, 1])
    return Motion(
        camera=_path(rng, length_px, frames),
        roll=turn,
        centre=(x + shape[1] / 2, y + shape[0] / 2),
        objects=tuple((_mask(shape, rng), _path(rng, px, frames)) for px in object_px),
    )


def _path(rng: Generator, length_px: float, frames: int) -> Floats:
    """[frames, 2] px as (x, y) along a random trajectory, 0 in the middle."""
    anxiety = log_uniform(rng, (0.0002, 0.005))
    places = trajectory(rng, length_px=max(length_px, 1e-6), anxiety=anxiety)
    at = np.linspace(0, len(places) - 1, frames)
    steps = np.arange(len(places))
    path = np.stack([np.interp(at, steps, places.real), np.interp(at, steps, places.imag)], axis=1)
    return np.asarray(path - path[frames // 2])


def _mask(shape: tuple[int, ...], rng: Generator) -> Image:
    """[H, W] in [0, 1]: a random blob with a soft edge that covers a twentieth to a third."""
    coarse = rng.standard_normal((6, 6)).astype(np.float32)
    h, w = shape
    field = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
    level = np.quantile(field, 1 - rng.uniform(0.05, 0.35))
    softness = max(float(field.std()) * 0.05, 1e-6)
    return np.clip((field - level) / softness + 0.5, 0, 1).astype(np.float32)


def _frame(light: Image, motion: Motion, t: int) -> Image:
    """The light of sub-frame `t`: the scene as the camera sees it, the objects in front of it."""
    camera = _homography(motion.camera[t], float(motion.roll[t]), motion.centre)
    frame = _warp(light, camera)
    for mask, path in motion.objects:
        own = _shift(path[t]) @ camera
        share = _warp(mask, own)[..., None]
        frame = frame + share * (_warp(light, own) - frame)
    return frame


def _homography(shift: Floats, roll: float, centre: tuple[float, float]) -> Floats:
    """[3, 3]: a camera rolls by `roll` about `centre`, and turns until points move by `shift`."""
    x, y = centre
    cos, sin = np.cos(roll), np.sin(roll)
    tilt = shift / FOCAL_PX**2
    to_centre = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]])
    turned = np.array(
        [
            [cos, -sin, shift[0]],
            [sin, cos, shift[1]],
            [tilt[0], tilt[1], 1],
        ]
    )
    return np.asarray(np.linalg.inv(to_centre) @ turned @ to_centre)


def _shift(by: Floats) -> Floats:
    return np.array([[1, 0, by[0]], [0, 1, by[1]], [0, 0, 1.0]])


def _warp(image: Image, homography: Floats) -> Image:
    h, w = image.shape[:2]
    warped = cv2.warpPerspective(
        image, homography, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, np.float32)
