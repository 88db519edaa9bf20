"""The command line in processes that need not import TensorFlow: they are forked from one that has.

That one runs nothing; what it imports starts no thread of TensorFlow's.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORTED = ["lpie.backend", "cv2", "ai_edge_litert.interpreter", "tests.forked"]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(IMPORTED)
# Read where TensorFlow or Keras are imported.
AT_IMPORT = {"KERAS_BACKEND", "PYTHONPATH"}


def run_forked(arguments, environment, cwd, timeout, module="lpie"):
    """What `python -m MODULE` prints for these arguments in that folder, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        child = FORKS.Process(
            target=_run, args=(module, arguments, dict(environment), cwd, out, err)
        )
        child.start()
        child.join(timeout)
        late = child.exitcode is None
        if late:
            child.kill()
            child.join()
        texts = [path.read_text() if path.exists() else "" for path in (out, err)]
    if late:
        raise subprocess.TimeoutExpired(arguments, timeout, *texts)
    return subprocess.CompletedProcess(arguments, child.exitcode, *texts)


def _run(module, arguments, environment, cwd, *outputs):
    for target, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND), target)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
