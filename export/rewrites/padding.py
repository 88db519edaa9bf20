"""Networks that pad their image inside, as the network for images that need none."""

import math
from typing import Any

from lpie.backend import Tensor, keras
from lpie.models.graph.rebuild import exchanged
from lpie.models.graph.walk import calls
from lpie.models.layers import CropLike, PadToMultiple

# What gives the same before the borders are cut off and after.
POINTWISE = ("Activation", "Add", "InputLayer", "Multiply", "ReLU", "Subtract")


def pads_to(model: keras.Model) -> int:
    """The multiple to which `model` pads its maps; 1 for one that does not."""
    pads = [layer.multiple for layer in model.layers if isinstance(layer, PadToMultiple)]
    return math.lcm(1, *pads)


def pads_ends_alone(model: keras.Model) -> bool:
    """Whether `model` pads nothing but its image, and cuts the result alone.

    Then it is `without_padding` between zeros that are added to its image and cut off its result.
    """
    padded: dict[int, bool] = {}
    for layer, inputs, outputs in calls(model):
        sides, kind = [padded.get(id(tensor), False) for tensor in inputs], type(layer).__name__
        if kind == "PadToMultiple":
            fits, inside = sides == [False], True
        elif kind == "CropLike":
            fits, inside = sides == [True, False], False
        else:
            inside = any(sides)
            fits = all(sides) if inside else kind in POINTWISE
        if not fits:
            return False
        padded.update({id(tensor): inside for tensor in outputs})
    return not padded[id(model.outputs[0])]


def without_padding(model: keras.Model) -> keras.Model:
    """`model` for images that need no padding inside: none of its sizes is then a constant."""
    return exchanged(model, _unpadded)


class _First(keras.layers.Layer):
    """The first of several maps, or the only one."""

    def call(self, maps: Tensor) -> Tensor:
        return maps[0] if isinstance(maps, (list, tuple)) else maps

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return input_shape[0] if isinstance(input_shape, list) else input_shape


def _unpadded(layer: keras.layers.Layer) -> Tensor:
    pads = isinstance(layer, (PadToMultiple, CropLike))
    return _First(name=layer.name) if pads else None
