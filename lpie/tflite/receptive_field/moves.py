"""What ops that only move values about do to a `Map`."""

import itertools
from collections.abc import Sequence

import numpy as np

from lpie.tflite.model import Op
from lpie.tflite.receptive_field.dependence import (
    Index,
    Map,
    joined,
    known_numbers,
    places,
    together,
)


def reshape(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    shape = known_numbers(maps[1]) if len(maps) > 1 else [int(n) for n in op.option("newShape")]
    return [maps[0].reshaped([maps[0].shape[k] if n == 0 else n for k, n in enumerate(shape)])]


def squeeze(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    shape, dims = maps[0].shape, op.option("squeezeDims")
    gone = {int(k) % len(shape) for k in ([] if dims is None else dims)}
    gone = gone or {k for k, n in enumerate(shape) if n == 1}
    return [maps[0].reshaped([n for k, n in enumerate(shape) if k not in gone])]


def expand(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    (axis,), shape = known_numbers(maps[1]), list(maps[0].shape)
    shape.insert(axis % (len(shape) + 1), 1)
    return [maps[0].reshaped(shape)]


def transpose(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    return [maps[0].transposed(known_numbers(maps[1]))]


def concatenate(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    result = joined(maps, op.option("axis"))
    known = [m.numbers for m in maps if m.numbers is not None]
    if len(known) == len(maps):
        return [Map(result.shape, numbers=np.concatenate(known, axis=op.option("axis")))]
    return [result]


def pack(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    axis = op.option("axis") % (len(maps[0].shape) + 1)
    shape = (*maps[0].shape[:axis], 1, *maps[0].shape[axis:])
    thick = [m.reshaped(shape) for m in maps]
    known = [m.numbers for m in thick if m.numbers is not None]
    result = joined(thick, axis)
    if len(known) == len(maps):
        return [Map(result.shape, numbers=np.concatenate(known, axis=axis))]
    return [result]


def unpack(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    axis = op.option("axis") % len(maps[0].shape)
    shape = (*maps[0].shape[:axis], *maps[0].shape[axis + 1 :])
    return [
        picked(maps[0], axis, np.array([i])).reshaped(shape) for i in range(maps[0].shape[axis])
    ]


def split(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    (axis,), source = known_numbers(maps[0]), maps[1]
    count = op.option("numSplits")
    return _split_at(source, axis, [source.shape[axis] // count] * count)


def split_unevenly(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    (axis,), lengths = known_numbers(maps[2]), known_numbers(maps[1])
    rest = maps[0].shape[axis] - sum(n for n in lengths if n > 0)
    return _split_at(maps[0], axis, [rest if n < 0 else n for n in lengths])


def _split_at(source: Map, axis: int, lengths: Sequence[int]) -> list[Map]:
    ends = np.cumsum([0, *lengths])
    axis %= len(source.shape)
    return [picked(source, axis, places(a, b)) for a, b in itertools.pairwise(ends)]


def sliced(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    result = maps[0]
    for axis, (begin, size) in enumerate(
        zip(known_numbers(maps[1]), known_numbers(maps[2]), strict=True)
    ):
        end = result.shape[axis] if size < 0 else begin + size
        result = picked(result, axis, places(begin, end))
    return [result]


def strided_slice(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    source, (begin, end, step) = maps[0], (known_numbers(m) for m in maps[1:4])
    if op.option("ellipsisMask") or op.option("newAxisMask"):
        raise ValueError("a slice with an ellipsis or a new axis")
    shape: list[int] = []
    for axis in range(len(source.shape)):
        if axis >= len(begin):
            shape.append(source.shape[axis])
            continue
        bit = 1 << axis
        single = bool(op.option("shrinkAxisMask") & bit)
        first = None if op.option("beginMask") & bit and not single else begin[axis]
        last = None if op.option("endMask") & bit else end[axis]
        taken = places(source.shape[axis])
        taken = taken[[begin[axis]]] if single else taken[first : last : step[axis]]
        source = picked(source, axis, taken)
        shape += [] if single else [len(taken)]
    return [source.reshaped(shape)]


def picked(source: Map, axis: int, index: Index) -> Map:
    """Some values along `axis`, all of them inside the map."""
    length = source.shape[axis]
    if len(index) and (index.min() < 0 or index.max() >= length):
        raise ValueError("an index beyond the map")
    numbers = None if source.numbers is None else source.numbers.take(index, axis=axis)
    result = source.read(axis, index[None].astype(np.int64))
    return Map(result.shape, result.facts, numbers)


def gather(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    source, axis = maps[0], op.option("axis", 0) % len(maps[0].shape)
    if op.option("batchDims"):
        raise ValueError("a gather by batch")
    index, places = np.array(known_numbers(maps[1])), maps[1].shape
    result = picked(source, axis, np.where(index < 0, index + source.shape[axis], index))
    return [result.reshaped([*source.shape[:axis], *places, *source.shape[axis + 1 :]])]


def reverse(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    result = maps[0]
    for axis in known_numbers(maps[1]):
        axis %= len(result.shape)
        result = picked(result, axis, places(result.shape[axis])[::-1])
    return [result]


def tile(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    result = maps[0]
    for axis, times in enumerate(known_numbers(maps[1])):
        result = picked(
            result, axis, places(result.shape[axis] * times) % max(result.shape[axis], 1)
        )
    return [result]


def broadcast(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    return [together([maps[0]], known_numbers(maps[1]))]


def depth_to_space(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    (n, h, w, c), b = maps[0].shape, op.option("blockSize")
    apart = maps[0].reshaped([n, h, w, b, b, c // (b * b)]).transposed([0, 1, 3, 2, 4, 5])
    return [apart.reshaped([n, h * b, w * b, c // (b * b)])]


def space_to_depth(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    (n, h, w, c), b = maps[0].shape, op.option("blockSize")
    apart = maps[0].reshaped([n, h // b, b, w // b, b, c]).transposed([0, 1, 3, 2, 4, 5])
    return [apart.reshaped([n, h // b, w // b, b * b * c])]


def space_to_batch(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    (down, across), source = known_numbers(maps[1]), maps[0]
    for axis, (before, behind) in enumerate(np.reshape(known_numbers(maps[2]), (2, 2)), 1):
        source = source.read(axis, places(-before, source.shape[axis] + behind)[None])
    n, h, w, c = source.shape
    apart = source.reshaped([n, h // down, down, w // across, across, c])
    shape = [down * across * n, h // down, w // across, c]
    return [apart.transposed([2, 4, 0, 1, 3, 5]).reshaped(shape)]


def batch_to_space(op: Op, maps: Sequence[Map], lines: int) -> list[Map]:
    (n, h, w, c), (down, across) = maps[0].shape, known_numbers(maps[1])
    apart = maps[0].reshaped([down, across, n // (down * across), h, w, c])
    result = apart.transposed([2, 3, 0, 4, 1, 5])
    result = result.reshaped([n // (down * across), h * down, w * across, c])
    for axis, (before, behind) in enumerate(np.reshape(known_numbers(maps[2]), (2, 2)), 1):
        result = picked(result, axis, places(before, result.shape[axis] - behind))
    return [result]
