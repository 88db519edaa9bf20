"""Honest latency and memory of exported models. Each name loads on first use; Keras never does."""

import importlib
from typing import Any

_HOME = {
    "benchmark": "lpie.benchmarks.bench",
    "write_report": "lpie.benchmarks.reports.run_page",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'lpie.benchmarks' has no attribute {name!r}")
