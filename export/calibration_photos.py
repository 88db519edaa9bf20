"""Real degraded photos, as the network will meet them, to calibrate and verify on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lpie.config.config import Config, config_from
from lpie.data import sources
from lpie.data.pools import samples_of
from lpie.data.shards import open_shards
from lpie.image.image import list_images, read_image, to_uint8
from lpie.training.run import settings_of
from lpie.weights import is_name

MOST = 12  # a few photos cover brightness and texture, and each is held in memory


def photos_for(model: Path | None = None, folder: Path | None = None) -> list[NDArray[np.uint8]]:
    """[H, W, 3] uint8 photos: those of `folder`, else of the run `model`, else the built-in ones.

    Photos of `folder` are taken as they are; the others are degraded as the run trains on them or
    the pretrained network `model` was, or with Gaussian noise of sigma 25.
    """
    if folder is not None:
        return [read_image(path) for path in _spread(list_images(folder))]
    return [to_uint8(sample.degraded) for sample in _samples(model)]


def pairs_for(
    model: Path | None = None, folder: Path | None = None
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """(photos as of `photos_for`, what they should be); folder: with degraded/ and target/."""
    if folder is None:
        found = list(_samples(model))
    else:
        found = list(sources.samples(_spread(sources.pairs(folder)), Config().data.degrade, seed=0))
    return [to_uint8(s.degraded) for s in found], [to_uint8(s.target) for s in found]


def _samples(model: Path | None) -> Iterator[sources.Sample]:
    config = _config(model)
    if config.data.source == "shards":
        yield from samples_of(open_shards(Path(config.data.folder)), config, MOST)
        return
    items, _ = sources.training_and_validation(config.data)
    yield from sources.samples(_spread(items), config.data.degrade, seed=config.train.seed)


def _config(model: Path | None) -> Config:
    if model is None or not (model.is_dir() or is_name(model)):
        return Config()
    return config_from(settings_of(model))


def _spread(items: list) -> list:
    step = max(len(items) / MOST, 1)
    return [items[int(i * step)] for i in range(min(MOST, len(items)))]
