"""How weights and activations are stored in a `.tflite`, and how far the result may stray.

Names as in ai-edge-quantizer, but for the short ones that people say.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lpie.errors import LpieError, unknown_name
from lpie.system.quiet import quiet

Number = Literal["float32", "float16", "int8", "int16"]


@dataclass(frozen=True)
class Recipe:
    """How numbers are stored and computed; budget: the least that `verify` accepts."""

    weights: Number
    activations: Number
    budget: dict[str, float]

    @property
    def static(self) -> bool:
        """Whether activations are integers, whose ranges are chosen beforehand on photos."""
        return self.activations in ("int8", "int16")


def _budget(psnr_db: float, correlation: float) -> dict[str, float]:
    return {
        "output_psnr_db": psnr_db, "residual_psnr_db": psnr_db, "residual_correlation": correlation
    }  # fmt: skip


# `lpie demo` measured 141, 78 and 40 dB of output PSNR for float32, float16 and int8 (2026-11-21).
# One kernel out of order in an export and it stays below each budget (tests/export/test_export.py).
INT8 = Recipe("int8", "int8", _budget(30, 0.95))
RECIPES = {
    "float32": Recipe("float32", "float32", _budget(90, 0.99999)),
    "float16": Recipe("float16", "float32", _budget(50, 0.999)),
    "dynamic_wi8_afp32": Recipe("int8", "float32", _budget(35, 0.99)),
    "int8": INT8,
    "static_wi8_ai8": INT8,
    "qat_int8": INT8,
    "mixed": INT8,
    "static_wi8_ai16": Recipe("int8", "int16", _budget(35, 0.99)),
}


def find_recipe(name: str) -> Recipe:
    """The recipe `name`; an `InputError` names the nearest one."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]


def configure(converter: Any, name: str, calibration: list[NDArray[np.float32]]) -> None:
    """Set TensorFlow's converter up for the recipe `name`: builtin ops only.

    calibration: [H, W, 3] float32 images at the size of the model, for recipes that need them.
    """
    import tensorflow as tf

    recipe, ops = find_recipe(name), tf.lite.OpsSet
    converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS]
    if recipe.weights != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if recipe.static:
        converter.representative_dataset = _feed(calibration)
    if recipe.activations == "int8":
        converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8]
        # Photos are 8 bits; the model's own first op then shifts them to int8.
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    if recipe.activations == "int16":
        # What has no int16 form, such as ELU, stays in float.
        converter.target_spec.supported_ops = [
            ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
            ops.TFLITE_BUILTINS,
        ]
        converter.inference_input_type = converter.inference_output_type = tf.int16


def _feed(images: list[NDArray[np.float32]]) -> Callable[[], Iterator[list[NDArray]]]:
    return lambda: ([image[None]] for image in images)


@contextlib.contextmanager
def converting(name: str) -> Iterator[None]:
    """A block in which TensorFlow's converter runs: silent, and its refusal is one sentence."""
    import tensorflow as tf

    with quiet() as printed, warnings.catch_warnings():  # it prints hundreds of lines
        warnings.simplefilter("ignore")
        try:
            yield
        except (RuntimeError, ValueError, TypeError, tf.errors.OpError) as error:
            reason = str(error).strip().splitlines()[0]
            raise LpieError(
                f"TensorFlow's converter refused the {name} recipe: {reason}. "
                f"It also printed: {printed()[-300:]}"
            ) from error
