"""Pools of photos that a run cuts crops from, and the whole photos that it validates on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lpie.config.config import Config
from lpie.data import sources
from lpie.data.degrade.degradation import degrade
from lpie.data.pair_folders import has_pairs
from lpie.data.shards import Shards, open_shards
from lpie.data.sources import Item, Photo, Sample
from lpie.errors import InputError
from lpie.image.image import to_float

MOST_PATCHES = 32  # of a split of shards, to validate on


class Pool(NamedTuple):
    """Photos to cut crops from, and the share of all crops that comes from them."""

    share: float
    photos: Sequence[Photo]
    names: Sequence[str]


def load_pools(config: Config) -> tuple[list[Pool], list[Sample], list[str]]:
    """(pools to train on, photos to validate on, reasons why photos were left out).

    Raises `InputError` on the first photo that is unreadable, mismatched or smaller than the
    largest patch, unless `data.skip_bad`; then it is left out.
    """
    data, reasons = config.data, list[str]()
    bad = reasons if data.skip_bad else None
    if data.source == "shards":
        pools, validation = [_shards(config)], _validation_of_shards(config, bad)
    else:
        items, held = sources.training_and_validation(data)
        pools = [_photos(items, config, reasons)]
        validation = list(sources.samples(held, data.degrade, seed=config.train.seed, bad=bad))
    if data.real_pairs:
        real = _photos(sources.pairs(Path(data.real_pairs)), config, reasons)
        pools = [pools[0]._replace(share=1 - data.real_share), real._replace(share=data.real_share)]
    if not validation:
        raise InputError(f"No usable photo is left to validate on. {' '.join(reasons[:1])}")
    return pools, validation, reasons


def samples_of(shards: Shards, config: Config, most: int = MOST_PATCHES) -> list[Sample]:
    """Patches spread evenly over a split; clean ones are degraded as in the run."""
    samples = []
    for i in range(min(most, len(shards))):
        index = i * len(shards) // min(most, len(shards))
        target, degraded = shards[index]
        sharp = to_float(target)
        rng = np.random.default_rng([config.train.seed, i])
        noisy = degrade(sharp, rng, config.data.degrade) if degraded is None else to_float(degraded)
        samples.append(Sample(f"patch{index}", noisy, sharp))
    return samples


def _photos(items: list[Item], config: Config, reasons: list[str]) -> Pool:
    largest = max(patch_px for patch_px, _ in config.stages())
    bad = reasons if config.data.skip_bad else None
    usable = [(photo, item) for _, item, photo in sources.usable(items, bad, least_px=largest)]
    if not usable:
        raise InputError(f"No usable photo is left to train on. {' '.join(reasons[:1])}")
    return Pool(1.0, [photo for photo, _ in usable], [item.name for _, item in usable])


def _shards(config: Config) -> Pool:
    shards = open_shards(Path(config.data.folder))
    size, largest = len(shards[0][0]), max(patch_px for patch_px, _ in config.stages())
    if size < largest:
        raise InputError(
            f"The patches in {config.data.folder} are of {size}x{size} px, and the run needs "
            f"{largest}. Prepare larger patches, or lower data.patch_px."
        )
    return Pool(1.0, shards, [f"patch {i}" for i in range(len(shards))])


def _validation_of_shards(config: Config, bad: list[str] | None) -> list[Sample]:
    """From `validation_folder`, itself shards or photos, else from the split `validation`."""
    chosen = config.data.validation_folder
    folder = Path(chosen) if chosen else Path(config.data.folder).parent / "validation"
    if not chosen and not folder.is_dir():
        raise InputError(
            f"{folder.parent} has no validation split. Set data.validation_folder, for example "
            "to a folder of pairs or of clean photos."
        )
    if (folder.parent / "index.json").is_file():
        return samples_of(open_shards(folder), config)
    read = sources.pairs if has_pairs(folder) else sources.clean
    seed = config.train.seed
    return list(sources.samples(read(folder), config.data.degrade, seed=seed, bad=bad))
