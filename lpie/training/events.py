"""The curves of a run, as TensorBoard reads them."""

from pathlib import Path
from typing import Any


class EventWriter:
    """Writes scalars for TensorBoard, without TensorFlow; a context manager."""

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        from tensorboard.summary import Writer

        self._writer = Writer(str(folder)) if writes else None

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Log every float of `values` under its name."""
        for name, value in values.items():
            if self._writer and name != "step" and isinstance(value, float):
                self._writer.add_scalar(name, value, step)

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()
