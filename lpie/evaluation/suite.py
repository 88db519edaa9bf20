"""Compares models and classical baselines on the same images: quality and time.

A suite is a folder of test images in a fixed layout, and the tasks on them. That of `dev`:

    clean/kodak24, clean/set5     photos that get Gaussian noise of sigma 15, 25 and 50
    realnoise_sidd, lowlight_sice, lowlight_lol, deblur_gopro
                                  pairs in degraded/ and target/, matched by name
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lpie.config.config import config_from
from lpie.data import sources
from lpie.data.degrade.degradation import describe
from lpie.errors import InputError, unknown_name
from lpie.evaluation import methods
from lpie.evaluation.methods import Method
from lpie.image.metrics import psnr, ssim
from lpie.system.environment import environment

Progress = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Task:
    """Image folders of one kind of restoration, and the baselines for it.

    clean: folders of photos that get noise of every `noise_sigma` (in levels of 255). pairs:
    folders of photographed pairs. non_blind: denoisers that get sigma. blind: methods that do not;
    a denoiser estimates sigma from every `step_px`th pixel.
    """

    clean: tuple[str, ...] = ()
    noise_sigma: tuple[float, ...] = ()
    pairs: tuple[str, ...] = ()
    non_blind: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    step_px: int = 1


SUITES: dict[str, dict[str, Task]] = {
    "dev": {
        "denoise": Task(
            clean=("clean/kodak24", "clean/set5"),
            noise_sigma=(15.0, 25.0, 50.0),
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
    }
}


def compare(
    models: Sequence[str] = (),
    *,
    data: Path | None,
    suite: str = "dev",
    tasks: Sequence[str] = (),
    baselines: bool = True,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress = lambda items: items,
) -> dict[str, Any]:
    """Measure every method: one table per image folder and noise level, and the environment.

    models: paths that run on every task, or `task=path`. data: the suite's folder. tasks: run only
    these. limit: use only so many images of each folder.

    Noise is neither clipped nor rounded; image i gets it from the generator of (seed, i), as in
    `lpie.evaluate`. Scores are of the output clipped to [0, 1]; `s_per_megapixel` is the median
    over images of the wall time of the restoration alone. All methods restore an image before the
    next one is read, so that a slow minute of the machine affects them alike.
    """
    chosen = _chosen(suite, tasks)
    if limit is not None and limit < 1:
        raise InputError(f"`limit` must be at least 1. Received: {limit}.")
    cases = list(_cases(chosen, _folder(suite, chosen, data), limit))
    learned = methods.models(models, chosen)
    started = environment()
    tables = []
    for case in cases:
        rows = [*learned.get(case.task, []), *learned.get("", [])]
        rows += _baselines(chosen[case.task], case.noise_sigma) if baselines else []
        tables.append(_table(case, rows, seed, progress))
    return {
        "suite": suite,
        "data": str(data),
        "seed": seed,
        "limit": limit,
        "environment": started,
        "tables": tables,
    }


class _Case(NamedTuple):
    """One table: a task, its images and the noise that they get, if any."""

    task: str
    folder: str
    items: list[sources.Item]
    noise_sigma: float | None


def _chosen(suite: str, tasks: Sequence[str]) -> dict[str, Task]:
    if suite not in SUITES:
        raise unknown_name("suite", suite, SUITES)
    for name in tasks:
        if name not in SUITES[suite]:
            raise unknown_name("task", name, SUITES[suite])
    return {name: task for name, task in SUITES[suite].items() if name in tasks or not tasks}


def _folder(suite: str, tasks: Mapping[str, Task], data: Path | None) -> Path:
    """`data`, when it holds every folder of `tasks`."""
    folders = [folder for task in tasks.values() for folder in (*task.clean, *task.pairs)]
    expected = f"The suite {suite!r} expects a folder with {', '.join(folders)}"
    if data is None:
        raise InputError(f"{expected}. Give it with `data` or LPIE_DEV_DATA.")
    missing = [folder for folder in folders if not (data / folder).is_dir()]
    if missing:
        held = [path.name for path in sorted(data.iterdir())] if data.is_dir() else []
        raise InputError(
            f"{data} lacks {', '.join(missing)}. {expected}. "
            f"It holds: {', '.join(held) or 'nothing'}."
        )
    return data


def _cases(tasks: Mapping[str, Task], data: Path, limit: int | None) -> Iterator[_Case]:
    for name, task in tasks.items():
        for folder in task.clean:
            items = sources.clean(data / folder)[:limit]
            yield from (_Case(name, folder, items, sigma) for sigma in task.noise_sigma)
        for folder in task.pairs:
            yield _Case(name, folder, sources.pairs(data / folder)[:limit], None)


def _baselines(task: Task, noise_sigma: float | None) -> list[Method]:
    sigma = (noise_sigma or 0.0) / 255
    non_blind = [methods.non_blind(name, sigma) for name in task.non_blind]
    return [*non_blind, *(methods.blind(name, task.step_px) for name in task.blind)]


def _table(case: _Case, rows: Sequence[Method], seed: int, progress: Progress) -> dict[str, Any]:
    """The scores of each method on each image, and their means."""
    noise = {"noise_sigma": case.noise_sigma or 0.0}
    config = config_from({"data": {"degrade": noise}}).data.degrade
    degraded: list[dict[str, Any]] = []
    results: list[list[dict[str, Any]]] = [[] for _ in rows]
    for sample in sources.samples(progress(case.items), config, seed=seed):
        degraded.append({"name": sample.name, **_quality(sample.degraded, sample.target)})
        for method, images in zip(rows, results, strict=True):
            images.append(_measure(method, sample))
    start = _means(degraded)
    return {
        "task": case.task,
        "folder": case.folder,
        "noise_sigma": case.noise_sigma,
        "degradation": "as photographed" if case.noise_sigma is None else describe(config),
        "degraded": {**start, "images": degraded},
        "methods": [
            _row(method, images, start["psnr_db"])
            for method, images in zip(rows, results, strict=True)
        ],
    }


def _measure(method: Method, sample: sources.Sample) -> dict[str, Any]:
    h, w, _ = sample.target.shape
    restored, seconds = methods.timed(method, sample.degraded)
    quality = _quality(np.clip(restored, 0, 1), sample.target)
    return {"name": sample.name, **quality, "seconds": seconds, "megapixels": h * w / 1e6}


def _quality(image: methods.Image, target: methods.Image) -> dict[str, float]:
    return {"psnr_db": psnr(image, target), "ssim": ssim(image, target)}


def _means(images: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {key: float(np.mean([one[key] for one in images])) for key in ("psnr_db", "ssim")}


def _row(method: Method, images: list[dict[str, Any]], degraded_psnr_db: float) -> dict[str, Any]:
    means = _means(images)
    return {
        "method": method.name,
        "told": method.knows,
        "about": method.about,
        **means,
        "gain_db": means["psnr_db"] - degraded_psnr_db,
        "s_per_megapixel": float(np.median([i["seconds"] / i["megapixels"] for i in images])),
        "images": images,
    }
