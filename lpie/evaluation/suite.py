"""Compares models and classical baselines on the same images: quality and time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lpie.data import sources
from lpie.data.degrade.degradation import describe
from lpie.errors import InputError
from lpie.evaluation import methods
from lpie.evaluation.methods import Method
from lpie.evaluation.published import PUBLISHED
from lpie.evaluation.suites import SUITES, Case, Progress, Task, cases, chosen_tasks
from lpie.image.metrics import psnr, ssim
from lpie.system.environment import environment

__all__ = ["SUITES", "compare"]


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
    chosen = chosen_tasks(suite, tasks)
    if limit is not None and limit < 1:
        raise InputError(f"`limit` must be at least 1. Received: {limit}.")
    tables_to_make = cases(suite, chosen, data, limit)
    learned = methods.models(models, chosen)
    started = environment()
    tables = []
    for case in tables_to_make:
        rows = [*learned.get(case.task, []), *learned.get("", [])]
        rows += _baselines(chosen[case.task], case.noise_sigma) if baselines else []
        published = _published(case) if limit is None else []  # which is of all images
        tables.append({**_table(case, rows, seed, progress), "published": published})
    return {
        "suite": suite,
        "data": str(data),
        "seed": seed,
        "limit": limit,
        "environment": started,
        "tables": tables,
    }


def _baselines(task: Task, noise_sigma: float | None) -> list[Method]:
    sigma = (noise_sigma or 0.0) / 255
    non_blind = [methods.non_blind(name, sigma) for name in task.non_blind]
    return [*non_blind, *(methods.blind(name, task.step_px) for name in task.blind)]


def _table(case: Case, rows: Sequence[Method], seed: int, progress: Progress) -> dict[str, Any]:
    """The scores of each method on each image, and their means."""
    degraded: list[dict[str, Any]] = []
    results: list[list[dict[str, Any]]] = [[] for _ in rows]
    for sample in case.samples(seed, progress):
        degraded.append({"name": sample.name, **_quality(sample.degraded, sample.target)})
        for method, images in zip(rows, results, strict=True):
            images.append(_measure(method, sample))
    start = _means(degraded)
    return {
        "task": case.task,
        "folder": case.folder,
        "noise_sigma": case.noise_sigma,
        "degradation": "as photographed" if case.noise_sigma is None else describe(case.config),
        "degraded": {**start, "images": degraded},
        "methods": [
            _row(method, images, start["psnr_db"])
            for method, images in zip(rows, results, strict=True)
        ],
    }


def _published(case: Case) -> list[dict[str, Any]]:
    """What others have published on the same images, with the same noise."""
    rows = PUBLISHED.get(case.folder, ()) if case.noise_sigma is not None else ()
    return [
        {"method": row.method, "psnr_db": row.psnr_db[case.noise_sigma]}
        for row in rows
        if case.noise_sigma in row.psnr_db
    ]


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
