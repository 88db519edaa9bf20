"""What a network needs and costs, read off its graph: reach, grid, multiply-adds."""

import math
import warnings
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from lpie.backend import keras
from lpie.models.graph.facts import LayerFacts, Reach, facts_of, whole_map
from lpie.models.graph.keras_layers import is_function
from lpie.models.graph.walk import calls, is_plain


@dataclass(frozen=True)
class Analysis:
    """What a network asks of its input and its computer.

    multiple: height and width must be multiples of it; 1 for a network that pads by itself, unless
    it is local, where tiles keep to its grid. halo_px: how far beyond an output pixel
    the network looks, rounded up to `multiple`; None for a network that is not local (it pools
    over the whole image, or has a layer of unknown reach), which cannot be tiled exactly.
    receptive_field_px: how many pixels in a row an output pixel may see; None for all of them.
    It is known also for local pooling (TLC), whose windows depend on where the image ends.
    scalable: whether a graph made for one size serves any other, as no weight and no window depends
    on it: a local network, or one that is not only by means over the whole map.
    """

    multiple: int
    halo_px: int | None
    receptive_field_px: int | None
    scalable: bool
    macs_per_pixel: float
    parameters: int


_START = Reach(Fraction(1), Fraction(0), Fraction(0))
UNKNOWN = LayerFacts(reach=whole_map, any_size=False)


def analyse(model: keras.Model) -> Analysis:
    """The reach, grid and cost of a functional `model` from image to image.

    `macs_per_pixel` counts the multiply-adds of convolutions and Fourier transforms per pixel of
    an image of 256x256. Warns of a layer whose reach is not known, and takes it for one that sees
    the whole image.
    """
    _warn_of_unknown_layers(model)
    reaches: dict[int, Reach] = {}
    multiple, limited = 1, True
    for layer, inputs, outputs in calls(model):
        source = _merge([reaches.get(id(tensor), _START) for tensor in inputs])
        reach = _facts(layer).reach(layer, source)
        limited = limited and reach is not None
        for tensor in outputs:
            reaches[id(tensor)] = reach or source
        multiple = math.lcm(multiple, math.ceil((reach or source).stride))
    end = reaches[id(model.outputs[0])]
    furthest = max(-end.low, end.high, Fraction(0))
    facts = [_facts(layer) for layer in _steps(model)]
    local = limited and all(fact.local for fact in facts)
    if not local and any(fact.pads for fact in facts):
        multiple = 1
    return Analysis(
        multiple=multiple,
        halo_px=math.ceil(furthest / multiple) * multiple if local else None,
        receptive_field_px=math.ceil(end.high - end.low) + 1 if limited else None,
        scalable=all(fact.any_size for fact in facts),
        macs_per_pixel=macs_per_pixel(model),
        parameters=model.count_params(),
    )


def _steps(model: keras.Model) -> list[keras.Operation]:
    """The layers of `model`, and the functions of `keras.ops` between them."""
    return list(dict.fromkeys(layer for layer, _, _ in calls(model)))


def _facts(layer: keras.Operation) -> LayerFacts:
    return facts_of(layer) or UNKNOWN


def _warn_of_unknown_layers(model: keras.Model) -> None:
    """Name the layers of which nothing is known, so that nobody wonders at blended tiles."""
    unknown = [layer for layer in _steps(model) if facts_of(layer) is None]
    if unknown:
        names = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in unknown)
        warnings.warn(
            f"The reach of these layers of {model.name} is unknown: {names}. The network is taken "
            "for one that sees the whole image, so tiles are blended. Give the class of each layer "
            "the attribute `facts` (lpie.models.graph.facts.LayerFacts).",
            stacklevel=3,
        )


def _merge(sources: list[Reach]) -> Reach:
    if not sources:
        return _START
    # A map pooled to one pixel merges with any other; the finest grid is that of the result.
    return Reach(
        min(s.stride for s in sources), min(s.low for s in sources), max(s.high for s in sources)
    )


def macs_per_pixel(model: keras.Model, size: int = 256) -> float:
    """Multiply-adds of convolutions and Fourier transforms, for an image of size x size."""
    shapes, total = _shapes(model, size), 0
    for layer, inputs, outputs in calls(model):
        sources = [shapes[id(tensor)] for tensor in inputs]
        total += _facts(layer).macs(layer, sources, shapes[id(outputs[0])])
    return total / _area(model, shapes)


def held_per_pixel(model: keras.Model, size: int = 256) -> float:
    """The most values held at once, per pixel of an image of size x size.

    Each map is held from the layer that makes it to the last one that reads it, as
    `lpie.restore.keras_network.forward` does; in a model that it calls as a whole, all maps are
    held to the end.
    """
    shapes = _shapes(model, size)
    if not is_plain(model):
        return sum(map(math.prod, shapes.values())) / _area(model, shapes)
    readers = Counter(id(t) for _, inputs, _ in calls(model) for t in inputs)
    held = most = 0
    for _, inputs, outputs in calls(model):
        held += math.prod(shapes[id(outputs[0])])
        most = max(most, held)
        for tensor in inputs:
            readers[id(tensor)] -= 1
            if not readers[id(tensor)]:
                held -= math.prod(shapes[id(tensor)])
    return most / _area(model, shapes)


def _area(model: keras.Model, shapes: dict[int, tuple[int, ...]]) -> int:
    """The pixels of the image that `shapes` are for."""
    _, height, width, *_ = shapes[id(model.inputs[0])]
    return height * width


def _shapes(model: keras.Model, size: int) -> dict[int, tuple[int, ...]]:
    """{id of a tensor: its shape} for an image of size x size, or of the model's own size."""
    if model.inputs[0].shape[1] is not None:
        tensors = [outputs[0] for _, _, outputs in calls(model)]
        return {id(t): tuple(1 if n is None else n for n in t.shape) for t in tensors}
    if any(is_function(step) for step in _steps(model)):  # which work out no shape alone
        tensors = [outputs[0] for _, _, outputs in calls(model)]
        image = keras.KerasTensor((1, size, size, model.inputs[0].shape[-1]))
        whole = keras.Model(model.inputs, tensors).compute_output_spec(image)
        return {id(t): tuple(spec.shape) for t, spec in zip(tensors, whole, strict=True)}
    shapes: dict[int, tuple[int, ...]] = {}
    for layer, inputs, outputs in calls(model):
        sources = [shapes[id(tensor)] for tensor in inputs]
        if not sources:
            shape: tuple[int, ...] = (1, size, size, outputs[0].shape[-1] or 3)
        else:
            shape = layer.compute_output_shape(sources[0] if len(sources) == 1 else sources)
        shapes[id(outputs[0])] = shape
    return shapes
