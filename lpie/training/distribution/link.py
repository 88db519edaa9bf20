"""JSON messages, a line each, between two processes that prove to know the job's secret.

Each side says a random number. A key is made of both and the secret, and every message carries a
code (HMAC) of that key, its sender and its number, so that nobody else can say, change, repeat or
leave out one. What is said is no secret. A dead end is noticed at once.
"""

import contextlib
import hashlib
import hmac
import json
import re
import secrets
import select
import socket
import threading
import time
from typing import Any, Literal

from lpie.system.documents import parse_json

# A peer whose machine lost power or network sends nothing: the kernel asks it after so many idle
# seconds, so often, so many times. For a process that is only busy, its kernel answers.
KEEP_ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
LONGEST = 1 << 18  # bytes of a message; the lists of hosts and the settings fit several times
GREETING = re.compile(rb"lpie-job 1 ([0-9a-f]{64})")
REFUSED = b"lpie-job 1 refused"

Address = tuple[str, int]
Message = dict[str, Any]
Side = Literal["host 0", "another"]


class Link:
    """A connection to another process of the job.

    why: after `receive` returned None, the reason: `gone`, `late`, `refused` or `stranger`.
    """

    def __init__(self, connected: socket.socket, side: Side) -> None:
        self.why = ""
        self._socket, self._side = connected, side
        self._buffer, self._key = bytearray(), b""
        self._sent = self._received = 0
        self._sending = threading.Lock()
        connected.settimeout(None)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE.items():
            if hasattr(socket, name):  # macOS lacks the first
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def greet(self, secret: bytes, until: float) -> bool:
        """Exchange numbers and make the key; False where the other is no lpie, or too slow."""
        ours = secrets.token_hex(32).encode()
        self._write(b"lpie-job 1 " + ours)
        match = GREETING.fullmatch(self._line(100, until) or b"")
        if match is None:
            self.why = self.why or "stranger"
            return False
        numbers = [ours, match[1]] if self._side == "host 0" else [match[1], ours]
        self._key = hmac.digest(secret, b"lpie-job 1 " + b" ".join(numbers), hashlib.sha256)
        return True

    def send(self, message: Message) -> None:
        """Send `message`; lost when the other end is gone, which `receive` tells."""
        body = json.dumps(message).encode()
        with self._sending:
            code = self._code(self._side, self._sent, body)
            self._sent += 1
            self._write(code + b" " + body)

    def refuse(self) -> None:
        """Say that the other has another secret."""
        self._write(REFUSED)

    def receive(self, limit_s: float | None = None) -> Message | None:
        """The next message, or None, and then `why`."""
        line = self._line(LONGEST, None if limit_s is None else time.monotonic() + limit_s)
        if line is None or line == REFUSED:
            self.why = self.why or "refused"
            return None
        code, _, body = line.partition(b" ")
        other: Side = "another" if self._side == "host 0" else "host 0"
        message = None
        if hmac.compare_digest(code, self._code(other, self._received, body)):
            with contextlib.suppress(ValueError):
                message = parse_json(body)
        self._received += 1
        if not isinstance(message, dict):
            self.why = "stranger"
            return None
        return message

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _code(self, side: Side, number: int, body: bytes) -> bytes:
        data = f"{side} {number} ".encode() + body
        return hmac.digest(self._key, data, hashlib.sha256).hex().encode()

    def _write(self, line: bytes) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(line + b"\n")

    def _line(self, longest: int, until: float | None) -> bytes | None:
        """The next line without its end, whole by the time `until`; else None, and `why`."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > longest:
                self.why = "stranger"
                return None
            data = self._read(until)
            if not data:
                return None
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _read(self, until: float | None) -> bytes:
        """What has come, or nothing: the other is gone, or it is too late."""
        left_ms = None if until is None else max((until - time.monotonic()) * 1000, 0)
        try:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            if not poll.poll(left_ms):
                self.why = "late"
                return b""
            data = self._socket.recv(1 << 16)
        except (OSError, ValueError):  # closed here by another thread
            data = b""
        self.why = "" if data else "gone"
        return data


def listen(port: int, name: str = "") -> socket.socket:
    """A socket that takes connections to `port`.

    name: what the others call this machine. Where that is one of its addresses, only there; a
    name may stand for another address here than elsewhere, so then on all.
    """
    with contextlib.suppress(OSError, ValueError):
        family = socket.AF_INET6 if ":" in name else socket.AF_INET
        socket.inet_pton(family, name)
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((name, 0))  # not this machine's, as behind an address translation
        return socket.create_server((name, port), family=family)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def dial(address: Address, until: float) -> Link | None:
    """A link to host 0 at `address`, tried again until the time `until` (monotonic), or None."""
    while (left := until - time.monotonic()) > 0:
        with contextlib.suppress(OSError):
            return Link(socket.create_connection(address, timeout=min(left, 5)), "another")
        time.sleep(min(left, 0.2))
    return None


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with listen(0) as probe:
        return probe.getsockname()[1]
