"""SIGINT and SIGTERM end the command at once, wherever they meet it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import wait_until

# `main` does what stands in place of "{}".
CODE = """
import gc, pathlib, time
import lpie.cli.main
from lpie.system.files import atomic_path
def wait(*_):
    print("now", flush=True)
    time.sleep(100)
def command(**_):
    {}
lpie.cli.main.lpie.main = command
lpie.cli.main.main([])
"""
# An exception out of a garbage collector's callback is printed and forgotten.
COLLECTING = "gc.callbacks.append(wait); gc.collect()"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("doing", [COLLECTING, "wait()"])
def test_a_signal_ends_the_command_and_its_files(tmp_path, stop, doing):
    path = str(tmp_path / "photo.png")
    with started(
        f"with atomic_path(pathlib.Path({path!r})) as part:\n"
        f"        part.write_text('half'); {doing}"
    ) as process:
        assert process.stdout.readline() == "now\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(stop)
        _, printed = process.communicate()
    assert process.returncode == 128 + stop, printed
    assert "Traceback" not in printed
    assert ("Stopped." in printed) == (stop == signal.SIGINT)
    assert not list(tmp_path.iterdir())


def test_nobody_may_listen():
    """As when Ctrl-C ends the program that stderr goes to as well."""
    with started("wait()") as process:
        assert process.stdout.readline() == "now\n"
        process.stderr.close()
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 128 + signal.SIGINT


def test_an_ignored_interrupt_stays_ignored():
    """As for a shell's background job, which the terminal's Ctrl-C is not for."""
    ignore = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731
    with started("wait()", preexec_fn=ignore) as process:
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.kill()


def test_a_benchmark_takes_its_measurement_with_it(tiny_tflite):
    command = ["bench", str(tiny_tflite["float32"]), "--size", "256x256", "--seconds", "100"]
    with subprocess.Popen([sys.executable, "-m", "lpie", *command]) as process:
        wait_until(lambda: psutil.Process(process.pid).children(), process)
        children = psutil.Process(process.pid).children()
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
    gone, alive = psutil.wait_procs(children, timeout=800)
    assert gone
    assert not alive


def started(doing, **options):
    options.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    return subprocess.Popen(
        [sys.executable, "-c", CODE.replace("{}", doing)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
