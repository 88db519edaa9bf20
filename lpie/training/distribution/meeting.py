"""How the processes of a job find each other: all call host 0, which tells them when to begin."""

import queue
import socket
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lpie.config.parse import differences
from lpie.errors import InputError, LpieError
from lpie.printable import printable
from lpie.training.distribution.door import Door
from lpie.training.distribution.link import Address, Link, Message, dial, free_port, listen
from lpie.training.distribution.secret import Secret

JOIN_LIMIT_S = 120.0  # from the first command to the last
LONGEST_SENTENCE = 2000


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
    hosts: Sequence[str],
    host: int,
    terms: dict[str, Any],
    secret: Secret,
    *,
    limit_s: float = JOIN_LIMIT_S,
) -> tuple[dict[int, Link], int]:
    """(links by host: host 0's to all others, theirs to host 0; a free port of host 0).

    terms: what must be the same for all. Raises `InputError` when the lists or terms differ, and
    `LpieError` when a port is taken, somebody has not come after `limit_s`, or host 0 has another
    secret. Whoever does not know the secret is turned away, and changes nothing.
    """
    addresses = parse_hosts(hosts, host)
    hello = {"host": host, "hosts": list(hosts), "terms": terms}
    until = time.monotonic() + limit_s
    if host:
        _listen(addresses[host]).close()  # the library listens there later
        link, port = _call(addresses[0], hello, secret, until)
        return {0: link}, port
    links: dict[int, Link] = {}
    try:
        _gather(_listen(addresses[0]), hello, secret, links, until)
    except LpieError as error:
        refusal = {"refused": str(error), "input": isinstance(error, InputError)}
        for link in links.values():
            link.send(refusal)
        raise
    finally:
        secret.forget()
    port = free_port()
    for link in links.values():
        link.send({"port": port})
    return links, port


def name_of(hosts: Sequence[str], host: int) -> str:
    """What sentences call the host."""
    return f"Host {host} ({hosts[host]})"


def sentence_of(message: Message, key: str) -> str:
    """A text of another process as a sentence shows it: short, without escapes; "" for none."""
    text = message.get(key)
    return printable(text)[:LONGEST_SENTENCE] if isinstance(text, str) else ""


def _gather(
    listener: socket.socket, ours: Message, secret: Secret, links: dict[int, Link], until: float
) -> None:
    """Fill `links` with one of every other host."""
    hosts = ours["hosts"]
    with listener, Door(listener, secret.make()) as door:
        while missing := [i for i in range(1, len(hosts)) if i not in links]:
            try:
                theirs, link = door.callers.get(timeout=max(until - time.monotonic(), 0.001))
            except queue.Empty:
                names = [name_of(hosts, i) for i in missing]
                raise _absent(names, secret, door.turned_away) from None
            refusal = _refusal(ours, theirs, links)
            # One that is refused must hear of it as well.
            links[-1 if refusal else theirs["host"]] = link
            if refusal:
                raise InputError(refusal)


def _refusal(ours: Message, theirs: Message, links: dict[int, Link]) -> str:
    """Why `theirs` cannot be part of this job, or nothing."""
    host, hosts, terms = theirs.get("host"), theirs.get("hosts"), theirs.get("terms")
    if not (
        type(host) is int
        and isinstance(terms, dict)
        and isinstance(hosts, list)
        and all(isinstance(name, str) for name in hosts)
    ):
        return "Another process has another version of lpie. Install the same one on all hosts."
    if hosts != ours["hosts"]:
        lists = [printable(",".join(listed))[:500] for listed in (ours["hosts"], hosts)]
        return f"All processes need the same `hosts`: host 0 has {lists[0]}, another {lists[1]}."
    if host in links or not 0 < host < len(hosts):
        return f"Two processes say that they are host {host}. Give each its own number."
    different = differences(terms, ours["terms"])
    if different:
        return f"Host {host} must train as host 0 does: {printable('; '.join(different))[:1000]}."
    return ""


def _call(first: Address, hello: Message, secret: Secret, until: float) -> tuple[Link, int]:
    """(link to host 0, the free port there), once all have come."""
    name, problem, refused = name_of(hello["hosts"], 0), "", 0
    while link := dial(first, until):
        known = secret.read()
        if known is not None and link.greet(known, min(time.monotonic() + 5, until)):
            link.send(hello)
            # Host 0 knows who is missing: let its limit end first.
            answer = link.receive(limit_s=max(until - time.monotonic(), 0) + 5)
            if answer is not None:
                return link, _port(answer)
        link.close()
        if known is None or link.why == "refused":
            problem = "has another secret than this process" if known else "has made no secret here"
            # The file of one that it has just made may not be visible here yet.
            until = until if refused else min(until, time.monotonic() + secret.patience_s)
            refused += 1
        time.sleep(min(0.2 * 2**refused, 1))  # host 0 went away, perhaps to be started again
    if problem:
        raise LpieError(f"{name} {problem}. {secret.remedy}")
    raise _absent([name], secret)


def _port(answer: Message) -> int:
    """The port that host 0 has told, or the error that it has."""
    refusal = sentence_of(answer, "refused")
    if refusal:
        raise (InputError if answer.get("input") is True else LpieError)(refusal)
    port = answer.get("port")
    if type(port) is not int or not 0 < port < 65536:
        raise LpieError("Host 0 has another version of lpie. Install the same one on all hosts.")
    return port


def _parse(text: str) -> Address:
    address, _, port = text.rpartition(":")
    if not (address and port.isdecimal() and 0 < int(port) < 65536):
        raise InputError(f"`hosts` must be address:port each. Received: {text!r}.")
    return address.strip("[]"), int(port)


def _listen(address: Address) -> socket.socket:
    try:
        return listen(address[1], address[0])
    except OSError as error:
        raise LpieError(
            f"Port {address[1]} of this machine cannot be listened on ({error.strerror}). End the "
            "program that has it, or give all processes another port in `hosts`."
        ) from None


def _absent(
    names: list[str], secret: Secret, turned_away: Mapping[str, str] = MappingProxyType({})
) -> LpieError:
    reasons = ", ".join(f"{address} ({why})" for address, why in turned_away.items())
    also = f" Turned away: {reasons}. {secret.remedy}" if reasons else ""
    return LpieError(
        f"{' and '.join(names)} did not come in time. Start the same command on every host, "
        f"within {JOIN_LIMIT_S:.0f} s, each with its own number.{also}"
    )
