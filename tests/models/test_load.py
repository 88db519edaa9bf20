"""Keras files load with the layers that they were built of, whoever wrote those."""

import importlib
import sys

import numpy as np
import pytest

from lpie import build_model
from lpie.errors import InputError
from lpie.models import NETWORKS, Network
from lpie.models.load import load_keras

keras = pytest.importorskip("keras")

MODULE = """
import keras


@keras.saving.register_keras_serializable(package="theirs")
class Double(keras.layers.Layer):
    def call(self, x):
        return 2 * x

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="theirs")
def halved(x):
    return x / 2


def network():
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(3, 1, activation=halved)(image)
    return keras.Model(image, Double()(x))
"""


def forget(name):
    """As a new process would be: the module `name` neither imported nor its layers registered."""
    sys.modules.pop(name, None)
    objects = keras.saving.get_custom_objects()
    for registered in [key for key in objects if key.startswith("theirs>")]:
        del objects[registered]


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """The folder of a module `their_layers`, which can be imported."""
    (tmp_path / "their_layers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    forget("their_layers")


def saved(folder):
    model = importlib.import_module("their_layers").network()
    model.save(folder / "own.keras")
    forget("their_layers")
    return model


def test_a_file_with_layers_of_an_importable_module_loads(theirs):
    model, image = saved(theirs), np.random.default_rng(0).random((1, 4, 4, 3), np.float32)
    loaded = load_keras(theirs / "own.keras")
    np.testing.assert_array_equal(loaded.predict(image, verbose=0), model.predict(image, verbose=0))


def test_a_module_that_is_missing_is_named(theirs):
    saved(theirs)
    (theirs / "their_layers.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(InputError, match="layer Double of the Python module their_layers"):
        load_keras(theirs / "own.keras")


def test_a_network_of_the_registry_may_have_layers_of_its_own(theirs, monkeypatch):
    monkeypatch.setitem(NETWORKS, "theirs", Network("their_layers:network", "unpublished"))
    build_model("theirs").save(theirs / "own.keras")
    forget("their_layers")
    assert load_keras(theirs / "own.keras").count_params() == 12


def test_a_file_that_is_no_keras_file_is_named(tmp_path):
    file = tmp_path / "text.keras"
    file.write_text("not a model")
    with pytest.raises(InputError, match=r"text\.keras is not a Keras model"):
        load_keras(file)
