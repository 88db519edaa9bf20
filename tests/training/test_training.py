import json
import os
import shutil
import signal
import subprocess
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras")

from lpie.config.config import load_config
from lpie.errors import InputError, LpieError
from lpie.training.run import read_log
from lpie.training.trainer import train
from tests.conftest import TINY_TOML, assert_one_sentence, run_lpie, wait_until
from tests.forked import start_forked

# A network whose step TensorFlow traces in a fraction of the time that LPIENet's takes.
SMALL_MODEL = """name = "lpienet_rt"
hyperparameters = { widths = [8, 8], encoder_blocks = [1], middle_blocks = 1 }"""


@pytest.fixture(scope="module")
def small_config(tmp_path_factory):
    """The tiny config with that network."""
    path = tmp_path_factory.mktemp("config") / "small.toml"
    _, kept, rest = TINY_TOML.partition("[data]")
    path.write_text(f"[model]\n{SMALL_MODEL}\n{kept}{rest}")
    return path


def weights(run):
    """Every array of the final checkpoint: weights, optimizer, moving average."""
    with np.load(run / "checkpoint.npz") as stored:
        return {name: stored[name] for name in stored.files if name != "state"}


def test_a_run_leaves_what_it_promises(tiny_run):
    rows = read_log(tiny_run)
    assert [r["step"] for r in rows if "loss" in r] == [5, 10, 15, 20, 25, 30]
    assert [r["step"] for r in rows if "psnr_db" in r] == [10, 20, 30]
    assert set(rows[0]["parts"]) == {"ssim", "l1", "gradient"}
    # The L1 part: SSIM of four random crops says more of the crops than of the weights.
    l1 = [r["parts"]["l1"] for r in rows if "loss" in r]
    assert l1[-1] < 0.95 * l1[0]
    gains = [r["psnr_db"] - r["degraded_psnr_db"] for r in rows if "psnr_db" in r]
    assert gains == sorted(gains)
    for name in ("best.keras", "last.keras", "checkpoint.npz", "config.json"):
        assert (tiny_run / name).is_file()
    assert list((tiny_run / "tensorboard").glob("events*"))
    assert {p.name for p in (tiny_run / "samples").iterdir()} == {
        f"chelsea.{kind}.png" for kind in ("degraded", "restored", "target")
    }


def test_the_saved_models_hold_the_moving_average(tiny_run, tiny_model):
    stored = weights(tiny_run)
    raw = [stored[f"v{i:04d}"] for i in range(len(tiny_model.weights))]
    differs = [np.abs(a - b).max() for a, b in zip(raw, tiny_model.get_weights(), strict=True)]
    assert max(differs) > 1e-4


def last_step(run):
    """The step of the log's last row, or 0."""
    rows = read_log(run) if (run / "log.jsonl").exists() else []
    return rows[-1]["step"] if rows else 0


def test_killed_at_any_moment_and_resumed_ends_with_the_same_weights(small_config, tmp_path):
    """SIGKILL before and after a checkpoint; `whole` is uninterrupted."""
    run, whole = tmp_path / "killed", tmp_path / "whole"
    train(load_config(small_config), whole, progress=False)
    for until in (3, 12):
        process = start_forked("lpie", "train", small_config, "--workdir", run)
        wait_until(lambda: last_step(run) >= until, process)  # noqa: B023
        process.send_signal(signal.SIGKILL)
        assert process.completed(timeout=800).returncode == -signal.SIGKILL
    result = run_lpie("train", small_config, "--workdir", run, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["steps"] == 30
    expected = weights(whole)
    for name, array in weights(run).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert [r["step"] for r in read_log(run)] == [r["step"] for r in read_log(whole)]
    ours, theirs = (json.loads((r / "config.json").read_text()) for r in (run, whole))
    assert ours == theirs


def test_resuming_a_finished_run_changes_nothing(tiny_config, tiny_run, tmp_path):
    run = tmp_path / "again"
    shutil.copytree(tiny_run, run)
    before = weights(run)
    train(load_config(tiny_config), run, progress=False)
    for name, array in weights(run).items():
        np.testing.assert_array_equal(array, before[name])


def test_one_process_at_a_time_and_no_litter_of_a_killed_one(tiny_config, tiny_run, tmp_path):
    from lpie.training.run import Run

    run = tmp_path / "busy"
    shutil.copytree(tiny_run, run)
    (run / ".best.123.part.keras").write_bytes(b"half")
    config = load_config(tiny_config)
    with Run(run, config).alone():
        assert not list(run.glob(".*"))
        result = run_lpie("train", tiny_config, "--workdir", run)
        assert_one_sentence(result, 1, "Another process trains in")
    train(config, run, progress=False)


def test_another_config_is_refused_with_the_keys_that_differ(tiny_config, tiny_run):
    result = run_lpie(
        *("train", tiny_config, "--workdir", tiny_run, "--set", "train.steps=31"),
        *("--set", "loss.l1=2"),
    )
    assert_one_sentence(result, 2, "loss.l1 (1.0 there, 2.0 now)", "train.steps (30 there, 31 now)")


def test_a_run_of_before_a_setting_came_goes_on(tiny_config, tiny_run, tmp_path):
    run = tmp_path / "old"
    shutil.copytree(tiny_run, run)
    table = json.loads((run / "config.json").read_text())
    del table["train"]["clusters"], table["loss"]["fft"]
    (run / "config.json").write_text(json.dumps(table))
    train(load_config(tiny_config), run, progress=False)
    table["loss"]["fft"] = 0.5
    (run / "config.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match=r"loss\.fft \(0\.5 there, 0\.0 now\)"):
        train(load_config(tiny_config), run, progress=False)


def test_a_damaged_checkpoint_is_named(tiny_config, tiny_run, tmp_path):
    run = tmp_path / "damaged"
    shutil.copytree(tiny_run, run)
    data = (run / "checkpoint.npz").read_bytes()
    (run / "checkpoint.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"checkpoint\.npz is damaged"):
        train(load_config(tiny_config), run, progress=False)


def test_an_unwritable_workdir_says_so(tiny_config, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = run_lpie("train", tiny_config, "--workdir", tmp_path / "file" / "run")
    assert_one_sentence(result, 1, "Cannot write to", "Not a directory")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_says_so_and_keeps_the_last_good_checkpoint(tiny_config, tiny_run, tmp_path):
    """A real file system of 3 MB: room for the first files of a run, not for all."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        run = disk / "run"
        shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("samples", "tensorboard"))
        state = rewind(run, step=20)
        (disk / "ballast").write_bytes(b"x" * (os.statvfs(disk).f_bavail * 4096 - 60_000))
        result = run_lpie("train", tiny_config, "--workdir", run)
        assert_one_sentence(result, 1, "The disk is full", "checkpoint of step 20 is kept")
        with np.load(run / "checkpoint.npz") as stored:
            assert json.loads(str(stored["state"])) == state
        assert not [p for p in run.iterdir() if p.name.startswith(".")]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def rewind(run, step):
    """Make the run's checkpoint say that `step` was its last."""
    with np.load(run / "checkpoint.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    state = {**json.loads(str(arrays.pop("state"))), "step": step}
    np.savez(run / "checkpoint.npz", state=np.array(json.dumps(state)), **arrays)
    return state


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(small_config, tmp_path):
    """Also where the weights go wrong a step before the loss shows it, at a checkpoint."""
    wild = ["train.clip_norm=0", "train.warmup_steps=0"]
    for every, what in {"10": "The loss", "1": "(The validation SSIM|A weight)"}.items():
        run = tmp_path / every
        config = load_config(small_config, [*wild, f"train.validate_every={every}"])
        # More than a config may ask for.
        config = replace(config, train=replace(config.train, learning_rate=1e30))
        with pytest.raises(LpieError, match=rf"{what} is not finite at batch \d"):
            train(config, run, progress=False)
        assert not (run / "checkpoint.npz").exists()
        assert not (run / "last.keras").exists()


def test_training_on_pairs_and_clean_folders(small_config, tmp_path, photos, astronaut):
    from lpie.image.image import write_image

    for name in ("a", "b", "c"):
        write_image(tmp_path / "pairs" / "target" / f"{name}.png", astronaut[100:200, 100:220])
        write_image(tmp_path / "pairs" / "degraded" / f"{name}.png", photos[0][:100, :120])
    small = ["train.steps=3", "train.batch_size=2"]
    larger = "train.progressive=[[1, 48, 2], [2, 64, 1]]"
    for source, folder, also in (("pairs", "pairs", []), ("clean", "pairs/target", [larger])):
        where = [f"data.source={source}", f"data.folder={tmp_path / folder}", *also]
        config = load_config(small_config, [*small, *where])
        result = train(config, tmp_path / "runs" / source, progress=False)
        assert result["photos"] == 2  # the third is held back for validation
        assert np.isfinite(result["psnr_db"])


def test_training_on_jax(small_config, tmp_path):
    pytest.importorskip("jax")
    few = ["--set", "train.steps=6", "--set", "train.log_every=1"]
    result = run_lpie(
        *["train", small_config, "--workdir", tmp_path / "jax", "--json", *few],
        env={"KERAS_BACKEND": "jax"},
    )
    assert result.returncode == 0, result.stderr
    l1 = [row["parts"]["l1"] for row in read_log(tmp_path / "jax") if "loss" in row]
    assert len(l1) == 6
    assert l1[-1] < l1[0]
