"""Damages files: of each kind of damage a little, in bytes, in text and in numbers."""

import re

import numpy as np

NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
WORDS = [
    "-1", "0", "1e309", "-1e309", "NaN", "nan", "Infinity", "null", "true", '""', "[]", "{}",
    "99999999999999999999", "1" + "0" * 400, "9" * 5000, "0x" + "f" * 5000, "[" * 1000,
    "{'a':" * 300, '"\\u0000"', '"\\ud800"', '"\x1b[31m"', "\x1b]0;x\x07", "\ufeff", "\u202e",
    "../../../etc/passwd", "/dev/zero", "%s%n", "x" * 100_000, "1979-05-27", "\r", "\x00",
]  # fmt: skip


def damaged(data: bytes, rng: np.random.Generator, *, text: bool, others: list[bytes]) -> bytes:
    """`data` after one to four damages; others: files of the same kind to splice with."""
    kinds = BYTES + (TEXT * 2 if text else [])
    for _ in range(rng.integers(1, 5)):
        kind = kinds[rng.integers(len(kinds))]
        data = kind(bytearray(data), rng, others) if data else b"\0"
    return bytes(data)


def _place(data, rng):
    """Half of them in the first 300 bytes, where headers are."""
    reach = len(data) if rng.random() < 0.5 else min(len(data), 300)
    return int(rng.integers(reach))


def _flip(data, rng, _):
    for _ in range(rng.integers(1, 20)):
        data[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return data


def _set(data, rng, _):
    data[_place(data, rng)] = rng.integers(256)
    return data


def _number(data, rng, _):
    at, size = _place(data, rng), int(rng.choice([1, 2, 4]))
    number = NUMBERS[rng.integers(len(NUMBERS))] % (1 << 8 * size)
    data[at : at + size] = number.to_bytes(size, "little" if rng.random() < 0.7 else "big")
    return data


def _cut(data, rng, _):
    return data[: _place(data, rng)]


def _drop(data, rng, _):
    at = _place(data, rng)
    del data[at : at + int(rng.integers(1, 65))]
    return data


def _repeat(data, rng, _):
    at, size = _place(data, rng), int(rng.integers(1, 257))
    data[at:at] = data[at : at + size] * int(rng.choice([1, 2, 50]))
    return data


def _zero(data, rng, _):
    at = _place(data, rng)
    size = min(int(rng.integers(1, 4097)), len(data) - at)
    data[at : at + size] = bytes([int(rng.choice([0, 255]))]) * size
    return data


def _splice(data, rng, others):
    other = others[rng.integers(len(others))]
    at = int(rng.integers(len(other) + 1))
    return data[: _place(data, rng)] + other[at:]


def _append(data, rng, others):
    return data + others[rng.integers(len(others))]


def _word(data, rng, _):
    """A number or a quoted text becomes another word."""
    places = list(re.finditer(rb'-?\d[\d.e+-]*|"[^"\n]*"', data))
    if not places:
        return data
    place = places[rng.integers(len(places))]
    word = WORDS[rng.integers(len(WORDS))].encode("utf-8", "surrogatepass")
    return data[: place.start()] + word + data[place.end() :]


def _lines(data, rng, _):
    lines = bytes(data).splitlines(keepends=True)
    i, j = rng.integers(len(lines), size=2)
    kind = rng.integers(3)
    if kind == 0:
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == 1:
        lines[i:i] = [lines[j]] * int(rng.choice([1, 2, 2000]))
    else:
        del lines[i]
    return bytearray(b"".join(lines))


BYTES = [_flip, _set, _number, _cut, _drop, _repeat, _zero, _splice, _append]
TEXT = [_word, _word, _lines]
