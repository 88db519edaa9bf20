"""The test sets that networks are compared on, in fixed layouts.

`dev`, what this project develops with:

    clean/kodak24, clean/set5     photos that get Gaussian noise of sigma 15, 25 and 50
    realnoise_sidd, lowlight_sice, lowlight_lol, deblur_gopro
                                  pairs in degraded/ and target/, matched by name

`awgn`, the colour denoising sets of the literature, as many as are there:

    CBSD68, Kodak24, McMaster, Urban100
                                  photos that get Gaussian noise of sigma 15, 25 and 50, which is
                                  neither clipped nor rounded

`sidd`, the validation blocks of SIDD, 1,280 of 256x256 from phones, as their authors publish them:

    ValidationNoisyBlocksSrgb.mat, ValidationGtBlocksSrgb.mat
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lpie.config.config import DegradeConfig, config_from
from lpie.data import sources
from lpie.data.datasets.archives import open_source
from lpie.data.datasets.sidd_blocks import load_blocks
from lpie.errors import InputError, unknown_name
from lpie.image.image import to_float

Progress = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Task:
    """Images of one kind of restoration, and the baselines for it.

    clean: folders of photos that get noise of every `noise_sigma` (in levels of 255). pairs:
    folders of photographed pairs. blocks: two .mat files of SIDD, noisy and clean. partly: whether
    one of the folders is enough. non_blind: denoisers that get sigma. blind: methods that do not; a
    denoiser estimates sigma from every `step_px`th pixel.
    """

    clean: tuple[str, ...] = ()
    noise_sigma: tuple[float, ...] = ()
    pairs: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    partly: bool = False
    non_blind: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    step_px: int = 1


SIGMAS = (15.0, 25.0, 50.0)
SUITES: dict[str, dict[str, Task]] = {
    "dev": {
        "denoise": Task(
            clean=("clean/kodak24", "clean/set5"),
            noise_sigma=SIGMAS,
            non_blind=("NLM", "NLM OpenCV", "TV", "DCT"),
            blind=("NLM", "DCT"),
        ),
        "realnoise": Task(
            pairs=("realnoise_sidd",), blind=("NLM", "NLM OpenCV", "TV", "DCT"), step_px=2
        ),
        "lowlight": Task(
            pairs=("lowlight_sice", "lowlight_lol"), blind=("gamma", "equalize", "CLAHE")
        ),
        "deblur": Task(pairs=("deblur_gopro",), blind=("unsharp mask", "Richardson-Lucy")),
    },
    "awgn": {
        "denoise": Task(
            clean=("CBSD68", "Kodak24", "McMaster", "Urban100"), noise_sigma=SIGMAS, partly=True
        )
    },
    "sidd": {
        "realnoise": Task(blocks=("ValidationNoisyBlocksSrgb.mat", "ValidationGtBlocksSrgb.mat"))
    },
}


class Case(NamedTuple):
    """One table: a task, its images and the noise that they get, if any.

    samples: yields the images, with the generator of (seed, i) for image i.
    """

    task: str
    folder: str
    noise_sigma: float | None
    config: DegradeConfig
    samples: Callable[[int, Progress], Iterator[sources.Sample]]


def chosen_tasks(suite: str, tasks: Sequence[str]) -> dict[str, Task]:
    """The tasks of `suite` that `tasks` names, or all; an `InputError` for an unknown name."""
    if suite not in SUITES:
        raise unknown_name("suite", suite, SUITES)
    for name in tasks:
        if name not in SUITES[suite]:
            raise unknown_name("task", name, SUITES[suite])
    return {name: task for name, task in SUITES[suite].items() if name in tasks or not tasks}


def cases(
    suite: str, tasks: Mapping[str, Task], data: Path | None, limit: int | None
) -> list[Case]:
    """Every table of `tasks`, its images in the folder `data`; at most `limit` of each."""
    places = _places(suite, tasks, data)
    return [case for name, task in tasks.items() for case in _cases(name, task, places, limit)]


def _cases(name: str, task: Task, places: Mapping[str, Path], limit: int | None) -> Iterator[Case]:
    for folder in (folder for folder in task.clean if folder in places):
        items = sources.clean(places[folder])[:limit]
        yield from (_of_files(name, folder, items, sigma) for sigma in task.noise_sigma)
    for folder in task.pairs:
        yield _of_files(name, folder, sources.pairs(places[folder])[:limit], None)
    if task.blocks:
        yield _of_blocks(name, [places[file] for file in task.blocks], limit)


def _of_files(task: str, folder: str, items: list[sources.Item], sigma: float | None) -> Case:
    config = config_from({"data": {"degrade": {"noise_sigma": sigma or 0.0}}}).data.degrade

    def samples(seed: int, progress: Progress) -> Iterator[sources.Sample]:
        return sources.samples(progress(items), config, seed=seed)

    return Case(task, folder, sigma, config, samples)


def _of_blocks(task: str, files: Sequence[Path], limit: int | None) -> Case:
    """The blocks of two .mat files, [scenes, blocks, H, W, 3] uint8 each."""

    def samples(seed: int, progress: Progress) -> Iterator[sources.Sample]:
        with open_source(files[0].parent, scratch=files[0].parent) as source:
            noisy, clean = (load_blocks(source, path.name) for path in files)
        if noisy.shape != clean.shape:
            raise InputError(
                f"{files[0].name} and {files[1].name} must hold the same number of blocks of one "
                f"size. Received: {noisy.shape} and {clean.shape}."
            )
        for scene, block in progress(list(np.ndindex(noisy.shape[:2]))[:limit]):
            name = f"{scene + 1:04}_{block + 1:02}"
            pair = (to_float(side[scene, block]) for side in (noisy, clean))
            yield sources.Sample(name, *pair)

    return Case(task, "SIDD validation blocks", None, DegradeConfig(), samples)


def _places(suite: str, tasks: Mapping[str, Task], data: Path | None) -> dict[str, Path]:
    """Where every folder and file of `tasks` lies in `data`, letter case aside."""
    wanted = {
        name: task.partly
        for task in tasks.values()
        for name in (*task.clean, *task.pairs, *task.blocks)
    }
    some = " one or more of " if any(wanted.values()) else " "
    expected = f"The suite {suite!r} expects a folder with{some}{', '.join(wanted)}"
    if data is None:
        raise InputError(f"{expected}. Give it with `data` or LPIE_DEV_DATA.")
    places = {name: place for name in wanted if (place := _place(data, name))}
    missing = [name for name in wanted if name not in places]
    if (missing and not all(wanted.values())) or not places:
        held = [path.name for path in sorted(data.iterdir())] if data.is_dir() else []
        raise InputError(
            f"{data} lacks {', '.join(missing)}. {expected}. "
            f"It holds: {', '.join(held) or 'nothing'}."
        )
    return places


def _place(data: Path, name: str) -> Path | None:
    """`data/name`, or one whose name differs in letter case only; `data` itself if it is `name`."""
    if (data / name).exists():
        return data / name
    if "/" in name or not data.is_dir():
        return None
    inside = {path.name.lower(): path for path in data.iterdir()}
    itself = data if data.resolve().name.lower() == name.lower() else None
    return inside.get(name.lower(), itself)
