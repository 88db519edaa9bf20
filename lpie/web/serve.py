"""Starts the page's server: on this computer alone, for an Android phone on USB, or for the LAN."""

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from lpie.errors import InputError, LpieError
from lpie.web.access import Access
from lpie.web.app import web_app
from lpie.web.certificate import write_certificate
from lpie.web.networks import WebNetwork
from lpie.web.runtime import runtime_folder

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        address: Where the page opens.
        fingerprint: The SHA-256 of its certificate; empty without one.
        wait: Blocks until the server ends.
    """

    address: str
    fingerprint: str
    wait: Callable[[], None]


@contextlib.contextmanager
def serving(
    networks: Sequence[WebNetwork],
    *,
    records: Path,
    port: int,
    lan: bool = False,
    runtime: Path | None = None,
    invited: Callable[[str], None] = lambda address: None,
) -> Iterator[Served]:
    """Serve the page while the block runs.

    port: 0 takes a free one. lan: other devices may come, by HTTPS and with a one-time token;
    `invited` gets the address for the next device, whenever one was used.
    """
    folder = runtime_folder(runtime)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listener("0.0.0.0" if lan else LOOPBACK, port))
        port = listener.getsockname()[1]
        names = [*_addresses(), "localhost", LOOPBACK] if lan else ["localhost", LOOPBACK]
        scheme, fingerprint = "http", ""
        certificate: Path | None = None
        key: Path | None = None
        if lan:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            certificate, key, fingerprint = write_certificate(place, names)
            scheme = "https"
        base = f"{scheme}://{names[0]}:{port}/"
        access = Access(open=not lan, invited=lambda token: invited(f"{base}enter/{token}"))
        app = web_app(
            networks,
            runtime=folder,
            records=records,
            access=access,
            hosts={f"{name}:{port}" for name in names},
        )
        config = uvicorn.Config(
            app, log_level="error", lifespan="off", ssl_certfile=certificate, ssl_keyfile=key
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        stack.callback(_stop, server, thread)
        yield Served(f"{base}enter/{access.token}" if lan else base, fingerprint, thread.join)


def _stop(server: uvicorn.Server, thread: threading.Thread) -> None:
    server.should_exit = server.force_exit = True
    thread.join(5)


@contextlib.contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise InputError(
                f"Port {port} cannot be used ({error.strerror}). Give another by --port."
            ) from None
        listener.listen(128)
        yield listener


def _addresses() -> list[str]:
    """This computer's addresses in its networks, the one that leads outside first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            first = [probe.getsockname()[0]]
        except OSError:
            first = []
    with contextlib.suppress(OSError):
        infos = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        first += [str(info[4][0]) for info in infos]
    outside = [one for one in dict.fromkeys(first) if not one.startswith("127.")]
    if not outside:
        raise LpieError("This computer has no address in a network, so no other can reach it.")
    return outside
