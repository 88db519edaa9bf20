"""The methods of a comparison: models and classical baselines, ready to restore an image."""

import math
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError, require, unknown_name
from lpie.evaluation.baselines import BASELINES, Baseline, estimate_sigma
from lpie.restore.restorer import Restorer
from lpie.weights import tflite_file

Image = NDArray[np.float32]
Restore = Callable[[Image], Image]


class Method(NamedTuple):
    """One row of a table.

    knows: "sigma" for a method that gets the noise's strength, else "blind". about: its constants.
    open: makes it ready for an image.
    """

    name: str
    knows: str
    about: str
    open: Callable[[], Restore]
    is_model: bool = False


def timed(method: Method, image: Image) -> tuple[Image, float]:
    """(`image` restored, the seconds that this took), after a warm-up that is not counted."""
    restore = method.open()
    # The first call of a network at a size plans it; that of another method loads its package.
    restore(image if method.is_model else image[:64, :64])
    start = time.perf_counter()
    restored = restore(image)
    return restored, time.perf_counter() - start


def models(texts: Sequence[str], tasks: Collection[str]) -> dict[str, list[Method]]:
    """The models by task, from `path` or `task=path`; those for every task are under ""."""
    methods: dict[str, list[Method]] = {}
    for text in texts:
        task, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            task, path = "", text
        elif task not in tasks:
            raise unknown_name("task", task, tasks)
        methods.setdefault(task, []).append(_model(path))
    return methods


def non_blind(name: str, sigma: float) -> Method:
    """The denoiser `name`, which gets the noise's standard deviation in the image's units."""
    method = _baseline(name)
    return Method(name, "sigma", method.about, lambda: lambda image: method.restore(image, sigma))


def blind(name: str, step_px: int = 1) -> Method:
    """The baseline `name`, which gets the image alone.

    A denoiser estimates the noise's strength from every `step_px`th pixel.
    """
    method = _baseline(name)
    if not method.denoises:
        return Method(name, "blind", method.about, lambda: method.restore)
    pixels = "all pixels" if step_px == 1 else f"one pixel in {step_px}x{step_px}"
    return Method(
        name,
        "blind",
        f"{method.about}, sigma estimated from {pixels}",
        lambda: lambda image: method.restore(image, estimate_sigma(image, step_px=step_px)),
    )


def _model(path: str) -> Method:
    # Whole images where tiles are not exact; a wrong file raises here, before any work.
    restorer = Restorer(path, max_memory_mb=math.inf)
    if restorer.scale > 1 or (restorer.channels, restorer.result_channels) != (3, 3):
        raise InputError(
            f"A suite compares networks from an RGB image to one of the same size. {path} returns "
            f"an image {restorer.scale} times as large, with {restorer.result_channels} channels, "
            f"for one with {restorer.channels}. Use lpie evaluate {path} --pairs DIR."
        )
    if tflite_file(path).suffix == ".tflite":
        # A session keeps its memory, up to 0.9 GB: each is opened for one image and then let go.
        return Method(path, "blind", "a .tflite", lambda: Restorer(path).restore, is_model=True)
    return Method(path, "blind", "a Keras model", lambda: restorer.restore, is_model=True)


def _baseline(name: str) -> Baseline:
    method = BASELINES[name]
    if method.package:
        require(method.package, extra="train")
    return method
