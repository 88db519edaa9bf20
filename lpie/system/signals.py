"""Ends the program at once when somebody stops it, with nothing half-written left behind.

A handler that raises instead unwinds whatever is running. TensorFlow's C++ crashes on an exception
where it expects none, and one that meets a garbage collector's callback is lost.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

    from lpie.system.limits import Limits

_UNDO: dict[object, Callable[[], None]] = {}


@contextlib.contextmanager
def undone_by_signals(undo: Callable[[], None]) -> Iterator[None]:
    """A block whose traces `undo` takes away where a signal ends the process within it."""
    key = object()
    _UNDO[key] = undo
    try:
        yield
    finally:
        del _UNDO[key]


@contextlib.contextmanager
def child(
    command: Sequence[str], *, limits: "Limits | None" = None, **options: Any
) -> Iterator["subprocess.Popen[str]"]:
    """A process of `command` that does not outlive the block, however it ends.

    limits: of its time and memory. options: those of `subprocess.Popen`.
    """
    import subprocess

    with (
        subprocess.Popen(command, text=True, **options) as process,
        undone_by_signals(process.kill),
    ):
        if limits is not None:
            limits.hold(process.pid)
        try:
            yield process
        except BaseException:
            process.kill()
            raise


class Stop:
    """Whether somebody has asked to stop, within `postponed`."""

    def __init__(self, previous: dict[int, Any]) -> None:
        self.number = 0
        self._previous = previous

    def obey(self) -> None:
        """End as the signal would have, had it not been postponed."""
        previous = self._previous[self.number]
        signal.signal(self.number, previous)
        if callable(previous):
            previous(self.number, None)
        else:
            os.kill(os.getpid(), self.number)


@contextlib.contextmanager
def postponed(notice: str, worth: Callable[[], bool]) -> Iterator[Stop]:
    """A block in which the first SIGINT or SIGTERM is only noted, for work to come to a good end.

    The second one ends the process as without the block, and so does the first when it is not
    `worth` the wait. Signals that are ignored stay so, and outside of the main thread, where no
    handler can be set, nothing changes.

    notice: what is written to stderr when the first one comes.
    """
    previous: dict[int, Any] = {}
    stop = Stop(previous)

    def note(number: int, _: Any) -> None:
        at_once = bool(stop.number) or not worth()
        stop.number = number
        if at_once:
            stop.obey()
        else:
            with contextlib.suppress(OSError):
                os.write(2, f"\n{notice}\n".encode())

    if threading.current_thread() is threading.main_thread():
        for awaited in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(awaited) not in (signal.SIG_IGN, None):
                previous[awaited] = signal.signal(awaited, note)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def leave_by_signals() -> None:
    """Let SIGINT and SIGTERM, unless ignored, end the process with 128 + their number."""
    stderr = os.dup(2) if sys.stderr is not None else None  # `quiet` may turn 2 away

    def leave(number: int, _: Any) -> None:
        try:
            for undo in reversed(list(_UNDO.values())):
                with contextlib.suppress(Exception):
                    undo()
            if number == signal.SIGINT and stderr is not None:
                os.write(stderr, b"\nError: Stopped.\n")  # a progress bar may be in the line
            sys.stdout.flush()
        finally:
            os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)
