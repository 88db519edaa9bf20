"""Values that float16, in which GPUs compute, cannot hold: measured on real photos."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.export.calibration import calibration_tiles
from lpie.tflite.interpreter import observable
from lpie.tflite.model import Op, TfliteModel
from lpie.tflite.resize import tile_sized

LARGEST = 65_504.0  # of float16
SUMS = ("MEAN", "SUM")


@dataclass(frozen=True)
class Peak:
    """The largest magnitude that an op makes, by its position in the file.

    `value` is in its output; `total` bounds the sum behind it: of the magnitudes that a reduction
    or a pooling adds up before it divides, or of a convolution's products. 0 where nothing is
    summed.
    """

    index: int
    op: str
    value: float
    total: float

    @property
    def overflows(self) -> bool:
        """Whether float16 may not hold one of them, on the photos that were measured."""
        return not max(self.value, self.total) <= LARGEST


def peaks(model: TfliteModel, photos: Sequence[NDArray[np.uint8]]) -> list[Peak]:
    """The peaks of `model`, which takes float32 images, the highest first.

    photos: [H, W, 3] uint8 as the network will meet them. The model runs on up to 32 tiles of
    256x256, or of its own size where it has but one; sums over a whole image are those of its size.
    """
    if model.inputs[0].dtype != "float32":
        raise InputError("Values are measured in a file for float32 images. Inspect that one.")
    if not photos:
        raise InputError("At least one real photo is needed to measure values on.")
    small = tile_sized(model)
    larger = dict(zip((1, 2), np.divide(model.image, small.image), strict=True))
    measured = [
        op for op in small.ops if not op.outputs[0].stored and op.outputs[0].dtype == "float32"
    ]
    interpreter = observable(small)
    highest = {op.index: (0.0, 0.0) for op in measured}
    for tile in calibration_tiles(photos, *small.image):
        interpreter.set_tensor(small.inputs[0].index, tile[None])
        interpreter.invoke()
        for op in measured:
            value = _largest(interpreter.get_tensor(op.outputs[0].index))
            inputs = [interpreter.get_tensor(t.index) for t in op.inputs if t is not None]
            before = highest[op.index]
            total = _total(op, inputs, larger)
            highest[op.index] = max(before[0], value), max(before[1], total)
    result = [Peak(op.index, op.name, *highest[op.index]) for op in measured]
    return sorted(result, key=lambda peak: -max(peak.value, peak.total))


def _largest(x: NDArray[Any]) -> float:
    """The largest magnitude; infinite where a value is not a number."""
    largest = float(np.abs(x).max())
    return math.inf if math.isnan(largest) else largest


def _total(op: Op, inputs: Sequence[NDArray[Any]], larger: dict[int, float]) -> float:
    """What the magnitudes that one op adds up come to, at most; 0 where it adds up nothing.

    larger: how many times as high and wide the image is as the tile.
    """
    if op.name == "AVERAGE_POOL_2D":
        return _largest(inputs[0]) * op.options.filterHeight * op.options.filterWidth
    if op.name in SUMS:
        axes = tuple(int(a) % inputs[0].ndim for a in np.ravel(inputs[1]))
        times = math.prod(larger.get(a, 1.0) for a in axes) if inputs[0].ndim == 4 else 1.0
        return _largest(np.abs(inputs[0]).sum(axis=axes)) * times
    if op.name == "TRANSPOSE_CONV":
        return _products(inputs[2], inputs[1])
    if op.name == "DEPTHWISE_CONV_2D":
        kernel = np.moveaxis(inputs[1], -1, 0)[..., None]  # [C, 1, k, k, 1]
        return _products(np.repeat(inputs[0], len(kernel) // inputs[0].shape[-1], -1), kernel)
    if op.name in ("CONV_2D", "FULLY_CONNECTED"):
        return _products(inputs[0], inputs[1])
    return 0.0


def _products(image: NDArray[Any], kernel: NDArray[Any]) -> float:
    """All products of a filter at once, each with its channel's largest input; kernel: [O, ..., I].

    Where it has several groups, filters and channels are divided alike. Kernels of integers, whose
    products GPUs make in float, count 0.
    """
    if kernel.dtype.kind != "f":
        return 0.0
    weights = np.abs(kernel).reshape(len(kernel), -1, kernel.shape[-1]).sum(axis=1)  # [O, I]
    rows = np.abs(image).reshape(-1, image.shape[-1])
    if rows.shape[1] < weights.shape[1]:  # a matrix product that joins several pixels
        rows = rows.reshape(-1, weights.shape[1])
    largest = rows.max(axis=0).reshape(-1, weights.shape[1])  # [groups, I]
    grouped = weights.reshape(len(largest), -1, weights.shape[1])
    return _largest(np.einsum("goi,gi->go", grouped, largest))
