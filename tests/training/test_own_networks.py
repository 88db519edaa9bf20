"""Networks made outside lpie are trained, with quantization too; TensorBoard shows pictures."""

import importlib
import sys

import numpy as np
import pytest
from PIL import Image

import lpie
from lpie.config.config import Config, load_config
from lpie.errors import InputError
from lpie.models.load import load_keras

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

MODULE = """
import keras

def network(filters=4):
    i = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(filters, 3, padding="same")(i)
    x = keras.layers.PReLU(shared_axes=[1, 2])(x)
    return keras.Model(i, i + keras.layers.Conv2D(3, 3, padding="same")(x), name="theirs")

def number():
    return 3

def of_four():
    i = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, padding="same")(i)
    return keras.Model(i, i + keras.layers.Conv2DTranspose(3, 4, strides=4, padding="same")(x))
"""
SHORT = ["train.steps=2", "train.batch_size=2", "data.patch_px=16", "train.validate_every=1"]


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A folder with their_networks.py, theirs.keras, photos/ and theirs.toml."""
    (tmp_path / "their_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    keras.utils.set_random_seed(0)
    importlib.import_module("their_networks").network().save("theirs.keras")
    (tmp_path / "photos").mkdir()
    for i in range(3):
        photo = np.random.default_rng(i).integers(0, 255, (40, 48, 3), np.uint8)
        Image.fromarray(photo).save(tmp_path / "photos" / f"{i}.png")
    (tmp_path / "theirs.toml").write_text('[model]\nname = "theirs.keras"\n')
    yield tmp_path
    sys.modules.pop("their_networks", None)


def weights(path):
    return load_keras(path).get_weights()


def test_a_file_is_trained_on_from_its_weights(theirs):
    config = load_config(theirs / "theirs.toml", [*SHORT, "train.learning_rate=1e-9"])
    lpie.train(config, theirs / "run", progress=False)
    for before, after in zip(
        weights(theirs / "theirs.keras"), weights(theirs / "run" / "best.keras"), strict=True
    ):
        np.testing.assert_allclose(after, before, atol=1e-4)
    assert b"degraded, restored, clean/" in b"".join(
        path.read_bytes() for path in (theirs / "run" / "tensorboard").iterdir()
    )


def test_a_function_is_called_with_the_hyperparameters(theirs):
    name = 'model.name="their_networks:network"'
    options = [*SHORT, name, "model.hyperparameters={filters=5}"]
    lpie.train(load_config(theirs / "theirs.toml", options), theirs / "run", progress=False)
    assert weights(theirs / "run" / "best.keras")[0].shape == (3, 3, 3, 5)


def test_it_is_trained_with_the_rounding_of_int8(theirs):
    pytest.importorskip("tensorflow_model_optimization")
    options = [*SHORT, "data.folder=photos", "train.warmup_steps=0"]
    lpie.quantize_aware_train("theirs.keras", theirs / "qat", overrides=options, progress=False)
    assert load_keras(theirs / "qat").name == "theirs"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("their_networks:nothing", "has no attribute 'nothing'"),
        ("no_such_module:network", "model.name must be a network of `lpie models`"),
        ("their_networks:number", "must return a keras.Model. Received: int"),
        ("gone.keras", "gone.keras does not exist"),
    ],
)
def test_no_network_is_a_sentence(theirs, name, words):
    config = load_config(theirs / "theirs.toml", [*SHORT, f'model.name="{name}"'])
    with pytest.raises(InputError, match=words):
        lpie.train(config, theirs / "run", progress=False)
    assert not (theirs / "run").exists()


def test_crops_must_fit_its_multiple(theirs):
    options = [*SHORT, 'model.name="their_networks:of_four"', "data.patch_px=18"]
    with pytest.raises(InputError, match=r"data.patch_px must be a multiple of 4.*Try 20"):
        lpie.train(load_config(theirs / "theirs.toml", options), theirs / "run", progress=False)


def test_the_default_is_a_network_of_lpie():
    assert Config().model.name == "lpienet"
