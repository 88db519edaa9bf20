"""How good a model is, on the same images and scale as its degraded input."""

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
    """Mean and per-image PSNR (dB) and SSIM of `model`, beside those of its degraded input.

    Images come from exactly one of `pairs` (a folder with `degraded/` and `target/`), `clean` (a
    folder of photos, degraded as `degrade` says, image i with the generator of (seed, i)) and
    `builtin` (the held-out photograph inside scikit-image). Scores are of the float output
    clipped to [0, 1], as it would be shown, against the target, and of the degraded input as it
    is. clip, quantize: clip the degraded input to [0, 1], round it to 8 bits (and clip).
    """
    items = _items(pairs, clean, builtin)
    config = degrade or DegradeConfig()
    restorer = model if isinstance(model, Restorer) else Restorer(model, max_memory_mb=math.inf)
    images: list[dict[str, Any]] = []
    bad: list[str] = []
    found = sources.samples(progress(items), config, seed=seed, bad=bad if skip_bad else None)
    for sample in found:
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
    return {
        "psnr_db": psnr(restored, sample.target),
        "ssim": ssim(restored, sample.target),
        "degraded_psnr_db": psnr(sample.degraded, sample.target),
        "degraded_ssim": ssim(sample.degraded, sample.target),
    }


def mean_scores(scores: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The mean over images of what `score` returns."""
    return {key: float(np.mean([one[key] for one in scores])) for key in SCORES}


def _items(pairs: Path | None, clean: Path | None, builtin: bool) -> list[sources.Item]:
    if (pairs is not None) + (clean is not None) + builtin != 1:
        raise InputError("Choose exactly one of --pairs DIR, --clean DIR and --builtin.")
    if pairs is not None:
        return sources.pairs(pairs)
    return (
        sources.clean(clean) if clean is not None else sources.builtin(sources.BUILTIN_VALIDATION)
    )
