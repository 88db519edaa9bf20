"""One process's part in a job of several: it learns when another stops, and then ends too.

The libraries' collectives wait minutes for a dead process, or abort the living one with a stack
trace. Here every process keeps a plain connection to host 0, which its death closes at once.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from lpie.errors import LpieError
from lpie.training.distribution.link import Address, Link
from lpie.training.distribution.meeting import meet, name_of, sentence_of
from lpie.training.distribution.secret import Secret

CONNECT_LIMIT_S = 120.0  # for the libraries to reach each other
# How long a process may take to end by itself once another has stopped. A collective on a CPU
# fails within seconds, one on a GPU may never return.
GRACE_S = 5.0


class Job:
    """A block that all processes leave together, or none of them well.

    When another process stops, the block ends with an `LpieError` that says so. A main thread
    that hangs in a library cannot raise: then the sentence goes to stderr and the exit code is 1.
    After an error the process, once it ends, skips the exit handlers registered before.
    """

    def __init__(
        self, hosts: Sequence[str], host: int, terms: dict[str, Any], secret: Secret
    ) -> None:
        """Wait for the other processes; arguments and errors are those of `meet`."""
        self._links, port = meet(hosts, host, terms, secret)
        self._given, self.host = list(hosts), host
        # The port that host 0 was given has these connections; its library gets another.
        name = hosts[0].rpartition(":")[0]
        self.hosts = [f"{name}:{port}", *hosts[1:]]
        self.first: Address = (name.strip("[]"), port)
        self._lock, self._done = threading.Lock(), set[int]()
        self._over, self._sentence = False, ""
        self._settled, self._left = threading.Event(), threading.Event()

    def __enter__(self) -> "Job":
        for host, link in self._links.items():
            threading.Thread(target=self._follow, args=(host, link), daemon=True).start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if error is None:
            self._finish()
        elif isinstance(error, Exception) and not isinstance(error, LpieError):
            # A library's error: likely the end of a peer, seen a moment before we hear of it.
            self._settled.wait(GRACE_S)
        self._left.set()
        if self._sentence:
            _skip_exit_handlers(LpieError.exit_code)
            raise LpieError(self._sentence) from None
        if error is not None:
            self._tell({"stopped": self._stopped(self.host, error)})
            _skip_exit_handlers(_exit_code(error))
        for link in self._links.values():
            link.close()

    @contextlib.contextmanager
    def connecting(self) -> Iterator[None]:
        """A block in which the libraries find each other; it may not take CONNECT_LIMIT_S."""
        sentence = (
            f"The hosts {', '.join(self._given)} did not reach each other within "
            f"{CONNECT_LIMIT_S:.0f} s. Is a firewall between them?"
        )
        timer = threading.Timer(CONNECT_LIMIT_S, self._stop, [sentence])
        timer.daemon = True
        timer.start()
        on_term = signal.getsignal(signal.SIGTERM)
        try:
            yield
        finally:
            timer.cancel()
            # Both libraries take SIGTERM as a notice of preemption, and then nobody heeds it.
            if threading.current_thread() is threading.main_thread() and on_term is not None:
                signal.signal(signal.SIGTERM, on_term)

    def _follow(self, host: int, link: Link) -> None:
        """Hear what `host` says, until its end."""
        while message := link.receive():
            if "stopped" in message:
                return self._stop(sentence_of(message, "stopped") or self._stopped(host))
            if "over" in message:
                return self._end_well()
            self._add_done(host)
        return self._stop(self._stopped(host))

    def _stopped(self, host: int, error: BaseException | None = None) -> str:
        """What the others say when `host` has stopped."""
        name = name_of(self._given, host)
        if isinstance(error, Exception):
            reason = str(error) if isinstance(error, LpieError) else type(error).__name__
            return f"{name} has stopped: {reason}"
        return (
            f"{name} has stopped. Start all {len(self._given)} again with the same commands: they "
            "resume from the last checkpoint."
        )

    def _stop(self, sentence: str) -> None:
        """End this process with `sentence`; host 0 passes it on."""
        with self._lock:
            if self._over or self._sentence or self._left.is_set():
                return
            self._sentence = sentence
        self._tell({"stopped": sentence})
        self._settled.set()
        if not self._left.wait(GRACE_S):
            os.write(2, f"\nError: {sentence}\n".encode())
            os._exit(LpieError.exit_code)

    def _finish(self) -> None:
        """Wait until all are done: none may fail after others have said that all went well."""
        if self.host:
            self._tell({"done": True})
        else:
            self._add_done(0)
        self._settled.wait()

    def _add_done(self, host: int) -> None:
        with self._lock:
            self._done.add(host)
            everybody = len(self._done) == len(self._given)
        if everybody:
            self._end_well()

    def _end_well(self) -> None:
        """Let all leave; from here on the end of a link is no sign of trouble."""
        with self._lock:
            self._over = not self._sentence
        if self._over and not self.host:
            self._tell({"over": True})
        self._settled.set()

    def _tell(self, message: dict[str, Any]) -> None:
        for link in self._links.values():
            link.send(message)


def _exit_code(error: BaseException) -> int:
    """What the command line exits with for `error`."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    code = error.code if isinstance(error, SystemExit) else getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 1


def _skip_exit_handlers(code: int) -> None:
    """Let the process exit with `code` before the libraries' own handlers run.

    JAX's waits for the process that is gone, and then aborts this one (docs.jax.dev, "Fault
    Tolerant Distributed JAX").
    """

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)  # the last one registered is the first to run
