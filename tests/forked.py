"""The command line in processes that need not import TensorFlow: they are forked from one that has.

That one runs nothing; what it imports starts no thread of TensorFlow's.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORTED = ["lpie.backend", "cv2", "ai_edge_litert.interpreter", "tests.forked"]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(IMPORTED)
# Read where TensorFlow or Keras are imported.
AT_IMPORT = {"KERAS_BACKEND", "PYTHONPATH"}


def run_forked(arguments, environment, cwd, timeout):
    """What `python -m lpie` of `arguments` in that environment and folder prints, and its code."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        child = FORKS.Process(target=_run, args=(arguments, environment, cwd, out, err))
        child.start()
        child.join(timeout)
        late = child.exitcode is None
        if late:
            child.kill()
            child.join()
        texts = [each.read_text() if each.exists() else "" for each in (out, err)]
    if late:
        raise subprocess.TimeoutExpired(arguments, timeout, *texts)
    return subprocess.CompletedProcess(arguments, child.exitcode, *texts)


def _run(arguments, environment, cwd, *outputs):
    from lpie.cli.main import main

    for target, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND), target)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["lpie", *arguments]
    main(arguments)
