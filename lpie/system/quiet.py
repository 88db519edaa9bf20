"""Keeps off the terminal what libraries print from C++."""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import IO

# The process has one stdout: two threads that swapped it at once would lose it.
_LOCK = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[Callable[[], str]]:
    """Nothing that is written to the process's stdout and stderr inside the block is shown.

    Yields a function that returns it, for the text of an error.
    """
    with _LOCK, _sink() as sink:
        _flush()
        kept = [os.dup(number) for number in (1, 2)]

        def printed() -> str:
            _flush()
            sink.seek(0)
            return sink.read().decode(errors="replace").strip()

        for number in (1, 2):
            os.dup2(sink.fileno(), number)
        try:
            yield printed
        finally:
            _flush()
            for number, copy in enumerate(kept, 1):
                os.dup2(copy, number)
                os.close(copy)


def _sink() -> IO[bytes]:
    """A nameless file; in memory where the system can, as a container may have no /tmp."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("lpie"), "w+b")
    return tempfile.TemporaryFile()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
