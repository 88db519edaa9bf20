"""Keras files that are damaged or hostile: one sentence, before they take memory or run code."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from lpie import Restorer
from lpie.cli.export.verify import verify
from lpie.errors import InputError
from tests import soak
from tests.conftest import SHARED

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")
load_keras = pytest.importorskip("lpie.models.load").load_keras

CASES = SHARED / "cases"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A network of two layers as `.keras`."""
    file = tmp_path_factory.mktemp("keras") / "whole.keras"
    image = keras.Input((None, None, 3))
    maps = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    keras.Model(image, keras.layers.Conv2D(3, 3, padding="same")(maps)).save(file)
    return file


def members(file):
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(folder, parts, compression=zipfile.ZIP_STORED):
    file = folder / "x.keras"
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file


def refused(file, words):
    """Every way to open a network says the same."""
    with pytest.raises(InputError, match=words) as first:
        load_keras(file)
    with pytest.raises(InputError) as second:
        Restorer(file)
    assert str(first.value) == str(second.value)
    assert "\n" not in str(first.value)


def test_any_flipped_bit_is_a_sentence_or_does_no_harm(whole, tmp_path):
    data, file = whole.read_bytes(), tmp_path / "x.keras"
    sentences = 0
    for n in range(soak.amount(300, 12)):
        damaged = bytearray(data)
        rng = soak.rng(n)
        for place in rng.integers(len(data), size=int(rng.integers(1, 4))):
            damaged[place] ^= 1 << int(rng.integers(8))
        cut = len(data) if n % 4 else int(rng.integers(len(data)))
        file.write_bytes(damaged[:cut])
        try:
            load_keras(file)
        except InputError as error:
            sentences += 1
            said = str(error)
        else:
            said = ""
        assert "\n" not in said
    assert sentences


def declared(whole, **config):
    """The parts of a file whose first convolution has other settings."""
    parts = members(whole)
    table = json.loads(parts["config.json"])
    table["config"]["layers"][1]["config"].update(config)
    return {**parts, "config.json": json.dumps(table)}


@pytest.mark.parametrize(
    "config", [{"filters": 2**40}, {"kernel_size": [50_000, 50_000]}, {"filters": 2_000_000}]
)
def test_more_than_a_file_stores_is_refused_before_it_takes_memory(whole, tmp_path, config):
    refused(rewritten(tmp_path, declared(whole, **config)), "of which the file stores|axis -1 of")


@pytest.mark.parametrize(
    "config",
    [{"filters": -1}, {"filters": "many"}, {"strides": [0, 0]}, {"padding": 3}, {"dtype": "x"}],
)
def test_settings_that_no_layer_takes(whole, tmp_path, config):
    refused(rewritten(tmp_path, declared(whole, **config)), "can be loaded")


def test_an_archive_that_swells(whole, tmp_path):
    parts = {**members(whole), "more": bytes(200_000_000)}
    refused(rewritten(tmp_path, parts, zipfile.ZIP_DEFLATED), "no honest network")


def test_arrays_that_claim_more_than_they_store(whole, tmp_path):
    file = io.BytesIO(members(whole)["model.weights.h5"])
    with h5py.File(file, "r+") as stored:
        stored.create_dataset("huge", shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))
    parts = {**members(whole), "model.weights.h5": file.getvalue()}
    refused(rewritten(tmp_path, parts), "stores far less")


@pytest.mark.parametrize(
    "text",
    ["[" * 50_000, '{"a":' * 500 + "1" + "}" * 500, "no", "[]", ""],
    ids=["deeply nested", "nested", "no JSON", "a list", "empty"],
)
def test_a_config_that_is_none(whole, tmp_path, text):
    refused(rewritten(tmp_path, {**members(whole), "config.json": text}), "config")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_part_that_lacks(whole, tmp_path, name):
    parts = members(whole)
    del parts[name]
    refused(rewritten(tmp_path, parts), name)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_function_in_a_file_never_runs(tmp_path, suffix):
    image = keras.Input((None, None, 3))
    mark = tmp_path / "mark"
    code = keras.layers.Lambda(lambda x, mark=str(mark): (os.mkdir(mark), x)[1])
    file = tmp_path / f"x{suffix}"
    model = keras.Model(image, code(image))
    mark.rmdir()
    model.save(file)
    refused(file, "x\\.")
    assert not mark.exists()


def test_an_hdf5_file_is_a_network_for_every_verb(whole, tmp_path):
    model = load_keras(whole)
    model.save(tmp_path / "x.h5")
    image = np.random.default_rng(0).random((24, 40, 3), np.float32)
    expected = Restorer(whole).restore(image)
    np.testing.assert_allclose(Restorer(tmp_path / "x.h5").restore(image), expected, atol=1e-6)
    assert load_keras(tmp_path / "x.h5").count_params() == model.count_params()


def test_weights_alone_and_graphs_without_layers(whole, tmp_path):
    (tmp_path / "w.h5").write_bytes(members(whole)["model.weights.h5"])
    refused(tmp_path / "w.h5", "holds weights alone")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    refused(tmp_path / "saved", "is a SavedModel")
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90))
    refused(tmp_path / "x.h5", "damaged or no network")


def test_two_channels_are_refused_by_all(tmp_path):
    image = keras.Input((None, None, 2))
    keras.Model(image, keras.layers.Conv2D(2, 3, padding="same")(image)).save(tmp_path / "g.keras")
    refused(tmp_path / "g.keras", "one image of 3 channels")


@pytest.mark.parametrize("name", ["hostile/mut0.keras", "hostile/huge_filters.keras"])
def test_cases_that_are_refused(name):
    if not CASES.is_dir():
        pytest.skip("needs ../shared")
    refused(CASES / name, name.partition("/")[2])
    result = CliRunner().invoke(verify, [str(CASES / name), str(CASES / "tflite/bare.tflite")])
    assert isinstance(result.exception, InputError)


@pytest.mark.parametrize("name", ["own.keras", "own.h5"])
def test_cases_that_are_networks(name):
    if not CASES.is_dir():
        pytest.skip("needs ../shared")
    image = np.zeros((24, 40, 3), np.uint8)
    assert Restorer(CASES / "keras" / name).restore(image).shape == image.shape
