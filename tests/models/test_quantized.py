"""Quantization-aware training: a twin in tf_keras that is the network, rounds as its int8 file
does, learns, and is exported."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras")
pytest.importorskip("tensorflow_model_optimization", reason="needs pip install 'lpie[qat]'")

import tensorflow as tf
import tf_keras

import lpie
from lpie.backend import keras
from lpie.errors import InputError, LpieError
from lpie.export import export_tflite
from lpie.image.image import to_float, to_uint8
from lpie.models.layers import PixelShuffle
from lpie.models.load import load_keras
from lpie.models.tfmot.keras2 import translated
from lpie.models.tfmot.qat import QuantizedTwin
from lpie.restore.keras_network import forward
from lpie.restore.restorer import Restorer
from lpie.training.distribution import OneDevice
from lpie.training.learner import Learner
from lpie.training.run import settings_of
from lpie.training.trainer import train
from tests.conftest import assert_one_sentence, run_lpie
from tests.training.test_learner import settings

SMALL = {"encoder_widths": (8, 16, 16), "decoder_widths": (16, 8)}
SMALLER = {"encoder_widths": (8, 16), "decoder_widths": (8,)}
TINY = {"widths": (8, 16), "encoder_blocks": (1,), "middle_blocks": 1}
NETWORKS = [
    ("lpienet", {**SMALLER, "activation": "elu"}),
    ("lpienet", {**SMALLER, "activation": "relu"}),
    ("lpienet", {**SMALLER, "activation": "leaky_relu", "variant": "pytorch"}),
    ("lpienet_rt", TINY),
    ("lpienet_rt", {**TINY, "attention": True, "activation": "gate"}),
    (
        "nafnet",
        {
            "block": "plain",
            "width": 8,
            "encoder_blocks": (1,),
            "middle_blocks": 1,
            "decoder_blocks": (1,),
        },
    ),
]

# What is trained is of one level: the wrappers of every layer take long to trace.
HYPERPARAMETERS = {"widths": [16], "encoder_blocks": [], "middle_blocks": 1}
MODEL = {"name": "lpienet_rt", "hyperparameters": HYPERPARAMETERS}


def rounding(**train):
    return settings(model=MODEL, train={"quantization_aware": True, **train})


def network(name="lpienet_rt", options=None):
    """With random biases, which Keras starts at zero."""
    keras.utils.set_random_seed(0)
    model = lpie.build_model(name, **(TINY if options is None else options))
    draw = np.random.default_rng(0)
    model.set_weights(
        [w if w.ndim > 1 else draw.normal(0, 0.05, w.shape) for w in model.get_weights()]
    )
    return model


@pytest.fixture(scope="module")
def photos(astronaut):
    """Eight noisy crops, [8, 64, 64, 3]."""
    crops = [astronaut[y : y + 64, x : x + 64] for y in (64, 320) for x in (0, 120, 240, 360)]
    noisy = np.stack(crops) + np.random.default_rng(0).normal(0, 25, (8, 64, 64, 3))
    return to_float(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_tf_keras_computes_the_same(name, options, photos):
    model = network(name, options)
    twin = translated(model)
    np.testing.assert_allclose(twin.model(photos), forward(model, photos), atol=1e-5)
    for variable, weight in zip(twin.variables, model.get_weights(), strict=True):
        np.testing.assert_array_equal(variable, weight)


@pytest.mark.parametrize(("name", "options"), [NETWORKS[0], NETWORKS[3], NETWORKS[5]])
def test_it_errs_as_the_int8_file_does(name, options, photos, tmp_path):
    """As much; not in the same places, since each side chose its ranges by itself."""
    model = network(name, options)
    twin = QuantizedTwin(model)
    twin.calibrate(photos)
    file = tmp_path / "int8.tflite"
    images = [to_uint8(photo) for photo in photos]
    export_tflite(model, file, recipe="qat_int8", size="64x64", photos=images, verified=False)
    restorer = Restorer(file)
    exact = np.clip(forward(model, photos), 0, 1)
    ours = np.clip(twin(photos), 0, 1) - exact
    theirs = np.stack([restorer.restore(photo) for photo in photos]) - exact
    assert 0.8 < ours.std() / theirs.std() < 1.25


def test_kernels_and_outputs_lie_on_levels(photos):
    """A convolution alone, before the sum that is the output."""
    image = keras.Input((None, None, 3))
    convolution = keras.layers.Conv2D(3, 3, padding="same", name="convolution")
    model = keras.Model(image, keras.layers.Add()([convolution(image), image]))
    twin = QuantizedTwin(model)
    twin.calibrate(photos)
    kernel, bias = convolution.get_weights()
    step = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    convolution.set_weights([np.rint(kernel / step) * step, bias])
    residual = keras.ops.convert_to_numpy(convolution(photos))
    low, high = next(each.variable for each in twin._ranges if each._fixed is None)
    step = float(high - low) / 255
    assert 0.5 * np.ptp(residual) / 255 < step < 1.01 * np.ptp(residual) / 255
    sums = np.clip(np.rint(residual / step) * step, low, high) + photos
    expected = np.clip(np.rint(sums * 255), 0, 255) / 255
    assert np.mean(np.abs(twin(photos) - expected) > 1e-4) < 0.01  # ties
    assert np.abs(twin(photos) - expected).max() < step + 1.01 / 255


def test_a_narrow_channel_has_levels_too(photos):
    """Channels are rounded after the factors that make them span alike, as in the int8 file."""
    image = keras.Input((None, None, 3))
    wide = keras.layers.Conv2D(3, 1, use_bias=False, name="wide")
    back = keras.layers.Conv2D(3, 1, use_bias=False, name="back")
    model = keras.Model(image, keras.layers.Add()([back(wide(image)), image]))
    gains = np.diag([8.0, 1.0, 0.5])
    wide.set_weights([gains[None, None].astype(np.float32)])
    back.set_weights([0.05 * np.linalg.inv(gains)[None, None].astype(np.float32)])
    twin = QuantizedTwin(model)
    twin.calibrate(photos)
    inner = tf_keras.Model(twin._model.input, twin._model.get_layer("quant_wide").output)
    narrow = np.asarray(inner(photos))[..., 2]
    assert len(np.unique(narrow)) > 100  # 16 of 256, were all channels alike
    assert np.abs(narrow - 0.5 * photos[..., 2]).max() < 0.6 * 0.5 / 100


def test_what_moves_values_shares_their_range():
    """Bilinear up-sampling and concatenation have one scale for all they take and return."""
    model = network("lpienet", SMALL)
    twin = QuantizedTwin(model)
    wrappers = {layer.layer.name: layer for layer in twin._model.layers if hasattr(layer, "layer")}

    def range_of(name):
        return wrappers[name].quantize_config.get_output_quantizers(None)[0]._kept

    for name in ("decoder0", "decoder1"):
        up, skip = range_of(f"{name}_up"), range_of(f"{name}_skip")
        assert up is skip
    assert range_of("decoder0_up") is range_of("encoder1_attention_sum")
    assert range_of("encoder0_block1_sum0") is not range_of("encoder0_block1_sum1")


def test_an_unknown_layer_is_named():
    with pytest.raises(InputError, match=r"LayerNormalization \(encoders\.0\.0\.norm1\)"):
        QuantizedTwin(
            network(
                "nafnet",
                {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)},
            )
        )


def test_another_function_is_refused(photos, monkeypatch):
    turned = replace(PixelShuffle.facts, twin=lambda layer, x: -tf.nn.depth_to_space(x, 2))
    monkeypatch.setattr(PixelShuffle, "facts", turned)
    twin = QuantizedTwin(network())
    with pytest.raises(LpieError, match="lpienet_rt computes another function in tf_keras"):
        twin.calibrate(photos)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_rounding_gains_what_it_costs(optimizer, photos):
    """Steps on the twin bring the rounded network nearer to its target."""
    config = rounding(optimizer=optimizer, steps=40)
    degraded, target = photos, photos * 0.8
    ours = Learner(config, OneDevice())
    ours.start(degraded)
    first = ours.step(degraded, target)
    for _ in range(38):
        last = ours.step(degraded, target)
    assert last < 0.85 * first
    average = ours.averaged()
    rounded, plain = ours.as_trained(average), forward(average, degraded)
    assert isinstance(rounded, QuantizedTwin)
    assert 1e-4 < np.abs(rounded(degraded) - np.clip(plain, 0, 1)).mean() < 0.03


def test_a_run_that_was_stopped_ends_with_the_same_weights(tmp_path, monkeypatch):
    def ran(folder):
        train(rounding(), tmp_path / folder, progress=False)
        return load_keras(tmp_path / folder).get_weights()

    whole = ran("whole")
    step = Learner.step

    def stopping(self, degraded, target):
        if self._optimizer.iterations == 5:
            raise KeyboardInterrupt
        return step(self, degraded, target)

    monkeypatch.setattr(Learner, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        ran("parts")
    monkeypatch.setattr(Learner, "step", step)
    for ours, theirs in zip(ran("parts"), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run, then trained further as int8 by the command line."""
    folder = tmp_path_factory.mktemp("quantized")
    train(settings(model=MODEL), folder / "plain", progress=False)
    few = ["--set", "train.steps=4", "--set", "train.batch_size=4"]
    done = run_lpie("quantize-aware", folder / "plain", "--workdir", folder / "int8", *few)
    assert done.returncode == 0, done.stderr
    assert "4 steps" in done.stdout
    return folder


def test_command_line(run):
    config = json.loads((run / "int8" / "config.json").read_text())
    assert config["model"]["hyperparameters"] == HYPERPARAMETERS
    assert config["train"]["initial_weights"] == str(run / "plain")
    assert config["train"]["quantization_aware"] is True
    options = ["--size", "64x64", "--no-verify", "--json"]
    done = run_lpie("export", run / "int8", "--recipe", "qat_int8", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recipe"] == "qat_int8"


def test_a_run_of_floats_is_no_int8_run(run):
    done = run_lpie("export", run / "plain", "--recipe", "qat_int8", "--size", "64x64")
    assert_one_sentence(
        done, 2, "was not fine-tuned with quantization-aware training. Run `lpie quantize-aware"
    )


@pytest.mark.parametrize(
    ("model", "code", "sentence"),
    [
        ("missing/run", 2, "is not a run: it holds no config.json"),
        ("denoize", 2, "denoize does not exist"),
        ("denoise-s", 2, "data.folder must be set for data.source = 'clean'"),
        ("lowlight", 2, "data.folder must be set for data.source = 'pairs'"),
    ],
)
def test_what_cannot_be_trained_further(model, code, sentence, tmp_path):
    done = run_lpie("quantize-aware", model, "--workdir", tmp_path / "run")
    assert_one_sentence(done, code, sentence)
    assert not (tmp_path / "run").exists()


def test_settings_of_a_pretrained_network_are_a_copy():
    table = settings_of(Path("denoise-s"))
    table["model"]["hyperparameters"]["size"] = "l"
    assert settings_of(Path("denoise-s"))["model"]["hyperparameters"]["size"] == "s"


def test_patches_that_the_twin_cannot_take():
    """PlainNet pads by itself; its twin does not."""
    name, options = NETWORKS[-1]
    options = {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}
    config = settings(
        model={"name": name, "hyperparameters": options},
        data={"patch_px": 33},
        train={"quantization_aware": True},
    )
    with pytest.raises(InputError, match=r"needs patches of a multiple of 2 px\. Received: 33"):
        Learner(config, OneDevice())


def test_a_conv_of_one_filter_has_one_step():
    """Unlike a depthwise kernel of the same shape, which has one for each channel."""
    image = keras.Input((None, None, 3))
    layers = [keras.layers.Conv2D(1, 1, name="one"), keras.layers.DepthwiseConv2D(1, name="each")]
    x = layers[1](image)
    output = keras.layers.Add()([keras.layers.Multiply()([layers[0](x), image]), image])
    twin = QuantizedTwin(keras.Model(image, output))
    axes = {
        layer.layer.name: layer.quantize_config._kernel._axes
        for layer in twin._model.layers
        if hasattr(layer, "quantize_config")
    }
    assert axes["one"] == (0, 1, 2)
    assert axes["each"] == (0, 1)


def test_one_device_alone(tmp_path):
    config = rounding()
    with pytest.raises(InputError, match="runs on one device"):
        Learner(config, SimpleNamespace(replicas=2))
