"""Folders of pairs: what people call their sides, and which photos belong together."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from lpie.errors import InputError
from lpie.image.image import list_images

# Our own names come first; where both of them are there, other folders are not looked at.
OURS = ("degraded", "target")
DEGRADED = (
    "degraded", "input", "inputs", "noisy", "lq", "low", "lr", "blur", "blurry", "blurred", "dark",
    "rainy", "hazy", "short", "in",
)  # fmt: skip
TARGET = (
    "target", "targets", "gt", "groundtruth", "ground_truth", "clean", "hq", "high", "hr", "sharp",
    "normal", "bright", "reference", "long", "clear", "out",
)  # fmt: skip
_EXAMPLES = "input/ and target/, noisy/ and gt/, lq/ and gt/, low/ and high/, blur/ and sharp/"


def has_pairs(folder: Path) -> bool:
    """Whether `folder` has the two folders of pairs, by any of their usual names."""
    degraded, target = _candidates(folder)
    return bool(degraded and target)


def pair_sides(folder: Path) -> tuple[Path, Path]:
    """(the folder of degraded photos, that of their ground truth) in `folder`.

    Raises an `InputError` where they are not there or cannot be told apart.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist or is not a folder.")
    degraded, target = _candidates(folder)
    if len(degraded) == len(target) == 1:
        return degraded[0], target[0]
    for names, side in ((degraded, "degraded photos"), (target, "ground truth")):
        if len(names) > 1:
            listed = " and ".join(f"{path.name}/" for path in names)
            raise InputError(
                f"{folder} has several folders of {side}: {listed}. Name the right ones degraded/ "
                "and target/."
            )
    others = ", ".join(f"{path.name}/" for path in _folders(folder)[:5]) or "no folder"
    raise InputError(
        f"{folder} must hold degraded/ and target/ with photos of the same names. Received: "
        f"{others}. Also known are {_EXAMPLES}."
    )


def matched(degraded: Path, target: Path) -> list[tuple[str, Path, Path]]:
    """(name, degraded photo, its ground truth) of all photos in two folders and the folders inside.

    They belong together when their paths are the same but for the suffix. Raises an `InputError`
    that names a photo without a partner, or with two.
    """
    sides = _by_name(degraded), _by_name(target)
    lonely = sorted(sides[0].keys() ^ sides[1].keys())
    if lonely:
        lacking = target if lonely[0] in sides[0] else degraded
        others = f" (nor have {len(lonely) - 1} others)" if len(lonely) > 1 else ""
        raise InputError(
            f"{degraded.parent}: {lonely[0]} has no partner in {lacking.name}/{others}."
        )
    return [
        (path.relative_to(target).as_posix(), sides[0][name], path)
        for name, path in sorted(sides[1].items())
    ]


def _by_name(folder: Path) -> Mapping[str, Path]:
    photos: dict[str, Path] = {}
    for path in list_images(folder, inner=True):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in photos:
            raise InputError(
                f"{photos[name]} and {path} have one name, so it is not clear which of them is the "
                "partner in the other folder. Keep one."
            )
        photos[name] = path
    return photos


def _candidates(folder: Path) -> tuple[list[Path], list[Path]]:
    folders = _folders(folder)
    ours = [path for path in folders if path.name in OURS]
    if len(ours) == len(OURS):
        return [ours[0]], [ours[1]]
    return _named(folders, DEGRADED), _named(folders, TARGET)


def _named(folders: Iterable[Path], names: tuple[str, ...]) -> list[Path]:
    return [path for path in folders if path.name.lower() in names]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
