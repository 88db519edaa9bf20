"""Training on several devices and processes, for real, compared with training on one."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from lpie.backend import keras
from lpie.training.distribution.link import free_port
from lpie.training.run import read_log
from tests import soak
from tests.conftest import ROOT, assert_one_sentence
from tests.forked import start_forked

# Clipping is on at its default: a gradient of the wrong scale would show. The learning rate is
# low, as Adam turns the rounding of a gradient near zero into a whole step.
CONFIG = """
[model]
name = "two_layers"
[data]
patch_px = 32
[train]
steps = 40
batch_size = 4
learning_rate = 1e-4
warmup_steps = 2
ema_momentum = 0.9
log_every = 1
validate_every = 10
"""
RUNS = [
    ("refused", "cpu:4", ["train.batch_size=6"]),
    ("four", "cpu:4", []),
    ("refused", "5", []),
    ("one", "1", []),
    ("accumulated", "1", ["train.accumulate=2"]),
]
# A network of many layers; each device traces it anew, LPIENet for a minute.
DEEP = [
    f"model.name={soak.amount('lpienet', 'lpienet_rt')}",
    "model.hyperparameters="
    + soak.amount(
        "{encoder_widths=[8,8],decoder_widths=[8]}",
        "{widths=[8,8],encoder_blocks=[1],middle_blocks=1}",
    ),
    "train.steps=4",
]
DEVICES = soak.amount(4, 2)
# On JAX host 0 matters most: its death aborts the other processes of a plain JAX job.
VICTIM = {"tensorflow": 1, "jax": 0}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module", params=list(VICTIM))
def backend(request):
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return request.param


@pytest.fixture(scope="module")
def alone(backend, config, tmp_path_factory):
    """(folder of runs in a single process, the sentences of those that were refused)."""
    folder = tmp_path_factory.mktemp(backend)
    process = train_alone(backend, config, folder, RUNS)
    result = completed(process)
    assert result.returncode == 0, result.stderr
    return folder, json.loads(result.stdout)


@pytest.fixture(scope="module")
def killed(backend, config, tmp_path_factory):
    """(run, what the survivor said, hosts) of a job of two, one of which was killed."""
    run, victim = tmp_path_factory.mktemp(f"{backend}_killed") / "run", VICTIM[backend]
    with job(backend, config, run, run) as (hosts, processes):
        wait_for(run, step=11, processes=processes)
        processes[victim].send_signal(signal.SIGKILL)
        survivor = completed(processes[1 - victim])
        assert completed(processes[victim]).returncode == -signal.SIGKILL
    return run, survivor, hosts


def start(backend, module, *arguments, **variables):
    """`python -m MODULE` in a process of its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    if backend == keras.backend.backend() == "tensorflow":
        return start_forked(module, *arguments, environment=environment)
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**environment, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train_alone(backend, config, folder, runs):
    """One process for all that one process can do, as starting takes longer than training."""
    return start(backend, "tests.training.test_distribution", config, folder, json.dumps(runs))


def main(config, folder, runs):
    """Train every run of `runs`, and print the sentences of those that were refused."""
    from lpie.config.config import load_config
    from lpie.errors import InputError
    from lpie.training.trainer import train
    from tests import two_layers  # noqa: F401

    sentences = []
    for name, devices, changes in json.loads(runs):
        try:
            settings = load_config(Path(config), changes)
            train(settings, Path(folder) / name, devices=devices, progress=False)
        except InputError as error:
            sentences.append(str(error))
    print(json.dumps(sentences))  # noqa: T201


@contextlib.contextmanager
def job(backend, config, *workdirs, **variables):
    """A process of `lpie train` for each workdir; none outlives the block."""
    hosts = [f"127.0.0.1:{free_port()}" for _ in workdirs]
    processes = [
        start(
            *(backend, "tests.two_layers", "train", config, "--workdir", workdir),
            *("--devices", "all", "--hosts", ",".join(hosts), "--host", host),
            **variables,
        )
        for host, workdir in enumerate(workdirs)
    ]
    try:
        yield hosts, processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def wait_for(run, step, processes):
    """Returns once the log of `run` has `step`."""
    while not (run / "log.jsonl").exists() or not read_log(run) or read_log(run)[-1]["step"] < step:
        ended = [completed(process).stderr for process in processes if process.poll() is not None]
        assert not ended, ended
        time.sleep(0.01)


def completed(process):
    stdout, stderr = process.communicate(timeout=800)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def stored(run):
    """(state, every array of the last checkpoint: weights, optimizer, moving average)."""
    with np.load(run / "checkpoint.npz") as checkpoint:
        arrays = {name: checkpoint[name] for name in checkpoint.files}
    return json.loads(str(arrays.pop("state"))), arrays


def assert_same_weights(run, other, step=40):
    (state, arrays), (expected_state, expected) = stored(run), stored(other)
    assert state["step"] == expected_state["step"] == step
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-5, err_msg=name)


def test_four_devices_train_as_one(alone):
    folder, _ = alone
    assert_same_weights(folder / "four", folder / "one")


@pytest.mark.soak
def test_devices_train_a_deep_network_as_one(config, tmp_path):
    """In processes of their own, as TensorFlow mixes up two strategies in one."""
    pytest.importorskip("tensorflow")
    runs = [("many", f"cpu:{DEVICES}", DEEP), ("one", "1", DEEP)]
    started = [train_alone("tensorflow", config, tmp_path, [run]) for run in runs]
    for process in started:
        result = completed(process)
        assert result.returncode == 0, result.stderr
    assert_same_weights(tmp_path / "many", tmp_path / "one", step=4)


def test_an_accumulated_gradient_is_that_of_the_whole_batch(alone):
    folder, _ = alone
    (_, ours), (_, theirs) = stored(folder / "accumulated"), stored(folder / "one")
    for name in [name for name in theirs if theirs[name].ndim]:  # not the counters of steps
        found = [a for a in ours.values() if a.shape == theirs[name].shape]
        assert any(np.abs(a - theirs[name]).max() < 1e-5 for a in found), name


def test_what_cannot_be_split_or_found_is_said_before_training(alone):
    folder, (indivisible, too_many) = alone
    assert "train.batch_size must be a multiple of the 4 devices" in indivisible
    assert "`devices` must be at most 4 on this machine: " in too_many
    assert too_many.lower().count("cpu") >= 4  # their names
    assert not (folder / "refused").exists()


def test_one_killed_process_ends_the_other_with_a_sentence(backend, killed):
    run, survivor, hosts = killed
    name = f"Host {VICTIM[backend]} ({hosts[VICTIM[backend]]})"
    assert_one_sentence(survivor, 1, f"{name} has stopped. Start all 2 again", "resume")
    assert stored(run)[0]["step"] in (10, 20, 30)


@pytest.mark.soak
def test_other_workdirs_are_noticed(backend, config, killed, tmp_path):
    if backend == "jax" and not soak.FULL:
        pytest.skip("two more processes import JAX: make soak")
    run, _, _ = killed
    secret = {"LPIE_JOB_SECRET": "one that needs no shared folder"}
    with job(backend, config, run, tmp_path / "other", **secret) as (hosts, processes):
        first, second = map(completed, processes)
    assert_one_sentence(second, 1, "Process 1 has the checkpoint of step 0", "share")
    assert_one_sentence(first, 1, f"Host 1 ({hosts[1]}) has stopped: Process 1 has")


def test_the_job_resumes_to_the_weights_of_one_device(backend, config, alone, killed):
    run, _, _ = killed
    with job(backend, config, run, run) as (_, processes):
        for process in processes:
            result = completed(process)
            assert result.returncode == 0, result.stderr
            assert "Traceback" not in result.stderr
    assert_same_weights(run, alone[0] / "one")
    assert [r["step"] for r in read_log(run)] == [r["step"] for r in read_log(alone[0] / "one")]
    assert not [p for p in run.iterdir() if p.name.startswith(".")]


if __name__ == "__main__":
    main(*sys.argv[1:])
