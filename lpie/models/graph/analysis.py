"""What a network needs and costs, read off its graph: reach, grid, multiply-adds."""

import functools
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lpie.backend import Tensor, keras
from lpie.models.graph.facts import LayerFacts, facts_of
from lpie.models.graph.flat import flat
from lpie.models.graph.keras_layers import is_function
from lpie.models.graph.reach import Reach, UnknownReach, whole_map
from lpie.models.graph.walk import calls, nodes


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
    unknown: the layers whose reach is unknown. reason: why the network is not local, as a sentence
    without its full stop; else "".
    """

    multiple: int
    halo_px: int | None
    receptive_field_px: int | None
    scalable: bool
    macs_per_pixel: float
    parameters: int
    unknown: tuple[str, ...] = ()
    reason: str = ""


_START = Reach(Fraction(1), Fraction(0), Fraction(0))
SIDE_PX = 256  # of the image that costs are counted on
# Of an image that no layer of a usual factor divides unevenly; only shapes are worked out on it.
DIVISIBLE_PX = 2**7 * 3**2 * 5 * 7
UNKNOWN = LayerFacts(reach=whole_map, any_size=False)


def analyse(model: keras.Model) -> Analysis:
    """The reach, grid and cost of a `model` from image to image.

    `macs_per_pixel` counts the multiply-adds of convolutions and Fourier transforms per pixel of
    an image of 256x256. Warns of a layer whose reach is not known, and takes it for one that sees
    the whole image.
    """
    model = flat(model)
    walks = [_Walk(model, axis) for axis in (0, 1)]
    multiple = math.lcm(*(walk.multiple for walk in walks))
    facts = [fact for walk in walks for fact in walk.facts]
    local = all(walk.limited for walk in walks) and all(fact.local for fact in facts)
    if not local and any(fact.pads for fact in facts):
        multiple = 1
    unknown = tuple(dict.fromkeys(name for walk in walks for name in walk.unknown))
    furthest = max(walk.furthest for walk in walks)
    seen = math.ceil(max(walk.end.high - walk.end.low for walk in walks)) + 1
    if unknown:
        warnings.warn(f"{_unknown(unknown)}. Tiles of {model.name} are blended.", stacklevel=2)
    return Analysis(
        multiple=multiple,
        halo_px=math.ceil(furthest / multiple) * multiple if local else None,
        receptive_field_px=seen if all(walk.limited for walk in walks) else None,
        scalable=all(fact.any_size for fact in facts),
        macs_per_pixel=macs_per_pixel(model, counted_px(multiple)),
        parameters=model.count_params(),
        unknown=unknown,
        reason="" if local else _reason(walks, unknown),
    )


def multiple_of(model: keras.Model) -> int:
    """The multiple that the sides of images must have, as `Analysis.multiple`; `model` is flat."""
    return math.lcm(*(_Walk(model, axis).multiple for axis in (0, 1)))


def _unknown(layers: Sequence[str]) -> str:
    if len(layers) == 1:
        return f"This layer's reach is unknown: {layers[0]}"
    return f"The reach of these layers is unknown: {', '.join(layers)}"


def _reason(walks: Sequence["_Walk"], unknown: Sequence[str]) -> str:
    """Why tiles are not exact."""
    if unknown:
        return _unknown(unknown)
    whole = next((walk.whole for walk in walks if walk.whole), "")
    if whole:
        return f"{whole} sees the whole image"
    return f"{walks[0].placed} depends on the place in the image"


def title(layer: Any) -> str:
    """The name of a layer, with its class."""
    return f"{layer.name} ({type(layer).__name__})"


class _Walk:
    """One walk over a graph of layers, following the reach along one axis of the image.

    multiple: by how many pixels the image may be moved, so that every map moves with it. facts: of
    the layers, where it matters. limited: whether nothing sees the whole image. end: the reach of
    the result. unknown, whole, placed: the layers because of which the network is not local.
    """

    def __init__(self, model: keras.Model, axis: int) -> None:
        self._model, self._start = model, _START._replace(axis=axis)
        self.multiple, self.facts = 1, list[LayerFacts]()
        self.unknown, self.whole, self.placed = list[str](), "", ""
        self._reaches: dict[int, Reach] = {}
        # Maps that depend on the whole image: it does not matter what is made of them alone.
        self._see_all: set[int] = set()
        for node in nodes(model):
            self._follow(node)
        self.end = self._reaches[id(model.outputs[0])]

    @property
    def limited(self) -> bool:
        """Whether nothing sees the whole image, as far as is known."""
        return not self.whole and not self.unknown

    @property
    def furthest(self) -> Fraction:
        """How far the result looks beyond its pixel."""
        return max(-self.end.low, self.end.high, Fraction(0))

    def _follow(self, node: Any) -> None:
        layer, inputs = node.operation, node.input_tensors
        source = self._merge([self._reaches.get(id(tensor), self._start) for tensor in inputs])
        done = bool(inputs) and all(id(tensor) in self._see_all for tensor in inputs)
        facts, reach = facts_of(layer, node.arguments.args), None
        try:
            reach = facts.reach(layer, source) if facts else None
        except UnknownReach:
            facts = None
        if reach is None and facts is not None and not done:
            self.whole = self.whole or title(layer)
        if facts is not None:
            self.facts.append(facts)
            self.placed = self.placed or ("" if facts.local else title(layer))
        elif not done:
            self.facts.append(UNKNOWN)
            self.unknown.append(title(layer))
        if reach is None or done:
            self._see_all.update(map(id, node.output_tensors))
        after = reach or self._scaled(source, inputs, node.output_tensors)
        self._reaches.update({id(tensor): after for tensor in node.output_tensors})
        self.multiple = math.lcm(self.multiple, after.stride.numerator)

    def _merge(self, sources: list[Reach]) -> Reach:
        if not sources:
            return self._start
        # A map pooled to one pixel merges with any other; the finest grid is that of the result.
        return Reach(
            min(s.stride for s in sources),
            min(s.low for s in sources),
            max(s.high for s in sources),
            self._start.axis,
        )

    def _scaled(self, source: Reach, inputs: list[Tensor], outputs: list[Tensor]) -> Reach:
        """The reach of what an unknown layer returns, on a grid as its size says."""
        if not inputs:
            return source
        shapes = [self._shapes.get(id(tensor), ()) for tensor in (inputs[0], outputs[0])]
        before, after = (shape[1 + source.axis] if len(shape) == 4 else 1 for shape in shapes)
        if before == 1 or after == 1:
            return source
        return source.coarser(Fraction(before, after))

    @functools.cached_property
    def _shapes(self) -> dict[int, tuple[int, ...]]:
        return _shapes(self._model, DIVISIBLE_PX)


def counted_px(multiple: int) -> int:
    """The side of the image that costs are counted on, for a network of that multiple."""
    return -(-SIDE_PX // multiple) * multiple


def macs_per_pixel(model: keras.Model, size: int = SIDE_PX) -> float:
    """Multiply-adds of convolutions and Fourier transforms, for an image of size x size."""
    shapes, total = _shapes(model, size), 0
    for layer, inputs, outputs in calls(model):
        sources = [shapes[id(tensor)] for tensor in inputs]
        total += (facts_of(layer) or UNKNOWN).macs(layer, sources, shapes[id(outputs[0])])
    return total / _area(model, shapes)


def held_per_pixel(model: keras.Model, size: int = SIDE_PX) -> float:
    """The most values held at once, per pixel of an image of size x size.

    Each map is held from the layer that makes it to the last one that reads it, as
    `lpie.restore.keras_network.forward` does.
    """
    shapes = _shapes(model, size)
    readers = Counter(id(t) for _, inputs, _ in calls(model) for t in inputs)
    held = most = 0
    for _, inputs, outputs in calls(model):
        held += sum(math.prod(shapes[id(tensor)]) for tensor in outputs)
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
    tensors = [tensor for _, _, outputs in calls(model) for tensor in outputs]
    if model.inputs[0].shape[1] is not None:
        return {id(t): tuple(1 if n is None else n for n in t.shape) for t in tensors}
    if any(facts_of(step) is None or is_function(step) for step, _, _ in calls(model)):
        # Which work out no shape alone, or may not.
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
