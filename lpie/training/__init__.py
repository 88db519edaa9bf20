"""Training of networks, on one device or many."""

from typing import Any

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    if name == "train":
        from lpie.training.trainer import train

        return train
    raise AttributeError(f"module 'lpie.training' has no attribute {name!r}")
