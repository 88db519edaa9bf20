"""TFLite's binary `BenchmarkResult` (`--result_file_path`), decoded by hand.

proto2, package tflite.tools.benchmark: 1 name, 2 LatencyMetrics, 3 MemoryMetrics, 4 MiscMetrics.
"""

import struct
from collections.abc import Iterator
from typing import Any

_LATENCY = {
    1: "mean_ms",
    2: "min_ms",
    3: "max_ms",
    4: "std_ms",
    5: "median_ms",
    6: "p5_ms",
    7: "p95_ms",
    8: "init_ms",
    9: "first_ms",
    10: "warmup_ms",
}
_SUMMARY = ("init_ms", "first_ms", "warmup_ms")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def decode_result(data: bytes) -> dict[str, dict[str, Any]] | None:
    """The schema's `round`, `summary`, `memory` and `model` in `data`; None when it is no result.

    Every byte must belong to a field of the message, and there must be latencies.
    """
    try:
        return _result(data)
    except (_NoMessage, _Cut):
        return None


def is_cut_result(data: bytes) -> bool:
    """Whether `data` begins as a result does and ends within a field."""
    try:
        return data[:1] in (b"\x0a", b"\x12") and not list(_fields(data))
    except _Cut:
        return True
    except _NoMessage:
        return False


class _NoMessage(Exception):
    """The bytes are not such a message."""


class _Cut(Exception):
    """The bytes end within a field."""


def _result(data: bytes) -> dict[str, dict[str, Any]]:
    parts: dict[int, bytes] = {}
    for number, value in _fields(data):
        if number not in (1, 2, 3, 4) or not isinstance(value, bytes) or number in parts:
            raise _NoMessage
        parts[number] = value
    if 2 not in parts:
        raise _NoMessage
    latency = {_LATENCY[n]: _float(v) for n, v in _fields(parts[2]) if n in _LATENCY}
    memory, misc = (dict(_fields(parts.get(n, b""))) for n in (3, 4))
    numbers = {key: value for key, value in latency.items() if key not in _SUMMARY}
    summary = {key: value for key, value in latency.items() if key in _SUMMARY}
    if "mean_ms" not in numbers:
        raise _NoMessage
    return {
        "round": {"count": _whole(misc.get(2)), **numbers},
        "summary": {**summary, "warmup_runs": _whole(misc.get(3))},
        "memory": {
            "init_mb": _kilobytes(memory.get(1)),
            "overall_mb": _kilobytes(memory.get(2)),
            "peak_mb": _float(memory[3]) if 3 in memory else None,
        },
        "model": {"file": parts[1].decode("utf-8", "replace") or None if 1 in parts else None},
    }


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field: an int, or the bytes of anything else."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == _BYTES:
            size, place = _varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise _NoMessage
        if number == 0:
            raise _NoMessage
        if place + size > len(data):
            raise _Cut
        yield number, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise _Cut
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, place
    raise _NoMessage


def _float(data: Any) -> float:
    """The float in `data`, not negative, with the digits that a float32 has."""
    if not isinstance(data, bytes) or len(data) != 4:
        raise _NoMessage
    (value,) = struct.unpack("<f", data)
    if not 0 <= value < 1e15:
        raise _NoMessage
    return float(f"{value:.7g}")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value < 2**31 else None


def _kilobytes(value: Any) -> float | None:
    return value / 1024 if isinstance(value, int) and value < 2**50 else None
