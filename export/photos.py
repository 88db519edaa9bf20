"""Real degraded photos, as the network will meet them, to calibrate and verify on."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lpie.config import Config
from lpie.data import sources
from lpie.image import list_images, read_image, to_uint8
from lpie.run import read_config

MOST = 12  # a few photos cover brightness and texture, and each is held in memory


def photos_for(model: Path | None = None, folder: Path | None = None) -> list[NDArray[np.uint8]]:
    """[H, W, 3] uint8 photos: those of `folder`, else of the run `model`, else the built-in ones.

    Photos of `folder` are taken as they are; the others are degraded as the run trains on them,
    or with Gaussian noise of sigma 25 when `model` is no run.
    """
    if folder is not None:
        return [read_image(path) for path in _spread(list_images(folder))]
    config = read_config(model) if model and model.is_dir() else Config()
    items, _ = sources.training_and_validation(config.data)
    chosen = sources.samples(_spread(items), config.data.degrade, seed=config.train.seed)
    return [to_uint8(sample.degraded) for sample in chosen]


def _spread(items: list) -> list:
    step = max(len(items) / MOST, 1)
    return [items[int(i * step)] for i in range(min(MOST, len(items)))]
