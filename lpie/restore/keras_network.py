"""A Keras model that restores images: its tiles, and one run of it layer by layer."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lpie.restore.tile_policy import (
    KERAS_BYTES_PER_VALUE,
    TILE_BYTES_PER_PX,
    Budget,
    Plan,
    unmeasured_plan,
)
from lpie.size import Size

if TYPE_CHECKING:
    import keras


class KerasNetwork:
    """A Keras model that restores images (a `lpie.restore.network.Network`).

    Attributes:
        multiple: Sides of images must be multiples of this, in px.
        halo_px: How far the graph looks beyond a pixel, in px; None when it sees the whole image.
        mb_per_px: An estimate of what a run takes per pixel of its image, in 10^6 bytes.
    """

    fixed: tuple[int, int] | None = None

    def __init__(self, model: "keras.Model") -> None:
        from lpie.models.graph.analysis import analyse, held_per_pixel

        facts = analyse(model)
        self._model, self.multiple, self.halo_px = model, facts.multiple, facts.halo_px
        held_bytes = KERAS_BYTES_PER_VALUE * held_per_pixel(model)
        self.mb_per_px = (held_bytes + TILE_BYTES_PER_PX) / 1e6

    def plan(self, size: Size, budget: Budget, *, tile_px: int | None) -> Plan:
        """How to go over a photo of `size`: by tiles of the default size, or smaller ones."""
        return unmeasured_plan(
            size.rounded_up(self.multiple),
            halo_px=self.halo_px,
            multiple=self.multiple,
            mb_per_px=self.mb_per_px,
            budget=budget,
            tile_px=tile_px,
        )

    def open(self, plan: Plan) -> None:
        """Nothing has to be opened: the model runs on any size."""

    def close(self) -> None:
        """Nothing was opened."""

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """`image`, [H, W, 3] float32, restored: the same shape."""
        return forward(self._model, image[None])[0]


def forward(model: "keras.Model", images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The output of `model` for `images`, both [N, H, W, 3] float32."""
    from lpie.backend import keras
    from lpie.models.graph.walk import calls, is_plain

    if keras.backend.backend() == "jax":  # which compiles each op of an eager call apart
        return model.predict_on_batch(images)
    if not is_plain(model):
        return keras.ops.convert_to_numpy(model(images, training=False))
    # Layer by layer: Keras would hold all their outputs to the end, 12.5 GB instead of 1.5 for
    # NAFNet of width 16 and a megapixel.
    left = Counter(id(tensor) for _, inputs, _ in calls(model) for tensor in inputs)
    values = {id(model.inputs[0]): keras.ops.convert_to_tensor(images)}
    for layer, inputs, (output, *_) in calls(model):
        if not inputs:
            continue
        arguments = [values[id(tensor)] for tensor in inputs]
        for tensor in inputs:
            left[id(tensor)] -= 1
            if not left[id(tensor)]:
                del values[id(tensor)]
        values[id(output)] = layer(arguments[0] if len(arguments) == 1 else arguments)
        del arguments
    return keras.ops.convert_to_numpy(values[id(model.outputs[0])])
