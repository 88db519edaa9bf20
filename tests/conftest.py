"""What several tests share: real photos, a tiny run trained for real, and the vectors."""

import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import shared
from tests.forked import AT_IMPORT, run_forked

pytest_plugins = ["tests.durations", "tests.soak"]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# XLA optimizes for longer than the tests' networks then run.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # a worker for each core: threads would only wait
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
# A shell has what runs in its background ignore Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
TINY = {"encoder_widths": (8, 12), "decoder_widths": (8,)}
TINY_TOML = """
[model]
hyperparameters = { encoder_widths = [8, 12], decoder_widths = [8] }
[data]
patch_px = 32
[train]
steps = 30
batch_size = 4
learning_rate = 3e-3
warmup_steps = 5
ema_momentum = 0.9
log_every = 5
validate_every = 10
"""


def pytest_collection_finish():
    """TensorFlow keeps a million objects, which Python would look through again and again."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """What is measured of this machine in tests is not what a user's lpie goes by."""
    # One cache for all processes of a run: what one exports, the others know as lpie's own.
    folder = shared.set_up(tmp_path_factory)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    # What one process compiles by JAX, the next one loads.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "jax")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


@pytest.fixture(scope="session")
def astronaut():
    """[512, 512, 3] uint8: a real photograph."""
    data = pytest.importorskip("skimage.data")
    return data.astronaut()


@pytest.fixture(scope="session")
def photos(astronaut):
    """Three real photographs, [H, W, 3] uint8 of different sizes, with noise of sigma 25."""
    from skimage import data

    rng = np.random.default_rng(0)
    clean = [astronaut[100:356, 100:420], data.chelsea()[:300, :300], data.coffee()[:260, :300]]
    noisy = [photo + rng.normal(0, 25, photo.shape) for photo in clean]
    return [np.clip(np.rint(photo), 0, 255).astype(np.uint8) for photo in noisy]


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory):
    """A TOML file of a run that takes seconds."""
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY_TOML)
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny_config, tmp_path_factory):
    """A finished run of the tiny config."""
    pytest.importorskip("keras")
    from lpie.config.config import load_config
    from lpie.training.trainer import train

    def build(folder):
        train(load_config(tiny_config), folder / "tiny", progress=False)

    # A copy for each process: a test may add to it.
    runs = tmp_path_factory.mktemp("runs")
    return shutil.copytree(shared.once("tiny_run", build) / "tiny", runs / "tiny")


@pytest.fixture(scope="session")
def tiny_model(tiny_run):
    from lpie.models.load import load_keras

    return load_keras(tiny_run)


@pytest.fixture(scope="session")
def tiny_tflite(tiny_model, photos, tmp_path_factory):
    """The tiny network as verified float32 and int8 files of 96x64."""
    from lpie.export import export_tflite

    def build(folder):
        for recipe in ("float32", "int8"):
            # Thirty steps make weights whose int8 form need not be good: the budget is not the
            # point.
            export_tflite(
                tiny_model,
                folder / f"{recipe}.tflite",
                recipe=recipe,
                size="96x64",
                photos=photos,
                verified=recipe == "float32",
            )

    files = tmp_path_factory.mktemp("files") / "tiny"
    shutil.copytree(shared.once("tiny_tflite", build), files)
    return {recipe: files / f"{recipe}.tflite" for recipe in ("float32", "int8")}


@pytest.fixture(scope="session")
def vectors():
    """The folder of reference outputs; not part of a user's clone."""
    folder = SHARED / "vectors"
    if not folder.is_dir():
        pytest.skip("no ../shared/vectors beside this clone")
    return folder


def released_state(path):
    """(weights by their released name, the file's other arrays)."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    weights = {k[2:]: v for k, v in arrays.items() if k.startswith("w/")}
    return {re.sub(r"^\d+/", "", k): v for k, v in weights.items()}, arrays


def run_lpie(*arguments, timeout=800, env=None, cwd=None):
    """The real command line in a process of its own."""
    words, environment = list(map(str, arguments)), {**os.environ, **(env or {})}
    if not AT_IMPORT & set(env or {}):
        return run_forked(words, environment, cwd or Path.cwd(), timeout)
    return subprocess.run(
        [sys.executable, "-m", "lpie", *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        cwd=cwd,
        check=False,
    )


def wait_until(condition, process=None):
    """Until `condition()` holds or the process has ended: pytest's timeout alone gives up."""
    while not condition() and (process is None or process.poll() is None):
        time.sleep(0.01)


def run_study(name, *arguments, timeout=800):
    """A script of lpie.benchmarks.studies, as `python -m` runs it, in a process of its own."""
    module = f"lpie.benchmarks.studies.{name}"
    return run_forked(list(map(str, arguments)), os.environ, Path.cwd(), timeout, module)


def assert_one_sentence(result, code, *parts):
    """Exit code, every part in stderr, and no traceback."""
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("Error: "), result.stderr
    for part in parts:
        assert str(part) in line, line
