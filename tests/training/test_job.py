"""Processes that meet and watch each other, without any library that trains."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from lpie.config.config import Config, DataConfig
from lpie.errors import InputError, LpieError
from lpie.training.distribution import find_devices, take_part
from lpie.training.distribution.link import free_port
from lpie.training.distribution.meeting import meet, parse_hosts
from lpie.training.distribution.relay import relay
from lpie.training.distribution.secret import Secret

# It is left less time to end by itself, of which it would use all.
HANGS = """
import threading
import lpie.training.distribution.job as module
module.GRACE_S = 0.5
threading.Event().wait()
"""
WORKER = """
import sys
from lpie.training.distribution.job import Job
from lpie.training.distribution.secret import Secret
from lpie.errors import LpieError
hosts, host, work = sys.argv[1].split(","), int(sys.argv[2]), sys.argv[3]
try:
    with Job(hosts, host, {}, Secret('a secret of tests')) as job:
        print("joined", flush=True)
        exec(work)
except LpieError as error:
    print(f"Error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""
SECRET = Secret("a secret of tests")


def free_hosts(count):
    return [f"127.0.0.1:{free_port()}" for _ in range(count)]


@contextlib.contextmanager
def workers(*work):
    """A job of one process for each piece of work, all of which have joined."""
    hosts = ",".join(free_hosts(len(work)))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, hosts, str(host), text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for host, text in enumerate(work)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "joined\n", process.stderr.read()
        yield hosts.split(","), processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("victim", [0, 2])
def test_one_killed_ends_all_with_a_sentence_that_names_it(victim):
    """Also those whose main thread hangs, and those that are linked to the victim by host 0."""
    with workers(HANGS, HANGS, HANGS) as (hosts, processes):
        processes[victim].send_signal(signal.SIGKILL)
        for process in processes[:victim] + processes[victim + 1 :]:
            _, stderr = process.communicate(timeout=600)
            assert process.returncode == 1
            line = stderr.strip().splitlines()[-1]
            assert line.startswith(f"Error: Host {victim} ({hosts[victim]}) has stopped. Start all")


def test_the_error_of_one_is_told_to_all():
    fails = "from lpie.errors import InputError; raise InputError('No such photo.')"
    with workers(HANGS, fails) as (hosts, processes):
        ends = [process.communicate(timeout=600)[1].strip() for process in processes]
        assert [process.returncode for process in processes] == [1, 2]
        assert ends[1] == "Error: No such photo."
        assert ends[0] == f"Error: Host 1 ({hosts[1]}) has stopped: No such photo."


def test_sigterm_works_again_once_the_libraries_have_connected():
    """They set their own handler, which does nothing."""
    terminated = "signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))"
    ignored = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    work = f"import signal, time; {terminated}\nwith job.connecting(): {ignored}\n"
    work += "print('ready', flush=True); time.sleep(60)"
    with workers(HANGS, work) as (_, processes):
        assert processes[1].stdout.readline() == "ready\n"
        processes[1].terminate()
        ends = [process.communicate(timeout=600)[1].strip() for process in processes]
        assert [process.returncode for process in processes] == [1, 128 + signal.SIGTERM]
        assert "has stopped. Start all 2 again" in ends[0]


def test_an_error_that_the_end_of_another_brought_about_is_not_shown():
    """As when a collective of a library fails before the watch has heard of its cause."""
    fails = "import time; time.sleep(1); raise RuntimeError('Connection closed by peer')"
    with workers(fails, HANGS) as (_, processes):
        processes[1].send_signal(signal.SIGKILL)
        _, stderr = processes[0].communicate(timeout=600)
        assert processes[0].returncode == 1
        assert "closed by peer" not in stderr
        assert "has stopped. Start all 2 again" in stderr


def test_all_leave_a_job_together():
    with workers("pass", HANGS) as (_, processes), pytest.raises(subprocess.TimeoutExpired):
        processes[0].wait(timeout=0.5)


def test_a_job_ends_well_when_the_last_is_done():
    with workers("pass", "import time; time.sleep(0.5)", "pass") as (_, processes):
        for process in processes:
            _, stderr = process.communicate(timeout=600)
            assert (process.returncode, stderr) == (0, "")


@pytest.mark.parametrize("host", [0, 1])
def test_one_that_never_comes(host):
    hosts = free_hosts(2)
    with pytest.raises(LpieError, match=rf"Host {1 - host} \(127.*\) did not come in time"):
        meet(hosts, host, {}, SECRET, limit_s=0.2)


def test_a_port_that_is_taken():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(LpieError, match=f"Port {port} of this machine cannot be .* in use"):
            meet([f"127.0.0.1:{port}", "127.0.0.1:1"], 0, {}, SECRET)


@pytest.mark.parametrize(
    ("hosts", "host", "sentence"),
    [
        (["a:1"], 0, "must name at least two"),
        (["a:1", "a:1"], 0, "must differ from each other"),
        (["a:1", "b:1"], 2, "`host` must be 0 to 1. Received: 2"),
        (["a:1", "b:1"], -1, "`host` must be 0 to 1"),
        (["a:1", "b"], 0, "address:port each. Received: 'b'"),
        (["a:1", "b:0"], 0, "address:port each"),
        (["a:1", ":9"], 0, "address:port each"),
        (["a:1", "b:99999"], 0, "address:port each"),
    ],
)
def test_hosts_that_cannot_be_right(hosts, host, sentence):
    with pytest.raises(InputError, match=sentence):
        parse_hosts(hosts, host)


def test_a_host_number_needs_hosts():
    with pytest.raises(InputError, match="which is empty"), take_part([], 1, None):
        pass


def test_addresses_of_any_kind():
    assert parse_hosts(["[::1]:80", "gpu-7.lab:9000"], 0) == [("::1", 80), ("gpu-7.lab", 9000)]


@pytest.mark.parametrize(
    ("theirs", "sentence"),
    [
        ({"host": 0}, "say that they are host 0"),
        ({"terms": {"train": {"seed": 2}}}, r"Host 1 must train as host 0 does: train\.seed \(2"),
        ({"more": ["127.0.0.1:1"]}, "need the same `hosts`"),
    ],
)
def test_one_that_does_not_fit_is_refused_on_both_sides(theirs, sentence):
    hosts = free_hosts(2)
    terms = {"train": {"seed": 1}}
    raised = []

    def join():
        own = [hosts[0], hosts[1], *theirs.get("more", [])]
        try:
            if theirs.get("host") == 0:  # as from another machine, where that port is free
                from lpie.training.distribution import meeting

                hello = {"host": 0, "hosts": own, "terms": {}}
                meeting._call(parse_hosts(own, 0)[0], hello, SECRET, time.monotonic() + 60)
            meet(own, 1, theirs.get("terms", terms), SECRET, limit_s=30)
        except InputError as error:
            raised.append(str(error))

    other = threading.Thread(target=join)
    other.start()
    with pytest.raises(InputError, match=sentence) as error:
        meet(hosts, 0, terms, SECRET, limit_s=30)
    other.join()
    assert raised == [str(error.value)]


def test_folders_may_differ_between_machines(tmp_path):
    pytest.importorskip("keras")
    hosts = free_hosts(2)
    came = []

    def join(host):
        config = Config(data=DataConfig(folder=f"/machine{host}/photos", workers=1 + host))
        with take_part(hosts, host, config, tmp_path) as job:
            came.append(job.host)

    threads = [threading.Thread(target=join, args=[host]) for host in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came) == [0, 1]
    assert not list(tmp_path.iterdir())  # nobody needs the secret any more


def test_a_relay_passes_on_everything_but_the_end():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(("127.0.0.1", relay(server.getsockname())))
        with near:
            far, _ = server.accept()
            near.sendall(b"ping")
            assert far.recv(4) == b"ping"
            far.sendall(b"pong")
            assert near.recv(4) == b"pong"
            far.close()
            near.settimeout(0.3)
            with pytest.raises(TimeoutError):
                near.recv(1)


@pytest.mark.parametrize("text", ["0", "-1", "two", "cpu:", "gpu:2", "cpu:0", ""])
def test_devices_that_are_no_such_thing(text):
    with pytest.raises(InputError, match="must be a number, all, tpu or cpu:N"):
        find_devices(text)
