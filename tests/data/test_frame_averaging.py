import dataclasses

import numpy as np
import pytest

from lpie.data.degrade.blur.frame_averaging import (
    FrameAveraging,
    Motion,
    average_frames,
    draw_motion,
)
from lpie.data.degrade.blur.linear_light import blur
from lpie.data.degrade.responses import srgb


@pytest.fixture(scope="module")
def image(astronaut):
    return astronaut[40:136, 150:250].astype(np.float32) / 255


def still(frames, **changes):
    motion = Motion(np.zeros((frames, 2)), np.zeros(frames), (50.0, 48.0), ())
    return dataclasses.replace(motion, **changes)


def test_a_straight_path_is_a_convolution_in_linear_light(image):
    path = np.stack([np.arange(-3, 4), np.zeros(7)], axis=1).astype(float)
    ours = average_frames(image, still(7, camera=path), response=srgb())
    # The picture that moves to the right by 3 px: the perspective of the turn is below 0.01 px.
    by_kernel = blur(image, np.full((1, 7), 1 / 7, np.float32))
    assert np.abs(ours - by_kernel)[:, 8:-8].max() < 0.02
    assert np.abs(ours - image).mean() > 0.01


def test_without_motion_nothing_changes(image):
    assert np.abs(average_frames(image, still(5), response=srgb()) - image).max() < 0.5 / 255


def test_an_object_moves_alone(image):
    mask = np.zeros(image.shape[:2], np.float32)
    mask[30:60, 30:60] = 1
    path = np.stack([np.zeros(9), np.arange(-4, 5)], axis=1).astype(float)
    moved = np.abs(
        average_frames(image, still(9, objects=((mask, path),)), response=srgb()) - image
    )
    assert moved[34:56, 30:60].mean() > 0.01
    moved[24:66, 28:62] = 0
    assert moved.max() < 0.5 / 255


def test_a_roll_blurs_what_is_far_from_its_centre(image):
    roll = np.linspace(-0.05, 0.05, 9)
    away = np.abs(average_frames(image, still(9, roll=roll), response=srgb()) - image)
    assert away[44:52, 46:54].mean() < 0.3 * away[:10].mean()


def test_the_middle_of_the_exposure_is_the_photo_itself():
    config = FrameAveraging(object_share=1.0)
    for seed in range(20):
        motion = draw_motion((64, 80), np.random.default_rng(seed), config)
        middle = len(motion.camera) // 2
        paths = [motion.camera, *(path for _, path in motion.objects)]
        assert all(abs(path[middle]).max() == 0 for path in paths)
        assert motion.roll[middle] == 0


def test_a_share_of_the_crops_stays_sharp(image):
    config = FrameAveraging(sharp_share=0.5)
    results = [config.apply(image, np.random.default_rng(seed)) for seed in range(40)]
    assert 8 < sum(np.array_equal(result, image) for result in results) < 32
