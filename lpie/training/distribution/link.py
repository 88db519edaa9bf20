"""JSON messages, a line each, between two processes; a dead end is noticed at once."""

import contextlib
import json
import socket
import time
from typing import Any

# A peer whose machine lost power or network sends nothing: the kernel asks it after so many idle
# seconds, so often, so many times. For a process that is only busy, its kernel answers.
KEEP_ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
LONGEST = 1 << 20  # bytes of a message; anything longer is not of ours

Address = tuple[str, int]
Message = dict[str, Any]


class Link:
    """A connection to another process of the job."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket, self._file = connected, connected.makefile("rb")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE.items():
            if hasattr(socket, name):  # macOS lacks the first
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def send(self, message: Message) -> None:
        """Send `message`; lost when the other end is gone, which `receive` tells."""
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, limit_s: float | None = None) -> Message | None:
        """The next message, or None: the other end is gone, silent for `limit_s` or no lpie."""
        try:
            self._socket.settimeout(limit_s)
            message = json.loads(self._file.readline(LONGEST))
        except (OSError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def listen(port: int) -> socket.socket:
    """A socket that takes connections to `port` on all addresses of this machine."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def dial(address: Address, until: float) -> Link | None:
    """A link to `address`, tried again until the time `until` (monotonic), or None."""
    while (left := until - time.monotonic()) > 0:
        with contextlib.suppress(OSError):
            return Link(socket.create_connection(address, timeout=min(left, 5)))
        time.sleep(min(left, 0.2))
    return None


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with listen(0) as probe:
        return probe.getsockname()[1]
