"""The command line in processes that need not import TensorFlow: they are forked from one that has.

That one runs nothing; what it imports starts no thread of TensorFlow's.
"""

import ctypes
import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORTED = [
    *("lpie.backend", "cv2", "ai_edge_litert.interpreter"),
    *("lpie.cli.main", "lpie.benchmarks.bench", "tests.forked"),
]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(IMPORTED)
# Read where TensorFlow or Keras are imported.
AT_IMPORT = {"KERAS_BACKEND", "PYTHONPATH"}


class Forked:
    """A process that calls `function(*arguments)`; used like a `subprocess.Popen` with pipes."""

    def __init__(self, function, *arguments):
        self.args = arguments
        self._folder = tempfile.TemporaryDirectory()
        self._printed = [Path(self._folder.name, name) for name in ("out", "err")]
        self._process = FORKS.Process(target=_call, args=(function, arguments, *self._printed))
        self._process.start()

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def kill(self):
        self._process.kill()

    def communicate(self, timeout=None):
        """What it has printed, once it has ended."""
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return tuple(path.read_text() if path.exists() else "" for path in self._printed)

    def completed(self, timeout):
        """Its exit code and what it has printed; it is killed if it does not end."""
        try:
            texts = self.communicate(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise subprocess.TimeoutExpired(self.args, timeout, *self.communicate()) from None
        return subprocess.CompletedProcess(self.args, self.returncode, *texts)


def start_forked(module, *arguments, environment=None, cwd=None):
    """`python -m MODULE` with these arguments, environment (default: this one's) and folder."""
    words = [str(argument) for argument in arguments]
    return Forked(_run, module, words, dict(environment or os.environ), cwd or Path.cwd())


def run_forked(arguments, environment, cwd, timeout, module="lpie"):
    """What `python -m MODULE` prints for these arguments in that folder, and its exit code."""
    process = start_forked(module, *arguments, environment=environment, cwd=cwd)
    return process.completed(timeout)


def join_network(process):
    """Take this process into the network namespace of another."""
    with open(f"/proc/{process}/ns/net") as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace.fileno(), 0):
            raise OSError(ctypes.get_errno(), "setns")


def run_in_network(process, module, words, environment, cwd):
    """`_run` in the network namespace of another process."""
    join_network(process)
    _run(module, words, environment, cwd)


def _call(function, arguments, *outputs):
    gc.freeze()  # what was imported is looked through no more
    for target, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND), target)
    function(*arguments)


def _run(module, arguments, environment, cwd):
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
