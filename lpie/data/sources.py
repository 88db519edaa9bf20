"""Lists and reads photos: built-in ones, clean ones in a folder, or pairs in two folders."""

import importlib.resources
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lpie.config.config import DataConfig, DegradeConfig
from lpie.data.degrade.degradation import degrade
from lpie.data.pair_folders import matched, pair_sides
from lpie.errors import InputError, require
from lpie.image.image import list_photos, read_image, to_float

# Colour photographs inside the scikit-image wheel (its other pictures are drawings, microscopy or
# grey); one is held back for validation.
BUILTIN_TRAINING = ("astronaut.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
BUILTIN_VALIDATION = ("chelsea.png",)


Photo = tuple[NDArray[np.uint8], NDArray[np.uint8] | None]


class Item(NamedTuple):
    """One photo to restore: its target and, for real pairs, the degraded photo."""

    name: str
    target: Path
    degraded: Path | None = None


class Sample(NamedTuple):
    """One photo in memory. degraded: [H, W, 3] float32; target: the same, in [0, 1]."""

    name: str
    degraded: NDArray[np.float32]
    target: NDArray[np.float32]


def training_and_validation(config: DataConfig) -> tuple[list[Item], list[Item]]:
    """(training, validation) items: validation from its own folder, or every nth image held back.

    Where only one image is there, it serves as both.
    """
    read = pairs if config.source == "pairs" else clean
    own = config.source == "builtin"
    items = builtin(BUILTIN_TRAINING) if own else read(Path(config.folder))
    if config.validation_folder:
        return items, read(Path(config.validation_folder))
    if own:
        return items, builtin(BUILTIN_VALIDATION)
    every = max(round(1 / config.validation_fraction), 2)
    held = items[::every]
    return [item for item in items if item not in held] or items, held


def builtin(names: tuple[str, ...]) -> list[Item]:
    """Photographs that the scikit-image package carries."""
    require("skimage", extra="train")
    folder = Path(str(importlib.resources.files("skimage") / "data"))
    return [Item(name, folder / name) for name in names]


def clean(place: Path) -> list[Item]:
    """Every photo of a folder and the folders in it, of a pattern, or one file, to be degraded."""
    paths = list_photos(place)
    base = place if place.is_dir() else Path(os.path.commonpath([p.parent for p in paths]))
    return [Item(path.relative_to(base).as_posix(), path) for path in paths]


def pairs(folder: Path) -> list[Item]:
    """Photos of `folder/degraded` with those of the same name in `folder/target`.

    Other usual names of the two folders work too (`input` and `target`, `lq` and `gt`), and photos
    in the folders inside them. Raises an `InputError` for a photo with no partner or with two.
    """
    return [Item(name, target, degraded) for name, degraded, target in matched(*pair_sides(folder))]


def usable(
    items: Iterable[Item], bad: list[str] | None, *, least_px: int = 1, scale: int = 1
) -> Iterator[tuple[int, Item, Photo]]:
    """(index, item, photo) of each item, in memory.

    A photo that is unreadable, mismatched or smaller than `least_px` raises its `InputError`, or,
    where `bad` is a list, is left out and its reason added. scale: as of `load`.
    """
    for i, item in enumerate(items):
        try:
            photo = load(item, scale)
            h, w, _ = photo[0].shape
            if min(h, w) < least_px:
                raise InputError(
                    f"{item.target} ({w}x{h}) is smaller than a patch of {least_px} px."
                )
        except InputError as error:
            if bad is None:
                raise
            bad.append(str(error))
            continue
        yield i, item, photo


def load(item: Item, scale: int = 1) -> Photo:
    """(target, degraded or None) as uint8; an `InputError` names a pair of different sizes.

    scale: how many times as high and wide as the degraded photo its target is.
    """
    target = read_image(item.target)
    if item.degraded is None:
        return target, None
    degraded = read_image(item.degraded)
    (h, w, _), (th, tw, _) = degraded.shape, target.shape
    if (h * scale, w * scale) != (th, tw):
        sizes = f"{item.degraded} ({w}x{h}) and {item.target} ({tw}x{th})"
        if scale == 1:
            raise InputError(f"{sizes} must be of one size.")
        raise InputError(
            f"{sizes} do not fit a network that enlarges {scale} times: the target must be "
            f"{w * scale}x{h * scale}."
        )
    return target, degraded


def samples(
    items: Iterable[Item],
    config: DegradeConfig,
    *,
    seed: int,
    bad: list[str] | None = None,
    scale: int = 1,
) -> Iterator[Sample]:
    """Each item at full size; item i is degraded with the generator of (seed, i).

    bad: collects the reasons of photos that cannot be used, which else raise their `InputError`.
    scale: as of `load`.
    """
    for i, item, (target, degraded) in usable(items, bad, scale=scale):
        sharp = to_float(target)
        if degraded is not None:
            yield Sample(item.name, to_float(degraded), sharp)
        else:
            rng = np.random.default_rng([seed, i])
            yield Sample(item.name, degrade(sharp, rng, config), sharp)
