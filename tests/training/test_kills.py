"""A run that is killed many times at random moments ends in the weights of one that was not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lpie.training.run import read_log
from tests import soak
from tests.conftest import ROOT

KILLS = soak.amount(20, 4)
# A checkpoint every other step, so that kills meet files being written, and validation.
CONFIG = """
[model]
name = "two_layers"
[data]
patch_px = 32
[train]
steps = 160
batch_size = 4
warmup_steps = 5
ema_momentum = 0.9
log_every = 1
validate_every = 2
""".replace("160", str(40 + 6 * KILLS))


@pytest.mark.soak
def test_random_kills_end_in_the_same_weights_as_none(tmp_path):
    pytest.importorskip("tensorflow")
    (tmp_path / "config.toml").write_text(CONFIG)
    result = subprocess.run(
        [sys.executable, "-m", "tests.training.test_kills", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "Traceback" not in result.stderr
    ends, stopped, saved = json.loads(result.stdout.splitlines()[-1])
    # Stopped long before its first checkpoint, it has one all the same.
    assert stopped == 128 + signal.SIGTERM
    assert saved == read_log(tmp_path / "stopped")[-1]["step"] >= 3
    # At a SIGTERM it leaves with 128 + 15 by itself; SIGKILL is a death by signal.
    assert ends == [-signal.SIGKILL, 128 + signal.SIGTERM] * (KILLS // 2)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    expected = arrays(whole)
    for name, array in arrays(killed).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert steps(killed) == steps(whole)
    assert files(killed) == files(whole)


def arrays(run):
    """Every array of the last checkpoint, and its state."""
    with np.load(run / "checkpoint.npz") as stored:
        return {name: stored[name] for name in stored.files}


def steps(run):
    return [(row["step"], sorted(row)) for row in read_log(run)]


def files(run):
    """The run's files but for TensorBoard's, of which each start makes one."""
    found = {str(path.relative_to(run)) for path in run.rglob("*")}
    return {name for name in found if "events" not in name}


def main(folder: Path) -> None:
    """Train in `folder` whole, and killed; prints how each killed process ended.

    Each start is a fork of this process, which has imported TensorFlow and used nothing of it: it
    starts its threads when it is first used.
    """
    import lpie.training.trainer  # noqa: F401
    import tests.two_layers  # noqa: F401

    assert finished(start(folder, "whole")) == 0
    rng = random.Random(soak.seed())
    ends = []
    for i in range(KILLS):
        process = start(folder, "killed")
        wait(folder / "killed", rng)
        os.kill(process, signal.SIGTERM if i % 2 else signal.SIGKILL)
        ends.append(finished(process))
    assert finished(start(folder, "killed")) == 0
    stopped, saved = stop_early(folder)
    print(json.dumps([ends, stopped, saved]))  # noqa: T201


def stop_early(folder: Path) -> tuple[int, int]:
    """(how a run ended that was asked to stop after some steps, the step of its checkpoint)."""
    process = start(folder, "stopped", "train.validate_every=1000", "train.steps=1000")
    log = folder / "stopped" / "log.jsonl"
    while not log.exists() or len(read_log(log.parent)) < 3:
        assert not os.waitpid(process, os.WNOHANG)[0]
        time.sleep(0.001)
    os.kill(process, signal.SIGTERM)
    end = finished(process)
    return end, json.loads(str(arrays(log.parent)["state"]))["step"]


def start(folder: Path, run: str, *changes: str) -> int:
    """The id of a new process of `lpie train`."""
    process = os.fork()
    if process:
        return process
    from lpie.cli.main import main as lpie

    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    try:
        settings = [word for change in changes for word in ("--set", change)]
        lpie(["train", str(folder / "config.toml"), "--workdir", str(folder / run), *settings])
    except SystemExit as end:
        os._exit(end.code)  # this process's own exit handlers are not for its copies
    os._exit(99)


def finished(process: int) -> int:
    """How the process ended: its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def wait(run: Path, rng: random.Random) -> None:
    """Until a random moment of a run that has just been started."""
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0.1, 2))  # while it starts
        return
    log, rows = run / "log.jsonl", rng.randint(1, 4)
    rows += log.exists()  # a resumed run first writes its log anew
    seen, until = written(log), time.monotonic() + 600  # for a run that has already ended
    row, began = 0.0, time.monotonic()
    while rows and time.monotonic() < until:
        if written(log) != seen:
            seen, rows = written(log), rows - 1
            row, began = time.monotonic() - began, time.monotonic()
        time.sleep(0.001)
    time.sleep(rng.uniform(0, min(row, 0.5)))  # anywhere in the next step or two


def written(path: Path) -> int:
    """When the file was last written to."""
    return path.stat().st_mtime_ns if path.exists() else 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
