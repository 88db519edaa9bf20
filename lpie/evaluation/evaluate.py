"""Measures the quality of a model, on the same images and scale as its degraded input."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lpie.config.config import DegradeConfig
from lpie.data import sources
from lpie.data.degrade.degradation import describe
from lpie.errors import InputError
from lpie.image.image import to_float, to_uint8
from lpie.image.metrics import psnr, ssim
from lpie.restore.restorer import Restorer
from lpie.restore.stitching import enlarged

if TYPE_CHECKING:
    import keras

SCORES = ("psnr_db", "ssim", "degraded_psnr_db", "degraded_ssim")


def evaluate(
    model: "Restorer | keras.Model | Path | str",
    *,
    pairs: Path | None = None,
    clean: Path | None = None,
    builtin: bool = False,
    degrade: DegradeConfig | None = None,
    seed: int = 0,
    clip: bool = False,
    quantize: bool = False,
    skip_bad: bool = False,
    progress: Callable[[Sequence[Any]], Any] = lambda items: items,
) -> dict[str, Any]:
    """Measure PSNR and SSIM of a model's results, beside those of its degraded inputs.

    The images come from exactly one of `pairs`, `clean` and `builtin`.

    Args:
        model: A `Restorer`, or anything that one is made of: a name, a path or a Keras model.
        pairs: A folder with `degraded/` and `target/`, whose images are matched by name. For a
            network that enlarges, the targets must be larger by its scale.
        clean: A folder of clean photos, which are degraded as `degrade` says.
        builtin: Whether to use the held-out photograph inside scikit-image, degraded likewise.
        degrade: The synthetic degradation. By default Gaussian noise of sigma 25 (levels of 255).
        seed: The random seed of the degradation: image i gets the generator of (seed, i).
        clip: Whether to clip the degraded input to [0, 1].
        quantize: Whether to round the degraded input to 8 bits, which also clips it.
        skip_bad: Whether to skip images that cannot be used, instead of raising.
        progress: A function that takes the list of images and yields them, such as `tqdm`.

    Returns:
        `psnr_db` (dB) and `ssim` of the float output clipped to [0, 1] against the target, and
        `degraded_psnr_db` and `degraded_ssim` of the degraded input as it is, or enlarged by
        bicubic to the target's size: the means over the images, and those of each image under
        `images`. Also `model`, `source`, `degradation` and the reasons of the `skipped` images.

    Raises:
        InputError: There is no such model, or no usable image.
    """
    items = _items(pairs, clean, builtin)
    config = degrade or DegradeConfig()
    restorer = model if isinstance(model, Restorer) else Restorer(model, max_memory_mb=math.inf)
    _check_network(restorer, pairs)
    images: list[dict[str, Any]] = []
    bad: list[str] = []
    samples = sources.samples(
        progress(items),
        config,
        seed=seed,
        bad=bad if skip_bad else None,
        scale=restorer.scale,
    )
    for sample in samples:
        if quantize:
            sample = sample._replace(degraded=to_float(to_uint8(sample.degraded)))
        elif clip:
            sample = sample._replace(degraded=np.clip(sample.degraded, 0, 1))
        images.append({"name": sample.name, **score(restorer, sample)})
    if not images:
        raise InputError(f"No usable image is left to evaluate on. {' '.join(bad[:1])}")
    return {
        "model": str(model) if isinstance(model, str | Path) else "",
        "source": str(pairs or clean or "built-in photograph"),
        "degradation": "as photographed" if pairs else f"{describe(config)}, seed {seed}",
        **mean_scores(images),
        "images": images,
        "skipped": bad,
    }


def score(restorer: Restorer, sample: sources.Sample) -> dict[str, float]:
    """PSNR and SSIM of the restored and of the degraded image of `sample`."""
    restored = np.clip(restorer.restore(sample.degraded), 0, 1)
    degraded = enlarged(sample.degraded, restorer.scale)
    return {
        "psnr_db": psnr(restored, sample.target),
        "ssim": ssim(restored, sample.target),
        "degraded_psnr_db": psnr(degraded, sample.target),
        "degraded_ssim": ssim(degraded, sample.target),
    }


def _check_network(restorer: Restorer, pairs: Path | None) -> None:
    """Raise an `InputError` for a network that the images cannot be used with."""
    takes, returns = restorer.channels, restorer.result_channels
    if (takes, returns) != (3, 3):
        raise InputError(
            f"The network takes images of {takes} channels and returns {returns}. Only networks "
            "from RGB to RGB can be evaluated."
        )
    if restorer.scale > 1 and pairs is None:
        raise InputError(
            f"The network enlarges {restorer.scale} times, which needs real pairs: give `pairs`, "
            f"a folder with degraded/ and target/, with targets {restorer.scale} times as large."
        )


def mean_scores(scores: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The mean over images of what `score` returns."""
    return {key: float(np.mean([one[key] for one in scores])) for key in SCORES}


def _items(pairs: Path | None, clean: Path | None, builtin: bool) -> list[sources.Item]:
    if (pairs is not None) + (clean is not None) + builtin != 1:
        raise InputError("Choose exactly one of `pairs`, `clean` and `builtin`.")
    if pairs is not None:
        return sources.pairs(pairs)
    return (
        sources.clean(clean) if clean is not None else sources.builtin(sources.BUILTIN_VALIDATION)
    )
