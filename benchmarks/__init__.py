"""Honest latency and memory of exported models. Each name loads on first use; Keras never does."""

import importlib
from typing import Any

_HOME = {"benchmark": "lpie.benchmarks.host", "write_report": "lpie.benchmarks.report"}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'lpie.benchmarks' has no attribute {name!r}")
