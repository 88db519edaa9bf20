"""Values that float16, in which GPUs compute, cannot hold: measured on real photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.flatbuffer import (
    image_size,
    links,
    op_name,
    parse_tflite,
    resize,
    serialise,
    stored_tensors,
)
from lpie.image import mosaic
from lpie.runtime import observable

LARGEST = 65_504.0  # of float16
TILE_PX = 256
SUMS = ("MEAN", "SUM")


@dataclass(frozen=True)
class Peak:
    """The largest magnitude that an op makes, by its position in the file.

    `value` is in its output, `total` in the sum behind it: of the magnitudes that a reduction adds
    up, or of a convolution's products, before any division.
    """

    index: int
    op: str
    value: float
    total: float

    @property
    def overflows(self) -> bool:
        """Whether float16 holds neither, on the photos that were measured."""
        return max(self.value, self.total) > LARGEST


def peaks(model: Any, photos: Sequence[NDArray[np.uint8]]) -> list[Peak]:
    """The peaks of `model`, a `ModelT` for float32 images, the highest first.

    photos: [H, W, 3] uint8 as the network will meet them. The model runs on tiles of 256x256, or of
    its own size where it has but one.
    """
    if not photos:
        raise InputError("At least one real photo is needed to measure values on.")
    model = _tile_sized(model)
    graph, stored = model.subgraphs[0], stored_tensors(model)
    if graph.tensors[graph.inputs[0]].type != 0:
        raise InputError("Values are measured in a file for float32 images. Inspect that one.")
    interpreter = observable(serialise(model))
    found: dict[int, tuple[float, float]] = {}
    for photo in photos:
        tile = mosaic([photo], *image_size(model))[None].astype(np.float32) / 255
        interpreter.set_tensor(graph.inputs[0], tile)
        interpreter.invoke()
        for index, op in enumerate(graph.operators):
            (output, *_) = links(op.outputs)
            if output in stored or graph.tensors[output].type != 0:
                continue
            value = float(np.abs(interpreter.get_tensor(output)).max())
            total = _total(
                op_name(model, op), [interpreter.get_tensor(i) for i in links(op.inputs)]
            )
            old = found.get(index, (0.0, 0.0))
            found[index] = max(old[0], value), max(old[1], total)
    names = [op_name(model, op) for op in graph.operators]
    result = [Peak(i, names[i], *both) for i, both in found.items()]
    return sorted(result, key=lambda peak: -max(peak.value, peak.total))


def _tile_sized(model: Any) -> Any:
    """A copy for tiles of 256x256, or `model` where it knows its own size alone."""
    copy = parse_tflite(serialise(model))
    try:
        resize(copy, TILE_PX, TILE_PX)
    except InputError:
        return model
    return copy


def _total(name: str, inputs: Sequence[NDArray[Any]]) -> float:
    """What a sum of magnitudes comes to, at most; 0 where an op adds up nothing."""
    image = np.abs(inputs[0].astype(np.float32))
    if name in SUMS:
        return float(image.sum(axis=tuple(int(a) for a in np.ravel(inputs[1]))).max())
    if name in ("CONV_2D", "FULLY_CONNECTED") and inputs[1].dtype.kind == "f":
        # Every product at once at the largest input of its channel.
        kernel = np.abs(inputs[1].astype(np.float32)).reshape(-1, inputs[1].shape[-1])
        largest = image.reshape(-1, image.shape[-1]).max(axis=0)
        taps = kernel.shape[0] // inputs[1].shape[0]
        return float((kernel @ largest).reshape(inputs[1].shape[0], taps).sum(axis=1).max())
    return 0.0
