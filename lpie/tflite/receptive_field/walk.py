"""The receptive field of a `.tflite`: its scale, its halo, and whether exact tiles are possible."""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.size import Size
from lpie.tflite.model import Op, Tensor, TfliteModel
from lpie.tflite.receptive_field.dependence import ABOVE, BELOW, FIRST, LAST, Map
from lpie.tflite.receptive_field.ends import image_ends, scale_between
from lpie.tflite.receptive_field.rules import ELEMENTWISE, follow
from lpie.tflite.resize import has_own_size

# What a rule raises for an op that is damaged or that it cannot follow.
UNFOLLOWED = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    ZeroDivisionError,
    MemoryError,
    OverflowError,
)
# Sides (px) of the first image that a file of any size is walked with, and of the last of all.
FIRST_SIDE_PX, LAST_SIDE_PX = 64, 4096
# A map that is smaller by more than this has a size of its own, such as that of a pooled pyramid.
MOST_REDUCTION = 64
# Facts about all maps together: a larger graph is not followed, so that none takes for ever.
MOST_WORK = 1 << 27
# Integers in a file that may be sizes, axes or indices.
MOST_NUMBERS = 1 << 16


@dataclass(frozen=True)
class ReceptiveField:
    """What a `.tflite` of one image in and one out needs of its tiles.

    Attributes:
        scale: The output's size over the input's.
        multiple: Sides of images must be multiples of this, in px of the input.
        halo_px: How far beyond a pixel it looks, in px of the input, rounded up to `multiple`;
            None where tiles would not be exact.
        resizable: Whether the file can be made to take images of another size.
        reason: Why tiles would not be exact, as a sentence without its full stop; else "".
    """

    scale: int
    multiple: int = 1
    halo_px: int | None = None
    resizable: bool = False
    reason: str = ""

    @property
    def local(self) -> bool:
        """Whether tiles give the result of the whole image."""
        return self.halo_px is not None


def reach_of(model: TfliteModel) -> ReceptiveField:
    """What the spec of `model` says of its tiles, or, of a file without one, its ops.

    A file that is not local as its spec says, or whose ops hold its size, runs at that alone.

    Raises:
        InputError: As of `receptive_field`.
    """
    spec = model.spec
    if spec is None:
        return receptive_field(model)
    local, scale = spec.halo_px is not None, image_ends(model).scale or 1
    reason = "" if local else "The network sees the whole image, as its spec says"
    resizable = local and not has_own_size(model)
    return ReceptiveField(scale, spec.multiple, spec.halo_px, resizable, reason)


def receptive_field(model: TfliteModel) -> ReceptiveField:
    """The receptive field of `model`, from a walk over its ops.

    A file that can be resized is walked at growing sizes until the answer stays: a network that
    sees the whole image sees more of a larger one.

    Raises:
        InputError: The model does not take one image and return one of a whole multiple of its
            size.
    """
    ends = image_ends(model)
    size = ends.size or Size(FIRST_SIDE_PX, FIRST_SIDE_PX)
    scale = ends.scale or _open_scale(model, size)
    field, open_size = ReceptiveField(scale, resizable=ends.size is None), ends.size is None
    last: _Answer | None = None
    while last is None or max(size) <= LAST_SIDE_PX:
        try:
            answer = _answer(model.resized(size), size, scale)
        except InputError as error:
            if last is None:
                return replace(field, reason=str(error).rstrip("."))
            return last.field(scale, resizable=open_size)  # that size alone
        if last is not None and answer.hopeless:  # at that size alone
            return last.field(scale, resizable=open_size)
        if answer.hopeless or (answer == last and answer.halo_px is not None):
            return answer.field(scale, resizable=open_size or answer == last)
        last, size = answer, Size(2 * size.height, 2 * size.width)
    reason = last.cause or f"It looks further than {LAST_SIDE_PX // 2} px"
    return replace(field, multiple=last.multiple, reason=reason)


def _open_scale(model: TfliteModel, size: Size) -> int:
    """The scale of a file of any size; an `InputError` where its output is not followed."""
    walk = _Walk(model, size, axis=1)
    try:
        walk.run()
    except _Unfollowed as error:
        raise InputError(
            f"{error}, so that the size of the output of {model.name} is unknown. Export the "
            "network with a fixed size."
        ) from None
    result = walk.maps.get(model.outputs[0].index)
    if result is None or len(result.shape) != 4:
        raise InputError(f"The output of {model.name} is not made of its input.")
    return scale_between(size, Size(*result.shape[1:3]), model.name)


def shapes_of(model: TfliteModel, size: Size) -> dict[int, tuple[int, ...]]:
    """{tensor: its shape} of what `model`, a file of any size, computes for an image of `size`.

    Tensors behind an op that is not followed are left out.
    """
    walk = _Walk(model, size, axis=1)
    with contextlib.suppress(InputError, _Unfollowed):
        walk.run()
    return {i: m.shape for i, m in walk.maps.items()}


class _Unfollowed(Exception):
    """An op that is not followed, in a sentence."""


@dataclass(frozen=True)
class _Answer:
    """Of one size.

    cause: the op because of which nothing is local. reason: that, or that it looks too far for the
    size. hopeless: no other size will be better.
    """

    multiple: int = 1
    halo_px: int | None = None
    cause: str = ""
    reason: str = ""
    hopeless: bool = False

    def field(self, scale: int, *, resizable: bool) -> ReceptiveField:
        reason = self.cause or self.reason
        return ReceptiveField(scale, self.multiple, self.halo_px, resizable, reason)


def _answer(model: TfliteModel, size: Size, scale: int) -> _Answer:
    walks = [_Walk(model, size, axis) for axis in (1, 2)]
    for walk in walks:
        try:
            walk.run()
        except _Unfollowed as error:
            return _Answer(cause=str(error), hopeless=True)
    multiple = math.lcm(*(walk.multiple for walk in walks))
    (output,) = model.outputs
    halos = [walk.halo_px(output.index, scale) for walk in walks]
    if None in halos:
        causes = [walk.reason for walk in walks if walk.reason]
        cause = causes[0] if causes else ""
        return _Answer(multiple, cause=cause, reason=f"It looks further than its {size} px")
    halo_px = -(-max(h for h in halos if h is not None) // multiple) * multiple
    if 2 * halo_px + multiple > min(size) or any(side % multiple for side in size):
        return _Answer(multiple, reason=f"It looks {halo_px} px far, too far for its {size} px")
    return _Answer(multiple, halo_px)


class _Walk:
    """One walk over the ops of a model, following the lines of the image along one axis.

    maps: what the tensors depend on so far. multiple: the smallest number of lines by which the
    image may be moved so that every map moves with it. reason: why nothing is local, or "".
    """

    def __init__(self, model: TfliteModel, size: Size, axis: int) -> None:
        self._model, self._axis, self._lines = model, axis, size[axis - 1]
        (image,) = model.inputs
        self.maps = {image.index: Map.of_image((1, *size, image.shape[3]), axis)}
        self.multiple, self.reason, self._work = 1, "", 0

    def run(self) -> None:
        """Follow all ops. Raises `_Unfollowed` for one that has no rule."""
        for op in self._model.ops:
            if not all(tensor.stored for tensor in op.outputs):
                self._follow(op)

    def halo_px(self, output: int, scale: int) -> int | None:
        """How far the output looks, in lines of the image; None where that is too far to say."""
        result = self.maps.get(output)
        if self.reason or result is None or result.facts is None:
            return None
        if not result.carries(self._axis):
            return None
        others = tuple(k for k in range(1, 5) if k != self._axis + 1)
        facts = result.facts.max(axis=others)  # [4, lines]
        count, lines = facts.shape[1], np.arange(facts.shape[1]) // scale
        below, above = (np.flatnonzero(facts[k]) for k in (BELOW, ABOVE))
        low = int(below.max()) + 1 if len(below) else 0
        high = count - int(above.min()) if len(above) else 0
        if low + high >= count:
            return None
        # At the borders too: what pads may come from the other side.
        reach = max(int((lines + facts[FIRST]).max()), int((facts[LAST] - lines).max()))
        return max(-(-low // scale), -(-high // scale), reach, 0)

    def _follow(self, op: Op) -> None:
        try:
            sources = [self._source(tensor) for tensor in op.inputs if tensor is not None]
            results = follow(op, sources, self._lines) if sources else None
            if results:
                self._check_place(op, sources, results[0])
        except InputError:
            raise
        except UNFOLLOWED:
            raise _Unfollowed(f"{op.name} (op {op.index}) cannot be followed") from None
        if not results:
            raise _Unfollowed(f"The reach of {op.name} is unknown")
        self._work += sum(m.facts.size for m in results if m.facts is not None)
        if self._work > MOST_WORK:
            raise InputError(f"{self._model.name} is too large to follow.")
        for tensor, result in zip(op.outputs, results, strict=False):
            if tensor.shape != result.shape and not self._model.inputs[0].dynamic:
                raise InputError(f"{op.name} (op {op.index}) is made for another size.")
            self.maps[tensor.index] = self._judged(op, sources, result)

    def _source(self, tensor: Tensor) -> Map:
        known = self.maps.get(tensor.index)
        if known is not None:
            return known
        numbers = None
        integer = tensor.dtype in ("int32", "int64")
        if integer and tensor.constant and math.prod(tensor.shape) <= MOST_NUMBERS:
            numbers = self._model.array(tensor)
        return Map(tensor.shape, numbers=numbers)

    def _judged(self, op: Op, sources: Sequence[Map], result: Map) -> Map:
        """`result`, cut where it sees all lines; its period counts for the multiple."""
        if result.facts is None:
            return result
        facts = result.facts
        everything = (facts[FIRST] >= 0) & (facts[LAST] >= self._lines - 1)
        if everything.any():
            facts = facts.copy()
            facts[BELOW:][:, everything] = 1
            result = Map(result.shape, facts, result.numbers)
        if result.whole:
            self._count_reduction(result.shape)
            if not self.reason and not any(m.whole for m in sources):
                self.reason = f"{op.name} (op {op.index}) reads the whole image"
            return result
        for axis in range(len(result.shape)):
            if 2 * result.span(axis) > self._lines:
                self._count_period(op, result, axis)
        return result

    def _count_reduction(self, shape: Sequence[int]) -> None:
        """Let the reduction of a map that sees the whole image count, by its size."""
        length = shape[self._axis] if len(shape) == 4 else 1
        if length > 1 and self._lines % length == 0 and self._lines // length <= MOST_REDUCTION:
            self.multiple = math.lcm(self.multiple, self._lines // length)

    def _count_period(self, op: Op, result: Map, axis: int) -> None:
        """Let the lines after which the map repeats itself along `axis` count."""
        assert result.facts is not None
        facts: NDArray[np.int32] = np.moveaxis(result.facts, axis + 1, 1)
        for n in facts.shape[2:]:  # in the middle of all other axes
            facts = facts[:, :, n // 2]
        middle = facts  # [4, lines]
        below, above = (np.flatnonzero(middle[k]) for k in (BELOW, ABOVE))
        first = int(below[-1]) + 1 if len(below) else 0
        uncut = np.arange(first, int(above[0]) if len(above) else middle.shape[1])
        if not len(uncut):  # windows side by side along one axis
            uncut = np.flatnonzero(~middle[BELOW:].any(0))
        lines = _period(middle[LAST][uncut]), _period(-middle[FIRST][uncut])
        if None in lines or lines[0] != lines[1] or lines[0] < 1:  # type: ignore[operator]
            self.reason = self.reason or f"{op.name} (op {op.index}) depends on the image's size"
        else:
            self.multiple = math.lcm(self.multiple, int(lines[0]))  # type: ignore[arg-type]

    def _check_place(self, op: Op, sources: Sequence[Map], result: Map) -> None:
        """Note a constant that differs from place to place in the image."""
        if op.name not in ELEMENTWISE and op.name != "CONCATENATION":
            return
        tensors = [tensor for tensor in op.inputs if tensor is not None]
        for tensor, source in zip(tensors, sources, strict=True):
            if source.depends or not source.shape:
                continue
            for axis in range(1, len(source.shape) + 1):
                wide = len(result.shape) >= axis and result.span(len(result.shape) - axis)
                differs = source.shape[-axis] > 1 and 2 * int(wide) > self._lines
                joins = op.name == "CONCATENATION" and (
                    op.option("axis") % len(source.shape) == len(source.shape) - axis
                )
                if differs and not joins and not self._alike(tensor, axis):
                    self.reason = (
                        f"{op.name} (op {op.index}) reads numbers that differ from place to place"
                    )

    def _alike(self, tensor: Tensor, axis: int) -> bool:
        """Whether the values of a constant are the same along its `axis`th last axis."""
        if not tensor.constant:
            return False
        values = self._model.array(tensor)
        return bool((values == values.take([0], axis=-axis)).all())


def _period(lines: NDArray[np.int32]) -> int | None:
    """After how many lines of the image a map, whose values see up to `lines`, repeats itself."""
    if (np.diff(lines) < 0).any():  # the same windows again and again
        lines = np.unique(lines)
    count = len(lines)
    changes = np.flatnonzero(np.diff(lines[: count // 2 + 1]))
    run = int(changes[0]) + 1 if len(changes) else 1
    for period in (*range(1, min(65, count // 2 + 1)), *range(run, count // 2 + 1, run)):
        steps = lines[period:] - lines[:-period]
        if len(steps) and (steps == steps[0]).all():
            return int(steps[0])
    return None
