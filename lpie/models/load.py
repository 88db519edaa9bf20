"""Loads Keras networks: from a `.keras` file, from a run, or a pretrained one by its name."""

import importlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lpie.backend import keras
from lpie.errors import InputError
from lpie.models import NETWORKS, build_model
from lpie.weights import is_name, pretrained, pretrained_file


def load_keras(path: Path) -> keras.Model:
    """The Keras model in a `.keras` file, the best one of a run, or a pretrained one by its name.

    The file may hold layers of its own: those of this package, and those of any module that can be
    imported and registers them by `keras.saving.register_keras_serializable`.
    """
    if is_name(path):
        return load_pretrained(str(path))
    file = path / "best.keras" if path.is_dir() else path
    if not file.is_file():
        reason = f"{path} holds no best.keras: it is no run, or has not validated yet"
        raise InputError(f"{reason}." if path.is_dir() else f"{path} does not exist.")
    register_layers()
    _import_layers_of(file)
    try:
        return keras.models.load_model(file, compile=False)
    except (ValueError, OSError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file} is not a Keras model that can be loaded: {reason}") from None


def load_pretrained(name: str) -> keras.Model:
    """The pretrained network `name` as a Keras model."""
    file, facts = pretrained_file(name, ".npz"), pretrained()[name]
    model = build_model(facts["network"], **facts["hyperparameters"])
    with np.load(file) as stored:
        model.set_weights([stored[f"w{i:03d}"] for i in range(len(model.weights))])
    return model


def register_layers() -> None:
    """Import the module of every network, which registers the layers that it is built of."""
    for network in NETWORKS.values():
        importlib.import_module(network.builder.partition(":")[0])


def _import_layers_of(file: Path) -> None:
    """Import the modules that `file` names for its own layers; Keras imports none but its own."""
    for module, name in sorted(_own_layers(file)):
        if keras.saving.get_registered_object(name) is not None:
            continue
        try:
            importlib.import_module(module)
        except ImportError:
            layer = name.rpartition(">")[2]
            raise InputError(
                f"{file} has the layer {layer} of the Python module {module}, which cannot be "
                f"imported. Install it, or put its folder on PYTHONPATH."
            ) from None


def _own_layers(file: Path) -> set[tuple[str, str]]:
    """(module, registered name) of whatever in `file` is not of Keras itself."""
    try:
        with zipfile.ZipFile(file) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError):
        return set()  # Keras says better what is wrong with it
    return {
        (str(entry["module"]), str(entry["registered_name"]))
        for entry in _entries(config)
        if ">" in str(entry.get("registered_name")) and entry.get("module")
    }


def _entries(config: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a nested `config`."""
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _entries(value)
