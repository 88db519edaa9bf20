"""From a Keras network to a checked `.tflite`. Each name loads on first use."""

import importlib
from typing import Any

_HOME = {
    "ExportRequest": "lpie.export.request",
    "check_delegate": "lpie.export.delegates",
    "export_tflite": "lpie.export.pipeline",
    "verify": "lpie.export.verification.parity",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'lpie.export' has no attribute {name!r}")
