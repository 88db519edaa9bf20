"""The quality of models and of classical methods on photos."""

from typing import Any

__all__ = ["evaluate"]


def __getattr__(name: str) -> Any:
    if name == "evaluate":
        from lpie.evaluation.evaluate import evaluate

        return evaluate
    raise AttributeError(f"module 'lpie.evaluation' has no attribute {name!r}")
