"""The type of every option and argument that is a path."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from lpie.system.paths import check_outputs, refuse_special


class PathType(click.Path):
    """A path of a file or a folder. Pipes, devices and sockets are refused, except "-".

    folder: whether it may be one.
    """

    def __init__(self, *, folder: bool = True) -> None:
        super().__init__(path_type=Path, dir_okay=folder)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, which need not exist."""
        if str(value) != "-" and param is not None:
            refuse_special(Path(value), name=f"`{param.name}`")
        return super().convert(value, param, ctx)


PATH = PathType()


# What a run is made of (`lpie.training.run`); evaluations and exports may lie beside.
_RUN = {"config.json", "best.keras", "last.keras", "checkpoint.npz", "log.jsonl"}


def refuse_overwriting(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Raise an `InputError` when a verb would write to a file that it reads, before it starts.

    Args:
        outputs: The files that it writes; None where it writes none.
        inputs: The files and the folders of photos that it reads; see `read_in` for other folders.
    """
    check_outputs(
        [path for path in outputs if path is not None],
        [path for path in inputs if path is not None],
    )


def read_in(path: Path) -> list[Path]:
    """The files that are read of `path`: it, or those of the run or of the records in it."""
    if not path.is_dir():
        return [path]
    if (path / "config.json").exists():
        return [path / name for name in _RUN]
    return list(path.rglob("*.json"))
