"""A port of this machine that passes on to another, but never passes on that the other died."""

import socket
import threading

from lpie.training.distribution.link import Address


def relay(target: Address) -> int:
    """The port, on the loopback address, at which this process now answers for `target`.

    When `target` goes away, those who are connected here are left waiting.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, target), daemon=True).start()
    return listener.getsockname()[1]


def _accept(listener: socket.socket, target: Address) -> None:
    while True:
        near, _ = listener.accept()
        try:
            far = socket.create_connection(target, timeout=10)
        except OSError:
            near.close()  # not up yet: the library tries again
            continue
        far.settimeout(None)
        threading.Thread(target=_pump, args=(near, far, True), daemon=True).start()
        threading.Thread(target=_pump, args=(far, near, False), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, pass_end: bool) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        if pass_end:
            sink.shutdown(socket.SHUT_WR)
    except OSError:
        return  # one of them is gone
