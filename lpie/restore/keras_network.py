"""A Keras model that restores images."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lpie.restore.tflite_network import TILE_BYTES_PER_PX

if TYPE_CHECKING:
    import keras

# Keras took 1.5 to 1.9 times the bytes of the maps it holds (the networks of the zoo, TensorFlow).
BYTES_PER_VALUE = 12


class KerasNetwork:
    """A Keras model that restores images.

    multiple, halo_px: of its graph. mb_per_px: what a run takes, 10^6 bytes, per pixel of its
    image, by estimate.
    """

    fixed: tuple[int, int] | None = None

    def __init__(self, model: "keras.Model") -> None:
        from lpie.models.graph.analysis import analyse, held_per_pixel

        found = analyse(model)
        self._model, self.multiple, self.halo_px = model, found.multiple, found.halo_px
        held = BYTES_PER_VALUE * held_per_pixel(model)
        self.mb_per_px = (held + TILE_BYTES_PER_PX) / 1e6

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return forward(self._model, image[None])[0]


def forward(model: "keras.Model", images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `model` makes of `images`, both [N, H, W, 3] float32."""
    from lpie.backend import keras
    from lpie.models.graph.analysis import calls, is_plain

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
        given = [values[id(tensor)] for tensor in inputs]
        for tensor in inputs:
            left[id(tensor)] -= 1
            if not left[id(tensor)]:
                del values[id(tensor)]
        values[id(output)] = layer(given[0] if len(given) == 1 else given)
        del given
    return keras.ops.convert_to_numpy(values[id(model.outputs[0])])
