"""Image restoration for phones: train, export, verify and time networks, and restore photos.

Every name below loads on first use, so that `import lpie` stays light and restoring with a
`.tflite` file never imports TensorFlow or Keras.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "InputError": "lpie.errors",
    "LpieError": "lpie.errors",
    "ModelSpec": "lpie.tflite.spec",
    "Restorer": "lpie.restore.restorer",
    "build_model": "lpie.models",
    "compress": "lpie.training.finetune",
    "evaluate": "lpie.evaluation.evaluate",
    "finetune": "lpie.training.finetune",
    "fold": "lpie.models.do_conv",
    "load_released_weights": "lpie.models.released.released",
    "psnr": "lpie.image.metrics",
    "quantize_aware_train": "lpie.training.finetune",
    "ssim": "lpie.image.metrics",
    "train": "lpie.training.trainer",
}

__all__ = ["__version__", "restore", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in ("export", "benchmarks", "restore"):
        return importlib.import_module(f"lpie.{name}")
    raise AttributeError(f"module 'lpie' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "benchmarks", "export"])
