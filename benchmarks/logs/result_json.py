"""What LiteRT's litert-benchmark writes by `--result_json`."""

import json
import math
from typing import Any

_ROUND = ("avg_ms", "min_ms", "max_ms", "median_ms", "std_ms", "p5_ms", "p95_ms")
_SUMMARY = {"init_ms": "init_ms", "warmup_first_ms": "first_ms", "warmup_avg_ms": "warmup_ms"}
_ACCELERATORS = {"gpu": "gpu", "npu": "npu", "cpu": "cpu"}


def decode_json(text: str) -> dict[str, dict[str, Any]] | None:
    """The schema's `round`, `summary`, `model`, `requested`, `executed`; None when it is none."""
    try:
        result = json.loads(text)
    except (ValueError, RecursionError):
        return None
    latency = result.get("latency") if isinstance(result, dict) else None
    if not isinstance(latency, dict) or _amount(latency.get("avg_ms")) is None:
        return None
    names = {key: key.replace("avg", "mean") for key in _ROUND}
    asked = _asked(result.get("accelerators"))
    full = result.get("fully_accelerated")
    model = str(result.get("model") or "").replace("\\", "/").rsplit("/", 1)[-1]
    return {
        "round": {
            "count": _whole(latency.get("num_runs")),
            **{name: _amount(latency.get(key)) for key, name in names.items()},
        },
        "summary": {
            **{name: _amount(latency.get(key)) for key, name in _SUMMARY.items()},
            "warmup_runs": _whole(latency.get("num_warmup_runs")),
        },
        "model": {"file": model or None},
        "requested": {"delegate": asked, "threads": _whole(result.get("num_threads"))},
        "executed": {
            "delegate": asked if full is True else None,
            "full": full if isinstance(full, bool) else None,
        },
    }


def _asked(accelerators: object) -> str | None:
    """The first accelerator by the schema's name; the CPU beside another is its fall-back."""
    text = str(accelerators).lower()
    return next((name for word, name in _ACCELERATORS.items() if word in text), None)


def _amount(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) and 0 <= value < 1e15 else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**31 else None
