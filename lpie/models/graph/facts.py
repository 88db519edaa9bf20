"""What the analysis, the equalization and the tf_keras twin of a network need to know of a layer.

A layer of our own has its `LayerFacts` as the class attribute `facts`, and so may a layer of
anybody else; those of Keras' own layers are the table in `lpie.models.graph.keras_layers`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lpie.models.graph.reach import Reach, pointwise

# How a layer takes factors on the channels of the maps around it (cross-layer equalization):
# "none": not at all. "kernel": its kernel undoes those of its input and makes those of its output.
# "reads": it can undo those of its input. "makes": it can make those of its output.
# "through": a positive factor passes it. "first": it passes from the first input alone.
# "gate": it passes from the first input, and the others have none. "join": those of its inputs one
# after another. "shuffle": channels move to or from space, those of one pixel share a factor.
Equalization = Literal[
    "none", "kernel", "reads", "makes", "through", "first", "gate", "join", "shuffle"
]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerFacts:
    """A layer's reach, cost, and part in equalization and in the tf_keras twin.

    reach(layer, source): the reach of its output, where `source` is that of its input; None for a
    layer that sees the whole map; it raises `UnknownReach` for a layer whose settings it does not
    know. By default that of a layer that works on each pixel alone.
    macs(layer, input shapes, output shape): its multiply-adds; shapes are [N, H, W, C].
    local: whether a pixel is the same wherever the image ends, so that tiles are exact.
    any_size: whether a graph traced for one size serves any other.
    pads: whether it pads its input to the multiple that the network needs.
    equalization: see `Equalization`. moves: whether it only moves values about, so that in int8
    all that it takes and returns has one range; "first": its first input alone.
    twin: the same layer in tf_keras: the attributes that make the layer of that name there, or a
    function (layer, input or inputs) of TensorFlow. None where there is none.
    """

    reach: Callable[[Any, Reach], Reach | None] = pointwise
    macs: Callable[[Any, Sequence[Shape], Shape], int] = lambda layer, inputs, output: 0
    local: bool = True
    any_size: bool = True
    pads: bool = False
    equalization: Equalization = "none"
    moves: Literal[False, "all", "first"] = False
    twin: tuple[str, ...] | Callable[[Any, Any], Any] | None = None


def facts_of(layer: Any, arguments: Sequence[Any] = ()) -> LayerFacts | None:
    """What is known of `layer`, or of a function of `keras.ops`; None where nothing is.

    arguments: what a function is called with, where its reach is asked for.
    """
    # Which import this module.
    from lpie.models.graph.keras_layers import KERAS_LAYERS, is_function
    from lpie.models.graph.operations import operation_facts

    if is_function(layer):
        return operation_facts(layer, arguments)
    own = getattr(type(layer), "facts", None)
    known = own if isinstance(own, LayerFacts) else KERAS_LAYERS.get(type(layer))
    return known if known is None or isinstance(known, LayerFacts) else known(layer)
