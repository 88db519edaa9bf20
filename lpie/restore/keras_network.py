"""A Keras model that restores images: its tiles, and one run of it layer by layer."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.restore.tile_policy import (
    KERAS_BYTES_PER_VALUE,
    Budget,
    Plan,
    plan_of_grid,
    smallest_side,
    tile_bytes_per_px,
)
from lpie.size import Size
from lpie.tflite.receptive_field.ends import ImageEnds, scale_between

if TYPE_CHECKING:
    import keras


class KerasNetwork:
    """A Keras model that restores images (a `lpie.restore.network.Network`).

    Attributes:
        multiple: Sides of images must be multiples of this, in px.
        halo_px: How far the graph looks beyond a pixel, in px; None when it sees the whole image.
        fixed: The only (height, width) it takes; None when it takes any.
        scale: How many times as high and wide as its input its output is.
        channels: Of its input and of its output.
        reason: Why its tiles are not exact; "" where they are.
        mb_per_px: An estimate of what a run takes per pixel of its image, in 10^6 bytes.

    Raises:
        InputError: The model does not take one image and return one.
    """

    def __init__(self, model: "keras.Model") -> None:
        from lpie.models.graph.analysis import analyse, counted_px, held_per_pixel
        from lpie.models.graph.flat import flat

        model = flat(model)
        ends = keras_ends(model)
        facts = analyse(model)
        self._model, self.multiple, self.halo_px = model, facts.multiple, facts.halo_px
        self.fixed: tuple[int, int] | None = ends.size
        self.scale, self.reason = ends.scale or 1, facts.reason
        self.channels = (ends.channels, ends.result_channels)
        if ends.size and any(side % facts.multiple for side in ends.size):
            self.multiple, self.halo_px = 1, None
        elif ends.size and smallest_side(self.multiple, self.halo_px) > min(ends.size):
            self.halo_px = None
        held_bytes = KERAS_BYTES_PER_VALUE * held_per_pixel(model, counted_px(facts.multiple))
        self.mb_per_px = (held_bytes + tile_bytes_per_px(self.scale)) / 1e6

    def plan(self, size: Size, budget: Budget, *, tile_px: int | None) -> Plan:
        """How to go over a photo of `size`: by tiles of the default size, or smaller ones."""
        return plan_of_grid(self, size, budget, tile_px, self.mb_per_px)

    def open(self, plan: Plan) -> None:
        """Nothing has to be opened: the model runs on any size."""

    def close(self) -> None:
        """Nothing was opened."""

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """`image`, [H, W, 3] float32, restored: `scale` times as high and wide."""
        return forward(self._model, image[None])[0]


def keras_ends(model: "keras.Model") -> ImageEnds:
    """What `model`, a network from one image to one image that is flat, takes and returns.

    Raises:
        InputError: It takes or returns something else.
    """
    name = f"The Keras model {model.name}"
    inputs, outputs = (getattr(model, end, None) or () for end in ("inputs", "outputs"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise InputError(
            f"{name} has {len(inputs)} inputs and {len(outputs)} outputs that it states. lpie "
            "restores with functional and sequential models of one image in and one image out."
        )
    shape, result = tuple(model.inputs[0].shape), tuple(model.outputs[0].shape)
    for end, one in (("takes", shape), ("returns", result)):
        if len(one) != 4 or one[3] not in (1, 2, 3, 4) or one[0] not in (None, 1):
            raise InputError(
                f"{name} {end} tensors of the shape {list(one)}. lpie restores with models of "
                "images [batch, height, width, channels] of 1, 3 or 4 channels, any batch."
            )
    (_, height, width, channels) = shape
    if (height is None) != (width is None):
        raise InputError(
            f"{name} takes images of the shape {list(shape)}: its height and width must both be "
            "fixed, or both be open."
        )
    _check_values(model, name)
    size = None if height is None else Size(height, width)
    from lpie.models.graph.analysis import DIVISIBLE_PX

    walked = size or Size(DIVISIBLE_PX, DIVISIBLE_PX)
    larger = Size(*model.compute_output_shape((1, *walked, channels))[1:3])
    return ImageEnds(size, channels, result[3], scale_between(walked, larger, name))


def _check_values(model: "keras.Model", name: str) -> None:
    """Raise an `InputError` for a network that takes other numbers than floats in [0, 1]."""
    from lpie.backend import keras

    dtype = keras.backend.standardize_dtype(model.inputs[0].dtype)
    first = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)][:1]
    scales = [layer.scale for layer in first if isinstance(layer, keras.layers.Rescaling)]
    bytes_in = any(isinstance(scale, float) and abs(scale) < 2 / 255 for scale in scales)
    if "float" not in dtype or bytes_in:
        raise InputError(
            f"{name} takes values from 0 to 255 ({dtype}), and lpie gives networks floats from 0 "
            "to 1. Build it without the Rescaling layer and with keras.Input(..., dtype='float32')."
        )


def forward(model: "keras.Model", images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The output of `model` for `images`, [N, H, W, C] float32."""
    from lpie.backend import keras
    from lpie.models.graph.walk import has_graph, nodes

    if keras.backend.backend() == "jax":  # which compiles each op of an eager call apart
        return _float32(model.predict_on_batch(images))
    if not has_graph(model):
        return _float32(model(images, training=False))
    # Layer by layer: Keras would hold all their outputs to the end, 12.5 GB instead of 1.5 for
    # NAFNet of width 16 and a megapixel.
    left = Counter(id(tensor) for node in nodes(model) for tensor in node.input_tensors)
    left[id(model.outputs[0])] += 1
    (image,) = model.inputs
    values = {id(image): keras.ops.convert_to_tensor(images, image.dtype)}
    for node in nodes(model):
        if node.is_input:
            continue
        arguments, options = node.arguments.fill_in(values)
        for tensor in node.input_tensors:
            left[id(tensor)] -= 1
            if not left[id(tensor)]:
                values.pop(id(tensor), None)
        results = keras.tree.flatten(node.operation(*arguments, **options))
        del arguments, options
        for tensor, value in zip(node.outputs, results, strict=True):
            if left[id(tensor)]:
                values[id(tensor)] = value
        del results
    return _float32(values[id(model.outputs[0])])


def _float32(values: Any) -> NDArray[np.float32]:
    """`values` of any type and library as an array."""
    from lpie.backend import keras

    return np.asarray(keras.ops.convert_to_numpy(values)).astype(np.float32, copy=False)
