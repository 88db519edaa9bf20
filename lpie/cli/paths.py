"""The type of every option and argument that is a path."""

from pathlib import Path
from typing import Any

import click

from lpie.system.paths import refuse_special


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
