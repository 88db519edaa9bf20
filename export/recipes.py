"""How weights and activations are stored in a `.tflite`, and how far the result may stray.

Names as in ai-edge-quantizer, but for the short ones that people say.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lpie.errors import unknown_name

RecipeName = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Recipe:
    """budget: the least that `verify` accepts, in dB and as a correlation."""

    calibrated: bool
    budget: dict[str, float]


# `lpie demo` measured 141, 78 and 40 dB of output PSNR (2026-11-21). One kernel out of order in an
# export and it stays below each budget (tests/test_export.py).
RECIPES = {
    "float32": Recipe(
        False, {"output_psnr_db": 90, "residual_psnr_db": 90, "residual_correlation": 0.99999}
    ),
    "float16": Recipe(
        False, {"output_psnr_db": 50, "residual_psnr_db": 50, "residual_correlation": 0.999}
    ),
    "int8": Recipe(
        True, {"output_psnr_db": 30, "residual_psnr_db": 30, "residual_correlation": 0.95}
    ),
}


def find_recipe(name: str) -> Recipe:
    """The recipe `name`; an `InputError` names the nearest one."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, get_args(RecipeName))
    return RECIPES[name]


def configure(converter: Any, name: str, calibration: list[NDArray[np.float32]]) -> None:
    """Set TensorFlow's converter up for the recipe `name`: builtin ops only.

    calibration: [H, W, 3] float32 images at the size of the model, for recipes that need them.
    """
    import tensorflow as tf

    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if name == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    if name == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = _feed(calibration)
        # Photos are 8 bits; the model's own first op then shifts them to int8.
        converter.inference_input_type = converter.inference_output_type = tf.uint8


def _feed(images: list[NDArray[np.float32]]) -> Callable[[], Iterator[list[NDArray]]]:
    return lambda: ([image[None]] for image in images)
