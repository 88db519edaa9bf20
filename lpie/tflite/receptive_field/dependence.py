"""Which rows (or columns) of the image each value of a map depends on, and what ops do to that.

One axis of the image is followed at a time. A `Map` holds for each of its values the first and the
last line of the image that it depends on, and whether anything beyond the image took part in it on
either side. A value that nothing beyond the image took part in is the same in a tile and in the
whole image.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError

# The four facts of a value, so that those of a sum are the largest of its parts: the first line
# with its sign turned, the last line, and whether it was cut below and above.
FIRST, LAST, BELOW, ABOVE = range(4)
NOTHING = (-(1 << 24), -(1 << 24), 0, 0)
# An index that `Map.read` reads nothing for.
SKIP = np.iinfo(np.int64).min
# A graph whose maps need more facts than this is not followed, nor an op that reads more.
MOST_FACTS, MOST_READ, MOST_LENGTH, MOST_TAPS = 1 << 24, 1 << 26, 1 << 20, 1 << 12

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Map:
    """The shape of a tensor, and what its values depend on.

    facts: [4, ...], an axis of 1 where the values along an axis of the tensor are alike; None for a
    tensor that does not depend on the image. numbers: the values of a tensor of integers that is
    known before the run.
    """

    shape: tuple[int, ...]
    facts: NDArray[np.int32] | None = None
    numbers: NDArray[Any] | None = None

    @staticmethod
    def of_image(shape: tuple[int, ...], axis: int) -> "Map":
        """The image itself, whose `axis` is followed."""
        _check_size([4, shape[axis]])
        lines = np.arange(shape[axis], dtype=np.int32)
        facts = np.stack([-lines, lines, 0 * lines, 0 * lines])
        return Map(shape, facts.reshape(4, *(-1 if k == axis else 1 for k in range(len(shape)))))

    @property
    def depends(self) -> bool:
        """Whether it depends on the image."""
        return self.facts is not None

    @property
    def whole(self) -> bool:
        """Whether everything in it is cut on both sides."""
        return self.facts is not None and bool(self.facts[BELOW:].all())

    def carries(self, axis: int) -> bool:
        """Whether its values differ along `axis` in what they depend on."""
        return self.facts is not None and self.facts.shape[axis + 1] > 1

    def seeing_all(self, lines: int, shape: Sequence[int] | None = None) -> "Map":
        """A map whose every value depends on all `lines` of the image."""
        shape = self.shape if shape is None else tuple(shape)
        facts = np.array([0, lines - 1, 1, 1], np.int32).reshape(4, *([1] * len(shape)))
        return Map(shape, facts)

    def read(self, axis: int, index: Index) -> "Map":
        """A map whose value i along `axis` depends on the values `index[:, i]` of this one.

        index: [taps, length]. One before the first value is cut below, one behind the last above.
        """
        length = self.shape[axis]
        shape = (*self.shape[:axis], index.shape[1], *self.shape[axis + 1 :])
        if self.facts is None or not self.carries(axis):  # all alike: nothing is beyond
            return Map(shape, self.facts)
        facts = np.concatenate([self.facts, _beyond(self.facts.shape, axis + 1)], axis=axis + 1)
        where = np.where(index < 0, length, np.where(index >= length, length + 1, index))
        where = np.where(index == SKIP, length + 2, where)
        _check_size([facts.size // facts.shape[axis + 1], where.size], MOST_READ)
        taps = (np.take(facts, tap, axis=axis + 1) for tap in where)
        return Map(shape, functools.reduce(np.maximum, taps))

    def merged(self, axes: Sequence[int], *, keep: bool = True) -> "Map":
        """A map whose values depend on all along `axes`, which stay with length 1 or go."""
        axes = tuple(sorted({axis % len(self.shape) for axis in axes}))
        kept = tuple(1 if k in axes else n for k, n in enumerate(self.shape))
        shape = kept if keep else tuple(n for k, n in enumerate(self.shape) if k not in axes)
        if self.facts is None:
            return Map(shape)
        facts = self.facts.max(axis=tuple(axis + 1 for axis in axes), keepdims=keep)
        return Map(shape, facts)

    def alike_along(self, axis: int) -> "Map":
        """The same shape; its values depend on all that lie along `axis`."""
        return Map(self.shape, self.merged([axis]).facts)

    def reshaped(self, shape: Sequence[int]) -> "Map":
        """The same values in the same order, in another shape."""
        shape = _completed(shape, math.prod(self.shape))
        numbers = None if self.numbers is None else self.numbers.reshape(shape)
        if self.facts is None:
            return Map(shape, numbers=numbers)
        before, after = [4], [4]
        for old, new in _groups(self.shape, shape):
            alike = all(self.facts.shape[k + 1] == 1 for k in old)
            before += [1 if alike else self.shape[k] for k in old]
            after += [1 if alike else shape[k] for k in new]
        _check_size(before)
        facts = np.broadcast_to(self.facts, before).reshape(after)
        return Map(shape, _compact(facts), numbers)

    def transposed(self, order: Sequence[int]) -> "Map":
        """The same with its axes in another order."""
        shape = tuple(self.shape[k] for k in order)
        numbers = None if self.numbers is None else self.numbers.transpose(order)
        facts = None
        if self.facts is not None:
            facts = self.facts.transpose(0, *(k + 1 for k in order))
        return Map(shape, facts, numbers)

    def span(self, axis: int) -> int:
        """Over how many lines of the image the values along `axis` reach together."""
        if self.facts is None or not self.carries(axis):
            return 0
        first, last = -self.facts[FIRST].max(axis=axis), self.facts[LAST].max(axis=axis)
        return int((last - first).max()) + 1


def together(maps: Sequence[Map], shape: Sequence[int] | None = None) -> Map:
    """A map whose values depend on those of all `maps` at the same place, with broadcasting."""
    if shape is None:
        shape = np.broadcast_shapes(*(m.shape for m in maps))
    rank = len(shape)
    facts = [
        m.facts.reshape(4, *([1] * (rank - len(m.shape))), *m.facts.shape[1:])
        for m in maps
        if m.facts is not None
    ]
    if not facts:
        return Map(tuple(shape))
    size = np.broadcast_shapes(*(f.shape for f in facts))
    _check_size(size)
    result = facts[0]
    for other in facts[1:]:
        result = np.maximum(result, other)
    return Map(tuple(shape), result)


def places(*limits: int) -> Index:
    """What `numpy.arange` gives; an `InputError` for a length that no image has."""
    limits = tuple(int(n) for n in limits)
    _check_size([len(range(*limits))], MOST_LENGTH)
    return np.arange(*limits)


def taps_from(starts: Index, size: int, step: int) -> Index:
    """[size, ...] the places `starts`, and those `step`, 2 `step` ... behind them."""
    _check_size([size], MOST_TAPS)
    _check_size([size, len(starts)], MOST_READ)
    return starts + places(size)[:, None] * step


def known_numbers(source: Map) -> list[int]:
    """The integers in a tensor that must be known before the run."""
    if source.numbers is None:
        raise ValueError("a size or an axis that is known only in the run")
    return [int(n) for n in source.numbers.reshape(-1)]


def joined(maps: Sequence[Map], axis: int) -> Map:
    """The maps one after another along `axis`."""
    axis %= len(maps[0].shape)
    lengths = [m.shape[axis] for m in maps]
    shape = (*maps[0].shape[:axis], sum(lengths), *maps[0].shape[axis + 1 :])
    if all(m.facts is None for m in maps):
        return Map(shape)
    facts = _parts(maps, axis)
    others = [np.array(f.shape) for f in facts]
    for size in others:
        size[axis + 1] = 1
    common = np.max(others, axis=0)
    _check_size([*common, sum(lengths)])
    parts = []
    for fact, length in zip(facts, lengths, strict=True):
        size = common.copy()
        size[axis + 1] = length
        parts.append(np.broadcast_to(fact, size))
    return Map(shape, _compact(np.concatenate(parts, axis=axis + 1)))


def _parts(maps: Sequence[Map], axis: int) -> list[NDArray[np.int32]]:
    """The facts of `maps`, which are joined along `axis`.

    The longest that depends on the image is its continuation; what lies before is cut below, and
    what lies behind above, as padding is.
    """
    rank = len(maps[0].shape)
    longest = max(
        (k for k, m in enumerate(maps) if m.facts is not None), key=lambda k: maps[k].shape[axis]
    )
    crosses = maps[longest].carries(axis)
    parts = []
    for k, m in enumerate(maps):
        facts = np.array(NOTHING, np.int32).reshape(4, *([1] * rank))
        facts = (facts if m.facts is None else m.facts).copy()
        if crosses and k != longest:
            facts[BELOW if k < longest else ABOVE] = 1
        parts.append(facts)
    return parts


def _compact(facts: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same facts, with an axis of 1 where those along an axis are alike."""
    for axis in range(1, facts.ndim):
        first = facts.take([0], axis=axis)
        if facts.shape[axis] > 1 and bool((facts == first).all()):
            facts = first
    return facts


def _beyond(shape: Sequence[int], axis: int) -> NDArray[np.int32]:
    """Facts of a line before the first one, of one behind the last, and of nothing at all."""
    lines = np.array([NOTHING, NOTHING, NOTHING], np.int32).T  # [4, 3]
    lines[BELOW, 0] = lines[ABOVE, 1] = 1
    size = [1] * len(shape)
    size[0], size[axis] = lines.shape
    whole = [*shape]
    whole[axis] = lines.shape[1]
    return np.broadcast_to(lines.reshape(size), whole)


def _completed(shape: Sequence[int], count: int) -> tuple[int, ...]:
    """`shape` with its -1 worked out."""
    known = math.prod(n for n in shape if n >= 0)
    whole = tuple(count // max(known, 1) if n < 0 else int(n) for n in shape)
    if math.prod(whole) != count:
        raise ValueError("a shape of another number of values")
    return whole


def _groups(
    old: Sequence[int], new: Sequence[int]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """(axes of `old`, axes of `new`) that hold the same values, as few as can be at a time."""
    groups, i, k = [], 0, 0
    while i < len(old) or k < len(new):
        start = i, k
        left = old[i] if i < len(old) else 1
        right = new[k] if k < len(new) else 1
        i, k = min(i + 1, len(old)), min(k + 1, len(new))
        while left != right:
            if left < right:
                left, i = left * old[i], i + 1
            else:
                right, k = right * new[k], k + 1
        groups.append((tuple(range(start[0], i)), tuple(range(start[1], k))))
    return groups


def _check_size(shape: Sequence[int], most: int = MOST_FACTS) -> None:
    if math.prod(int(n) for n in shape) > most:
        raise InputError("The graph's maps are too large to follow.")
