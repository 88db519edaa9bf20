"""Where host 0 receives callers: all at once, each within limits, only those with the secret."""

import contextlib
import queue
import socket
import threading
import time
from types import TracebackType

from lpie.training.distribution.link import Link, Message

GREETING_S = 10.0  # for all that a caller has to say; one that knows the way takes milliseconds
MOST_CALLERS = 64  # that have not proved anything yet; for another one the first has to go
MOST_NAMED = 5
WHY = {
    "gone": "it hung up",
    "late": "it was too slow",
    "stranger": "it is no lpie, or has another secret",
}


class Door:
    """A block in which callers at `listener` are received; it closes `listener`.

    callers: (what it said first, its link) of each that knows the secret.
    turned_away: why, by address, of some that do not.
    """

    def __init__(self, listener: socket.socket, secret: bytes) -> None:
        self.callers: queue.SimpleQueue[tuple[Message, Link]] = queue.SimpleQueue()
        self.turned_away: dict[str, str] = {}
        self._listener, self._secret = listener, secret
        self._lock, self._closed = threading.Lock(), False
        self._unproved: dict[Link, None] = {}

    def __enter__(self) -> "Door":
        self._listener.settimeout(0.2)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            left = list(self._unproved)
        self._listener.close()
        for link in left:
            link.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connected, address = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                if self._closed:
                    return
                time.sleep(0.1)  # no file descriptors are left, for now
                continue
            with contextlib.suppress(OSError, RuntimeError):
                self._receive(Link(connected, "host 0"), str(address[0]))

    def _receive(self, link: Link, address: str) -> None:
        with self._lock:
            if self._closed:
                return link.close()
            crowded = len(self._unproved) >= MOST_CALLERS
            first = next(iter(self._unproved)) if crowded else None
            self._unproved[link] = None
        if first is not None:
            first.close()
        return threading.Thread(target=self._hear, args=(link, address), daemon=True).start()

    def _hear(self, link: Link, address: str) -> None:
        until = time.monotonic() + GREETING_S
        hello = None
        if link.greet(self._secret, until):
            hello = link.receive(until - time.monotonic())
            if hello is None and link.why == "stranger":
                link.refuse()
        with self._lock:
            self._unproved.pop(link, None)
            welcome = hello is not None and not self._closed
            if not welcome and len(self.turned_away) < MOST_NAMED:
                self.turned_away[address] = WHY.get(link.why, WHY["stranger"])
        if hello is not None and welcome:
            self.callers.put((hello, link))
        else:
            link.close()
