"""The folder of a run: what a failure leaves, and what damaged files of it say."""

import json
import os
import signal

import numpy as np
import pytest

from lpie.config.config import Config, TrainConfig
from lpie.errors import InputError, LpieError
from lpie.system.signals import postponed
from lpie.training.run import Run, read_log
from tests.conftest import SHARED

FIRST, CORRECTED = Config(train=TrainConfig(steps=3)), Config(train=TrainConfig(steps=4))


def fail(run, after=lambda: None):
    with run.alone():
        after()
        raise LpieError("No such network.")


def test_a_failure_before_the_first_checkpoint_leaves_nothing_in_the_way(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(LpieError, match="No such network"):
        fail(Run(folder, FIRST))
    assert not folder.exists()


def test_what_was_in_the_folder_stays(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(LpieError):
        fail(Run(tmp_path, FIRST))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_failure_after_a_checkpoint_keeps_the_run(tmp_path):
    run = Run(tmp_path, FIRST)
    with pytest.raises(LpieError):
        fail(run, lambda: run.save_checkpoint({}, STATE))
    assert run.begun
    with pytest.raises(InputError, match=r"train\.steps \(3 there, 4 now\).* to train on from"):
        Run(tmp_path, CORRECTED)


def test_settings_that_a_kill_left_before_the_first_checkpoint_are_replaced(tmp_path):
    process = os.fork()
    if not process:
        with Run(tmp_path, FIRST).alone():
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
    assert json.loads((tmp_path / "config.json").read_text())["train"]["steps"] == 3
    run = Run(tmp_path, CORRECTED)
    assert run.was_started
    with run.alone():
        assert json.loads((tmp_path / "config.json").read_text())["train"]["steps"] == 4


def test_the_settings_of_a_process_that_trains_are_left_alone(tmp_path):
    with Run(tmp_path, FIRST).alone():
        with (
            pytest.raises(LpieError, match="Another process trains in"),
            Run(tmp_path, CORRECTED).alone(),
        ):
            pass
        assert json.loads((tmp_path / "config.json").read_text())["train"]["steps"] == 3


STATE = {"step": 2, "best_step": 0, "best_psnr_db": 1.0, "ended": False}


@pytest.mark.parametrize(
    "state",
    ["[]", "{}", '{"step": "a"}', '{"step": 1e9}', "[" * 9000, '{"step": 1, "best_step": null}'],
)
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, state):
    run = Run(tmp_path, FIRST)
    np.savez(tmp_path / "checkpoint.npz", state=np.array(state))
    with pytest.raises(InputError, match=r"checkpoint\.npz is damaged"):
        run.load_checkpoint()


def test_a_checkpoint_of_any_bytes_is_one_sentence(tmp_path):
    run = Run(tmp_path, FIRST)
    run.save_checkpoint({"v0": np.zeros(99)}, STATE)
    whole = (tmp_path / "checkpoint.npz").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(len(damaged), size=4)] = rng.integers(256, size=4)
        (tmp_path / "checkpoint.npz").write_bytes(damaged[: rng.integers(len(damaged))].tobytes())
        with pytest.raises(InputError, match="is damaged"):
            run.load_checkpoint()


@pytest.mark.parametrize(
    "line",
    [
        "3",
        "{}",
        '{"step": -1}',
        '{"step": true}',
        '{"step": 1e3}',
        "[" * 9000,
        '{"step": 1' + "0" * 400 + "}",
        '{"step": 1' + "0" * 5000 + "}",
        "\x1b[31m",
        '{"step": 1, "loss": 1' + "0" * 400 + "}",
    ],
)
def test_a_wrong_row_of_the_log_is_named(tmp_path, line):
    (tmp_path / "log.jsonl").write_text(f'{{"step": 1}}\n{line}\n{{"step": 2}}\n')
    with pytest.raises(InputError, match=r"log\.jsonl, line 2 is not") as error:
        read_log(tmp_path)
    assert str(error.value).isprintable()
    (tmp_path / "log.jsonl").write_text(f'{{"step": 1}}\n{line}\n')
    assert read_log(tmp_path) == [{"step": 1}]


def test_the_log_of_the_cases_is_refused_with_its_line(tmp_path):
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside this clone")
    log = (SHARED / "cases/hostile/report_157_log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(log)
    with pytest.raises(InputError, match="line 15 is not a JSON object with a step from 0 to"):
        read_log(tmp_path)


@pytest.mark.parametrize(("worth", "signals", "code"), [(1, 1, 7), (1, 2, 143), (0, 1, 143)])
def test_a_signal_waits_for_work_that_is_worth_it_and_a_second_one_does_not(worth, signals, code):
    process = os.fork()
    if not process:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
        with postponed("Saving.", lambda: bool(worth)) as stop:
            for _ in range(signals):
                os.kill(os.getpid(), signal.SIGTERM)
            assert stop.number == signal.SIGTERM
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == code


def test_python_is_interrupted_after_the_work():
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = []

    def work():
        with postponed("Saving.", lambda: True) as stop:
            os.kill(os.getpid(), signal.SIGINT)
            done.append(stop.number)
            stop.obey()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, handler)
