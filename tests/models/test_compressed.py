"""Pruned and clustered networks: what was asked for is in the saved model and in its int8 file."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras")
pytest.importorskip("tensorflow_model_optimization", reason="needs pip install 'lpie[qat]'")

from lpie.errors import InputError
from lpie.export import export_tflite
from lpie.export.int8.gptq import preround
from lpie.image.image import to_float, to_uint8
from lpie.models.load import load_keras
from lpie.models.tfmot.pruning import CompressedTwin
from lpie.restore.keras_network import forward
from lpie.tflite.model import TfliteModel
from lpie.training import trainer as training
from lpie.training.distribution import OneDevice
from lpie.training.learner import Learner
from lpie.training.trainer import train
from tests.conftest import assert_one_sentence, run_lpie
from tests.models.test_quantized import HYPERPARAMETERS, MODEL, network
from tests.training.test_learner import settings

SPARSE, CLUSTERED = {"sparsity": 0.6}, {"clusters": 8}


def compressing(**train):
    return settings(model=MODEL, train=train)


def kernels(weights):
    """What can be compressed: convolutions' kernels [k, k, C, filters] of at least 64 weights."""
    return [w for w in weights if w.ndim == 4 and w.shape[-1] > 1 and w.size >= 64]


def assert_compressed(found, sparsity=0.0, clusters=0):
    assert len(found) >= 4
    for kernel in found:
        if sparsity:
            assert np.mean(kernel == 0) == pytest.approx(sparsity, abs=0.51 / kernel.size)
        if clusters:
            assert 2 <= len(np.unique(kernel)) <= clusters


@pytest.fixture(scope="module")
def photos(astronaut):
    """Eight crops, [8, 64, 64, 3]."""
    crops = [astronaut[y : y + 64, x : x + 64] for y in (64, 320) for x in (0, 120, 240, 360)]
    return to_float(np.stack(crops))


@pytest.fixture(scope="module", params=[SPARSE, CLUSTERED], ids=["sparse", "clustered"])
def run(request, tmp_path_factory):
    """(folder, what was asked for, result) of a short run; its averaged weights lag far behind."""
    folder = tmp_path_factory.mktemp("compressed")
    config = compressing(**request.param, learning_rate=5e-3, ema_momentum=0.9)
    return folder, request.param, train(config, folder, progress=False)


def test_the_saved_model_is_what_was_asked_for(run):
    folder, asked, result = run
    assert result["best_step"] == 6 or not asked.get("sparsity")
    assert_compressed(kernels(load_keras(folder).get_weights()), **asked)
    assert_compressed(kernels(load_keras(folder / "last.keras").get_weights()), **asked)


def test_the_best_model_has_all_its_zeros(tmp_path, monkeypatch):
    """However much better it was before; nor does patience end a run that has not got them yet."""
    falling = iter(range(40, 0, -1))
    monkeypatch.setattr(
        training, "mean_scores", lambda scores: {"psnr_db": next(falling), "ssim": 0.5}
    )
    config = compressing(**SPARSE, validate_every=1, patience=1)
    result = train(config, tmp_path, progress=False)
    assert (result["best_step"], result["steps"]) == (4, 5)
    assert_compressed(kernels(load_keras(tmp_path).get_weights()), **SPARSE)


def test_a_run_that_was_stopped_ends_with_the_same_weights(run, tmp_path, monkeypatch):
    _, asked, _ = run
    config = compressing(**asked, learning_rate=5e-3, ema_momentum=0.9)
    step, seen = Learner.step, []

    def stopping(self, degraded, target):
        seen.append(0)
        if len(seen) == 6:
            raise KeyboardInterrupt
        return step(self, degraded, target)

    monkeypatch.setattr(Learner, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path, progress=False)
    train(config, tmp_path, progress=False)
    whole, parts = load_keras(run[0] / "last.keras"), load_keras(tmp_path / "last.keras")
    assert len(seen) == 6 + 3  # from the checkpoint of step 3
    for ours, theirs in zip(parts.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_int8_kernels_keep_zeros_and_clusters(run, photos, tmp_path):
    folder, asked, _ = run
    file = tmp_path / "int8.tflite"
    images = [to_uint8(photo) for photo in photos]
    model = load_keras(folder)
    export_tflite(model, file, recipe="int8", size="64x64", photos=images, verified=False)
    found = [kernel for kernel in int8_kernels(file) if kernel.size >= 64]
    assert len(found) == len(kernels(model.get_weights()))
    for kernel in found:  # [filters, k, k, C], each filter with a scale of its own
        if "sparsity" in asked:  # what is nearer to 0 than to the first level joins the zeros
            assert np.mean(kernel == 0) >= asked["sparsity"] - 0.51 / kernel.size
        else:
            assert max(len(np.unique(each)) for each in kernel) <= asked["clusters"]


def int8_kernels(file):
    model = TfliteModel.read(file)
    return [model.array(op.inputs[1]) for op in model.ops if op.name == "CONV_2D"]


def test_only_what_is_compressed_is_rounded_alone(photos):
    model = network()
    layers = [each for each in model.layers if each.weights and each.kernel.shape[-1] > 1]
    sparse, clustered, *others = layers
    kernel, bias = sparse.get_weights()
    kernel[np.abs(kernel) < np.quantile(np.abs(kernel), 0.4)] = 0
    sparse.set_weights([kernel, bias])
    kernel, bias = clustered.get_weights()
    clustered.set_weights([np.rint(kernel * 20) / 20, bias])
    rounded = preround(model, list(photos))

    def farthest(layer):
        """In levels."""
        exact, found = layer.get_weights()[0], rounded.get_layer(layer.name).get_weights()[0]
        return np.abs((found - exact) / (np.abs(exact).max(axis=(0, 1, 2)) / 127)).max()

    assert max(farthest(sparse), farthest(clustered)) < 0.501
    assert np.mean(rounded.get_layer(sparse.name).get_weights()[0] == 0) >= 0.39
    assert min(map(farthest, others)) > 0.6


@pytest.mark.parametrize("asked", [SPARSE, CLUSTERED])
def test_steps_gain_what_it_costs(asked, photos):
    """From the network itself: its twin strays from it, and learns to come back."""
    learner = Learner(compressing(**asked, steps=60, learning_rate=2e-3), OneDevice())
    model = network("lpienet_rt", HYPERPARAMETERS)
    target = forward(model, photos)
    learner._average.set_weights(model.get_weights())
    learner.start(photos)
    losses = [learner.step(photos, target) for _ in range(60)]
    assert max(losses) > 0.01
    assert losses[-1] < 0.5 * max(losses)
    trained = learner._twin.get_weights()
    assert_compressed(kernels(trained), **asked)
    assert np.abs(learner._twin(photos) - forward(learner.averaged(), photos)).mean() < 0.02


def test_clusters_begin_near_the_weights():
    """And anew with every start, not where the twin's first, random weights were."""
    model = network()
    twin = CompressedTwin(model, clusters=32)
    weights = [10 * weight for weight in model.get_weights()]
    twin.set_weights(weights)
    for snapped, exact in zip(kernels(twin.get_weights()), kernels(weights), strict=True):
        assert np.abs(snapped - exact).mean() < 0.2 * np.abs(exact).mean()


def test_small_kernels_stay():
    model = network()
    twin = CompressedTwin(model, clusters=100)
    assert min(w.size for w in kernels(model.get_weights())) == 128
    for found, exact in zip(twin.get_weights(), model.get_weights(), strict=True):
        if exact.size < 200 or exact.ndim < 4 or exact.shape[-1] == 1:
            np.testing.assert_array_equal(found, exact)
        else:
            assert len(np.unique(found)) <= 100 < len(np.unique(exact))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--sparsity", "1.0"], "--sparsity must be above 0 and below 1. Received: 1."),
        (["--clusters", "257"], "--clusters must be in 2 to 256. Received: 257"),
        ([], "Give one of --sparsity and --clusters, above 0. Received: 0 and 0"),
        (["--sparsity", "0.5", "--clusters", "8"], "Give one of --sparsity and --clusters"),
        (["--clusters", "8", "--set", "train.sparsity=0.5"], "must be used alone"),
        (["--clusters", "8", "--set", "train.precision=bfloat16"], "must be float32 with"),
    ],
)
def test_wrong_settings(options, sentence, tmp_path):
    done = run_lpie("compress", "denoise-s", "--workdir", tmp_path / "run", *options)
    assert_one_sentence(done, 2, sentence)
    assert not (tmp_path / "run").exists()


def test_one_device_alone():
    with pytest.raises(InputError, match="Compression runs on one device"):
        Learner(compressing(**SPARSE), SimpleNamespace(replicas=2))


@pytest.mark.parametrize("run", [CLUSTERED], indirect=True)
def test_command_line(run, tmp_path):
    folder, asked, _ = run
    ((name, value),) = asked.items()
    few = ["--set", "train.steps=3", "--set", "train.batch_size=4"]
    done = run_lpie("compress", folder, "--workdir", tmp_path / "run", f"--{name}", value, *few)
    assert done.returncode == 0, done.stderr
    assert "3 steps" in done.stdout
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["hyperparameters"] == HYPERPARAMETERS
    assert config["train"]["initial_weights"] == str(folder)
    assert config["train"][name] == value
    options = ["--size", "64x64", "--no-verify", "--json", "-o", tmp_path / "a.tflite"]
    done = run_lpie("export", tmp_path / "run", *options)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 0 < found["compressed_bytes"] < 0.8 * found["file_bytes"]
