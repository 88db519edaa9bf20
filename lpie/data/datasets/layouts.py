"""The data sets that can be prepared, in the layouts that their authors distribute."""

import re
from dataclasses import dataclass, field

from lpie.data.datasets.archives import Source
from lpie.data.datasets.pairing import (
    Finder,
    Rule,
    SplitPairs,
    by_blocks,
    by_lists,
    by_rules,
    halved,
)
from lpie.data.pair_folders import DEGRADED, OURS, TARGET
from lpie.errors import InputError, unknown_name
from lpie.image.image import EXTENSIONS


@dataclass(frozen=True)
class Layout:
    """A download: what it holds, how it is laid out and where it comes from."""

    about: str
    expected: str
    url: str
    find: Finder
    # How many photos the whole download has in each split.
    photos: dict[str, int] = field(default_factory=dict)


def find_layout(name: str) -> Layout:
    """The layout of that name."""
    if name not in LAYOUTS:
        raise unknown_name("data set", name, LAYOUTS)
    return LAYOUTS[name]


def find_pairs(name: str, source: Source) -> SplitPairs:
    """(the source as seen from the data set's top folder, its pairs by split in a fixed order).

    Raises `InputError` when `source` is laid out otherwise or a photo has no partner.
    """
    layout = find_layout(name)
    top, splits = layout.find(source)
    if not splits:
        raise InputError(
            f"{source.path} is not laid out as {name}. Expected: {layout.expected}. "
            f"Found: {_glimpse(source)}."
        )
    return top, splits


def _glimpse(source: Source) -> str:
    """A few file names of `source`."""
    names = sorted(source.sizes)
    some = dict.fromkeys(names[i] for i in (0, len(names) // 2, -1)) if names else {}
    return f"{', '.join(some)} ({len(names)} files)" if names else "no file"


def _sides(split: str, folder: str, target: str, degraded: str, end: str) -> Rule:
    """A rule for two folders side by side below `folder`, files matched by name."""
    photo = rf"/([^/]+){end}"
    return Rule(split, f"{folder}{target}{photo}", f"{folder}{degraded}{photo}")


_IMAGE = rf"(?:{'|'.join(re.escape(end) for end in EXTENSIONS)})"
_SIDD = r"(?:Data/)?([^/]+)/([^/]+)_{}_SRGB_(\d+)\.png"
_GOPRO = tuple(
    _sides(split, rf"{split}/([^/]+)/", "sharp", "blur", r"\.png") for split in ("train", "test")
)
# The challenge kept the targets of its later phases.
_UDC = (
    _sides("train", "train(?:ing)?/", "GT", "input", r"\.npy"),
    _sides("validation", "val(?:idation)?/", "GT", "input", r"\.npy")._replace(withheld=True),
    _sides("test", "test(?:ing)?/", "GT", "input", r"\.npy")._replace(withheld=True),
)
_LOL = (
    _sides("train", "our485/", "high", "low", r"\.png"),
    _sides("test", "eval15/", "high", "low", r"\.png"),
)


def _realblur(kind: str) -> Finder:
    return by_lists({split: f"RealBlur_{kind}_{split}_list.txt" for split in ("train", "test")})


def _own_pairs(source: Source) -> SplitPairs:
    """The pairs in two folders of usual names; in ours where both are there."""
    folders = {part for name in source.sizes for part in name.lower().split("/")[:-1]}
    names = OURS if folders.issuperset(OURS) else ("|".join(DEGRADED), "|".join(TARGET))
    photo = rf"/((?:.*/)?[^/]+){_IMAGE}"
    degraded, target = (f"(?:{side}){photo}" for side in names)
    return by_rules((Rule("train", target, degraded),))(source)


LAYOUTS = {
    "sidd": Layout(
        "SIDD-Medium, sRGB: real noise of five phones",
        "SIDD_Medium_Srgb/Data/<scene>/<...>_NOISY_SRGB_010.PNG and _GT_SRGB_010.PNG, also _011",
        "https://abdokamel.github.io/sidd/",
        by_rules((Rule("train", _SIDD.format("GT"), _SIDD.format("NOISY")),)),
        {"train": 320},
    ),
    "sidd-validation": Layout(
        "SIDD validation blocks, sRGB: 40 scenes of 32 blocks of 256x256",
        "ValidationNoisyBlocksSrgb.mat and ValidationGtBlocksSrgb.mat",
        "https://abdokamel.github.io/sidd/",
        by_blocks("validation", "ValidationGtBlocksSrgb.mat", "ValidationNoisyBlocksSrgb.mat"),
        {"validation": 1280},
    ),
    "gopro": Layout(
        "GOPRO_Large: motion blur; the test pairs, sorted, are halved into validation and test",
        "train/<scene>/{blur,sharp}/*.png and the same in test/ (blur_gamma/ is not used)",
        "https://seungjunnah.github.io/Datasets/gopro",
        halved(by_rules(_GOPRO)),
        {"train": 2103, "validation": 555, "test": 556},
    ),
    "udc-synth": Layout(
        "Synthetic under-display camera (Feng et al. 2021, MIPI 2022): HDR, tone-mapped "
        "x / (x + 0.25)",
        "training/{input,GT}/*.npy, and validation/ and testing/ alike where GT is there; or "
        "input/ and GT/ alone",
        "https://codalab.lisn.upsaclay.fr/competitions/4874",
        by_rules(_UDC, (_sides("train", "", "GT", "input", r"\.npy"),)),
        {"train": 2016},
    ),
    "realblur": Layout(
        "RealBlur-J: real blur in the camera's JPEGs",
        "RealBlur_J_train_list.txt, RealBlur_J_test_list.txt and the files they name in "
        "RealBlur-J_ECC_IMCORR_centroid_itensity_ref/scene*/{blur,gt}/",
        "https://github.com/rimchang/RealBlur",
        _realblur("J"),
        {"train": 3758, "test": 980},
    ),
    "realblur-r": Layout(
        "RealBlur-R: the same scenes developed from raw",
        "RealBlur_R_train_list.txt, RealBlur_R_test_list.txt and the files they name in "
        "RealBlur-R_BM3D_ECC_IMCORR_centroid_itensity_ref/scene*/{blur,gt}/",
        "https://github.com/rimchang/RealBlur",
        _realblur("R"),
        {"train": 3758, "test": 980},
    ),
    "lol": Layout(
        "LOL, version 1: low light",
        "our485/{low,high}/*.png and eval15/{low,high}/*.png",
        "https://daooshee.github.io/BMVC2018website/",
        by_rules(_LOL),
        {"train": 485, "test": 15},
    ),
    "pairs": Layout(
        "Your own pairs, matched by name",
        "degraded/ and target/ with images of the same names, also in folders; or input/ and "
        "target/, noisy/ and gt/, lq/ and gt/, low/ and high/, blur/ and sharp/",
        "",
        _own_pairs,
    ),
    "clean": Layout(
        "Your own photos, to be degraded while training",
        "images, also in folders",
        "",
        by_rules((Rule("train", rf"((?:.*/)?[^/]+{_IMAGE})"),)),
    ),
}
