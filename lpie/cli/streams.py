"""A photo from standard input, and one to standard output, for `-`."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lpie.errors import InputError, LpieError
from lpie.image.formats.kinds import SUFFIXES, format_of
from lpie.system.signals import undone_by_signals

STREAM = "-"
_CHUNK = 1 << 20
# Beside the pixels a file may hold previews and other metadata.
_BYTES_PER_PIXEL, _REST = 16, 100_000_000


@contextmanager
def folder_of_streams() -> Iterator[Path]:
    """A folder that is gone after the block, however it ends."""
    folder = Path(tempfile.mkdtemp(prefix="lpie-"))
    with undone_by_signals(lambda: shutil.rmtree(folder, ignore_errors=True)):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def read_photo_file(folder: Path, *, max_megapixels: float) -> Path:
    """The photo on standard input as a file in `folder`.

    Raises:
        InputError: There is none, or one that is far too large, which is not read to its end.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError(
            "Standard input is a terminal. Redirect a photo to it (< photo.jpg), or name a file."
        )
    stream = sys.stdin.buffer
    data = stream.read(_CHUNK)
    suffix = _suffix(data)
    path = folder / f"standard input{suffix}"
    limit = max_megapixels * 1e6 * _BYTES_PER_PIXEL + _REST
    with path.open("wb") as file:
        while data:
            file.write(data)
            if file.tell() > limit:
                raise InputError(
                    f"Standard input has more than {limit / 1e6:,.0f} MB, too many for a photo of "
                    f"{max_megapixels:g} megapixels. Raise `max_megapixels` if you trust it."
                )
            data = stream.read(_CHUNK)
    return path


def check_standard_output() -> None:
    """Raise an `InputError` where the photo would be shown as text."""
    if sys.stdout is None or sys.stdout.isatty():
        raise InputError(
            "The photo would go to the terminal. Redirect it (> restored.jpg), or name a file by "
            "`output`."
        )


def write_photo_file(path: Path) -> None:
    """Write the bytes of the file to standard output, and nothing else."""
    sys.stdout.flush()
    try:
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, _CHUNK)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes again at its end
        raise LpieError("Nobody reads standard output any more: the photo is not whole.") from None


def _suffix(data: bytes) -> str:
    """The suffix of a photo that begins with `data`."""
    kind = format_of(data[:64], Path("standard input"))
    return next(suffix for suffix, name in SUFFIXES.items() if name == kind)
