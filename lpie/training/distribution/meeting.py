"""How the processes of a job find each other: all call host 0, which tells them when to begin."""

import time
from collections.abc import Sequence
from typing import Any

from lpie.config.parse import differences
from lpie.errors import InputError, LpieError
from lpie.training.distribution.link import Address, Link, Message, dial, free_port, listen

JOIN_LIMIT_S = 120.0  # from the first command to the last


def parse_hosts(hosts: Sequence[str], host: int) -> list[Address]:
    """(address, port) of every host; an `InputError` when the list or `host` cannot be right."""
    if len(hosts) < 2:
        raise InputError(f"`hosts` must name at least two. Received: {', '.join(hosts)}.")
    if len(set(hosts)) < len(hosts):
        raise InputError(f"`hosts` must differ from each other. Received: {', '.join(hosts)}.")
    if not 0 <= host < len(hosts):
        raise InputError(f"`host` must be 0 to {len(hosts) - 1}. Received: {host}.")
    return [_parse(text) for text in hosts]


def meet(
    hosts: Sequence[str], host: int, terms: dict[str, Any], *, limit_s: float = JOIN_LIMIT_S
) -> tuple[dict[int, Link], int]:
    """(links by host: host 0's to all others, theirs to host 0; a free port of host 0).

    terms: what must be the same for all. Raises `InputError` when the lists or terms differ, and
    `LpieError` when a port is taken or somebody has not come after `limit_s`.
    """
    addresses = parse_hosts(hosts, host)
    _require_free(addresses[host][1])  # the library listens there later
    hello = {"host": host, "hosts": list(hosts), "terms": terms}
    until = time.monotonic() + limit_s
    if host:
        link, port = _call(addresses[0], hello, until)
        return {0: link}, port
    links: dict[int, Link] = {}
    try:
        _gather(addresses[0][1], hello, links, until)
    except LpieError as error:
        refusal = {"refused": str(error), "input": isinstance(error, InputError)}
        for link in links.values():
            link.send(refusal)
        raise
    port = free_port()
    for link in links.values():
        link.send({"port": port})
    return links, port


def name_of(hosts: Sequence[str], host: int) -> str:
    """What sentences call the host."""
    return f"Host {host} ({hosts[host]})"


def _gather(port: int, ours: Message, links: dict[int, Link], until: float) -> None:
    """Fill `links` with one of every other host."""
    hosts = ours["hosts"]
    with listen(port) as listener:
        while missing := [i for i in range(1, len(hosts)) if i not in links]:
            listener.settimeout(max(until - time.monotonic(), 0.001))
            try:
                link = Link(listener.accept()[0])
            except TimeoutError:
                raise _absent([name_of(hosts, i) for i in missing]) from None
            theirs = link.receive(limit_s=5)
            if theirs is None or not isinstance(theirs.get("host"), int):
                link.close()  # a stranger
                continue
            refusal = _refusal(ours, theirs, links)
            # One that is refused must hear of it as well.
            links[-1 if refusal else theirs["host"]] = link
            if refusal:
                raise InputError(refusal)


def _refusal(ours: Message, theirs: Message, links: dict[int, Link]) -> str:
    """Why `theirs` cannot be part of this job, or nothing."""
    host = theirs["host"]
    if theirs.get("hosts") != ours["hosts"]:
        lists = [",".join(map(str, message.get("hosts", []))) for message in (ours, theirs)]
        return f"All processes need the same `hosts`: host 0 has {lists[0]}, another {lists[1]}."
    if host in links or host == 0:
        return f"Two processes say that they are host {host}. Give each its own number."
    different = differences(theirs.get("terms", {}), ours["terms"])
    if different:
        return f"Host {host} must train as host 0 does: {'; '.join(different)}."
    return ""


def _call(first: Address, hello: Message, until: float) -> tuple[Link, int]:
    """(link to host 0, the free port there), once all have come."""
    while link := dial(first, until):
        link.send(hello)
        # Host 0 knows who is missing: let its limit end first.
        answer = link.receive(limit_s=max(until - time.monotonic(), 0) + 5)
        if answer and "refused" in answer:
            raise (InputError if answer.get("input") else LpieError)(answer["refused"])
        if answer and isinstance(answer.get("port"), int):
            return link, answer["port"]
        link.close()  # host 0 went away, perhaps to be started again
        time.sleep(0.2)
    raise _absent([name_of(hello["hosts"], 0)])


def _parse(text: str) -> Address:
    address, _, port = text.rpartition(":")
    if not (address and port.isdecimal() and 0 < int(port) < 65536):
        raise InputError(f"`hosts` must be address:port each. Received: {text!r}.")
    return address.strip("[]"), int(port)


def _require_free(port: int) -> None:
    try:
        listen(port).close()
    except OSError as error:
        raise LpieError(
            f"Port {port} of this machine cannot be listened on ({error.strerror}). End the "
            "program that has it, or give all processes another port in `hosts`."
        ) from None


def _absent(names: list[str]) -> LpieError:
    return LpieError(
        f"{' and '.join(names)} did not come in time. Start the same command on every host, "
        f"within {JOIN_LIMIT_S:.0f} s, each with its own number."
    )
