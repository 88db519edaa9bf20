"""What takes long to build, built once in a run of the tests, by whichever process asks first."""

import fcntl
import os
import shutil
from pathlib import Path

_FOLDER: list[Path] = []


def set_up(factory):
    """The folder that all processes of one run share; `factory`: pytest's `tmp_path_factory`."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    _FOLDER[:] = [folder]
    return folder


def once(name, build):
    """The folder `name`, which `build(folder)` has filled; nobody may write to it afterwards."""
    folder = _FOLDER[0] / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            build(begun)
            begun.rename(folder)
    return folder
