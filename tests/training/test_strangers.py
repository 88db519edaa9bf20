"""Whoever does not know a job's secret can neither join, nor end, nor delay it: real sockets."""

import contextlib
import json
import os
import socket
import stat
import threading
import time

import pytest

from lpie.errors import InputError, LpieError
from lpie.training.distribution import door, take_part
from lpie.training.distribution.link import LONGEST, Link
from lpie.training.distribution.meeting import meet, parse_hosts
from lpie.training.distribution.secret import FILE, VARIABLE, Secret, find_secret
from tests.training.test_job import free_hosts

SECRET = Secret("a secret of tests")
HELLO = b'{"host": 1, "hosts": ["127.0.0.1:1", "127.0.0.1:2"], "terms": {}}\n'


def nothing(_):
    pass


def slow(caller):
    """One byte every now and then, for ever."""
    while True:
        caller.sendall(b"l")
        time.sleep(0.02)


def endless(caller):
    """No line ever ends."""
    while True:
        caller.sendall(b"x" * 65536)


def many_lines(caller):
    while True:
        caller.sendall(b"lpie-job 1 " + b"0" * 64 + b"\n")


def sends(*lines):
    def say(caller):
        for line in lines:
            caller.sendall(line)

    return say


def echo(caller):
    """What host 0 says, back to it: its own number, and whatever comes then."""
    while data := caller.recv(4096):
        caller.sendall(data)


def hang_up(caller):
    caller.close()


def wrong_secret(caller):
    link = Link(caller, "another")
    link.greet(b"another secret", time.monotonic() + 60)
    link.send({"host": 1, "hosts": ["127.0.0.1:1"], "terms": {}})
    link.receive(60)


STRANGERS = {
    "silent": nothing,
    "slow": slow,
    "endless": endless,
    "many lines": many_lines,
    "echo": echo,
    "hangs up": hang_up,
    "wrong secret": wrong_secret,
    "a browser": sends(b"GET / HTTP/1.1\r\n\r\n"),
    "an older lpie": sends(HELLO),
    "ends the job": sends(b'{"stopped": "\x1b[2Jbye"}\n'),
    "escapes": sends(b"\x1b[31m\x00\xff\n" * 9),
    "deep": sends(b"[" * 60_000 + b"\n"),
    "no code": sends(b"lpie-job 1 " + b"0" * 64 + b"\n", HELLO),
    "a long code": sends(b"lpie-job 1 " + b"0" * 64 + b"\n", b"0" * (LONGEST + 99) + b" {}\n"),
}


@contextlib.contextmanager
def calling(hosts, stranger, count=1):
    """Some who call host 0 and do as `stranger` does, until the end of the block."""
    callers = []

    def run():
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                caller = socket.create_connection(parse_hosts(hosts, 0)[0])
                break
        callers.append(caller)
        with contextlib.suppress(OSError):
            stranger(caller)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    while len(callers) < count:
        time.sleep(0.001)
    try:
        yield
    finally:
        for caller in callers:
            with contextlib.suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
            caller.close()
        for thread in threads:
            thread.join()


def meeting(hosts, came, host, secret=SECRET, limit_s=120):
    """A thread in which `host` meets the others; `came` gets its port, or its error."""

    def run():
        try:
            links, port = meet(hosts, host, {}, secret, limit_s=limit_s)
            came.append(port)
            came.append(links)
        except LpieError as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_changes_nothing(stranger):
    hosts, first, second = free_hosts(2), [], []
    waits = meeting(hosts, first, 0)
    with calling(hosts, STRANGERS[stranger], count=3):
        meeting(hosts, second, 1).join()
        waits.join()
    assert first[0] == second[0]
    assert isinstance(first[0], int)


def test_more_strangers_than_are_received_at_once(monkeypatch):
    monkeypatch.setattr(door, "MOST_CALLERS", 4)
    hosts, first, second = free_hosts(2), [], []
    waits = meeting(hosts, first, 0)
    with calling(hosts, nothing, count=30):
        meeting(hosts, second, 1).join()
        waits.join()
    assert first[0] == second[0]


def test_a_slow_caller_is_let_go(monkeypatch):
    monkeypatch.setattr(door, "GREETING_S", 0.3)
    hosts, first = free_hosts(2), []
    waits = meeting(hosts, first, 0, limit_s=20)
    ended = threading.Event()

    def measured(caller):
        with contextlib.suppress(OSError):
            slow(caller)
        ended.set()

    with calling(hosts, measured):
        assert ended.wait(15)  # long before the meeting's own limit
        second = []
        meeting(hosts, second, 1).join()
        waits.join()
    assert first[0] == second[0]


def test_who_was_turned_away_is_said_when_somebody_is_missing():
    hosts, first = free_hosts(2), []
    waits = meeting(hosts, first, 0, limit_s=3)
    with calling(hosts, sends(b"\x1b[31m\n")):
        waits.join()
    sentence = str(first[0])
    assert "Host 1 (127.0.0.1:" in sentence
    assert "Turned away: 127.0.0.1 (it is no lpie, or has another secret)." in sentence
    assert VARIABLE in sentence
    assert sentence.isprintable()


def test_another_secret_is_said_on_both_sides(monkeypatch):
    monkeypatch.setattr(Secret, "patience_s", 0.3)
    hosts, first, second = free_hosts(2), [], []
    waits = meeting(hosts, first, 0, limit_s=3)
    meeting(hosts, second, 1, Secret("another secret of tests")).join()
    waits.join()
    assert "Host 0" in str(second[0])
    assert "has another secret than this process. Give all processes the same" in str(second[0])
    assert "Turned away: 127.0.0.1" in str(first[0])


def test_host_0_makes_a_secret_in_a_shared_folder(tmp_path):
    hosts, first, second = free_hosts(2), [], []
    (tmp_path / FILE).write_text("of an earlier job that was killed")
    secret = find_secret(tmp_path)
    late = meeting(hosts, second, 1, secret)
    waits = meeting(hosts, first, 0, secret)
    late.join()
    waits.join()
    assert first[0] == second[0]
    assert not list(tmp_path.iterdir())


def test_the_secret_is_read_by_its_owner_alone(tmp_path):
    secret = find_secret(tmp_path)
    text = secret.make()
    assert len(text) == 64
    assert secret.read() == text
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert secret.make() != text
    secret.forget()
    assert secret.read() is None


def test_a_folder_that_is_not_shared_is_said(tmp_path, monkeypatch):
    hosts, first, second = free_hosts(2), [], []
    waits = meeting(hosts, first, 0, find_secret(tmp_path / "one"), limit_s=3)
    other = find_secret(tmp_path / "two")
    monkeypatch.setattr(Secret, "patience_s", 0.3)
    meeting(hosts, second, 1, other).join()
    waits.join()
    assert "has made no secret here. All processes read it from" in str(second[0])
    assert "must be a folder that all hosts share" in str(second[0])
    assert isinstance(first[0], LpieError)


def test_where_a_secret_comes_from(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("0123456789abcdef\n")
    monkeypatch.setenv(VARIABLE, "of the environment")
    assert find_secret(tmp_path).text == "of the environment"
    assert find_secret(tmp_path, file).text == "0123456789abcdef"
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(InputError, match=f"{VARIABLE} must have at least 16") as error:
        find_secret(tmp_path)
    assert "short." not in str(error.value)
    file.write_text("")
    with pytest.raises(InputError, match=r"The secret in .*file must have at least 16 characters"):
        find_secret(tmp_path, file)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe"):
        find_secret(tmp_path, tmp_path / "pipe")
    with (
        pytest.raises(InputError, match="`secret_file` is for several"),
        take_part([], 0, None, tmp_path, file),
    ):
        pass


def connected():
    """Both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        return near, server.accept()[0]


@pytest.fixture
def two_links():
    """Both ends of a link whose sides know the secret."""
    ends = connected()
    links = [Link(end, side) for end, side in zip(ends, ("host 0", "another"), strict=True)]
    greeting = threading.Thread(target=links[1].greet, args=(b"secret", time.monotonic() + 60))
    greeting.start()
    assert links[0].greet(b"secret", time.monotonic() + 60)
    greeting.join()
    yield *links, *ends
    for link in links:
        link.close()


def test_messages_arrive_as_they_were_sent(two_links):
    first, other, _, _ = two_links
    for number in range(3):
        first.send({"number": number})
        other.send({"text": "ä\x1b"})
        assert other.receive(60) == {"number": number}
        assert first.receive(60) == {"text": "ä\x1b"}


@pytest.mark.parametrize("how", ["repeated", "changed", "reflected", "left out"])
def test_what_somebody_in_between_does_is_noticed(two_links, how):
    first, other, _, end = two_links
    first.send({"stopped": "a"})
    line = b""
    while not line.endswith(b"\n"):
        line += end.recv(4096)
    relayed, sink = connected()
    other._socket = relayed
    if how == "repeated":
        sink.sendall(line + line)
        assert other.receive(60) == {"stopped": "a"}
    elif how == "changed":
        sink.sendall(line.replace(b'"a"', b'"b"'))
    elif how == "reflected":
        other.send({"done": True})
        sink.sendall(sink.recv(4096))
    else:
        first.send({"stopped": "b"})
        sink.sendall(end.recv(4096))
    assert other.receive(60) is None
    assert other.why == "stranger"
    sink.close()


def test_what_an_allowed_process_says_moves_no_cursor_and_is_short():
    hosts, first = free_hosts(2), []
    waits = meeting(hosts, first, 0)
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            caller = socket.create_connection(parse_hosts(hosts, 0)[0])
            break
    link = Link(caller, "another")
    assert link.greet(SECRET.text.encode(), time.monotonic() + 60)
    link.send({"host": 1, "hosts": ["\x1b[31m" * 1000], "terms": {}})
    answer = link.receive(60)
    waits.join()
    link.close()
    assert str(first[0]) == answer["refused"]
    assert str(first[0]).isprintable()
    assert len(str(first[0])) < 2000


@pytest.mark.parametrize(
    "hello",
    [
        {},
        {"host": True},
        {"host": "1"},
        {"host": 1, "hosts": "a"},
        {"host": 1, "hosts": [[1]]},
        {"host": 1, "hosts": [], "terms": []},
        {"host": 10**400, "hosts": [], "terms": {}},
        {"host": 7},
        {"host": -1},
        {"host": 0},
    ],
)
def test_what_does_not_fit_the_schema_is_one_sentence(hello):
    from lpie.training.distribution.meeting import _refusal

    ours = {"host": 0, "hosts": ["a:1", "b:1"], "terms": {}}
    known = {"hosts": ours["hosts"], "terms": {}} | hello
    for theirs in (hello, known):
        sentence = _refusal(ours, json.loads(json.dumps(theirs)), {})
        assert sentence.endswith(".")
        assert sentence.isprintable()
