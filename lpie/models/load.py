"""Loads Keras networks: from a `.keras` file, from a run, or a pretrained one by its name."""

import contextlib
import importlib
import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lpie.backend import keras
from lpie.errors import InputError, LpieError
from lpie.models import NETWORKS, build_model
from lpie.models.keras_file import HDF5, Contents, look_into, refuse_saved_model
from lpie.weights import is_name, pretrained, pretrained_file

# An honest file stores every number of its network, and perhaps those of an optimizer.
MOST_TIMES_STORED, SPARE_VALUES = 4, 1_000_000


def load_keras(path: Path) -> keras.Model:
    """The Keras model in a `.keras` or HDF5 file, the best one of a run, or a pretrained one by its
    name, that takes and returns one RGB image.

    The file may hold layers of its own: those of this package, and those of any module that can be
    imported and registers them by `keras.saving.register_keras_serializable`.
    """
    if is_name(path):
        return load_pretrained(str(path))
    refuse_saved_model(path)
    file = path / "best.keras" if path.is_dir() else path
    if not file.is_file():
        reason = f"{path} holds no best.keras: it is no run, or has not validated yet"
        raise InputError(f"{reason}." if path.is_dir() else f"{path} does not exist.")
    contents = look_into(file)
    register_layers()
    _import_layers_of(file, contents.config)
    _refuse_more_than_stored(file, contents)
    with _keras_errors(file):
        model = keras.models.load_model(file, compile=False)
    _check_images(file, model)
    return model


def _refuse_more_than_stored(file: Path, contents: Contents) -> None:
    """Raise an `InputError` where the network in `file` would have far more numbers than it stores.

    The network is built without memory for its variables, in a thread of its own: Keras would
    remember them there to give them memory later.
    """
    with ThreadPoolExecutor(1) as pool, _keras_errors(file):
        declared = pool.submit(_declared_values, file, contents.config).result()
    if declared > MOST_TIMES_STORED * contents.values + SPARE_VALUES:
        raise InputError(
            f"{file} is damaged or hostile: its network has {declared} numbers, of which the file "
            f"stores {contents.values}."
        )


def _declared_values(file: Path, config: dict[str, Any]) -> int:
    with keras.StatelessScope(initialize_variables=False):
        if file.suffix.lower() in HDF5:  # an old form of config; arrays of other shapes are refused
            model = keras.models.load_model(file, compile=False)
        else:
            model = keras.models.model_from_json(json.dumps(config))
        return sum(math.prod(weight.shape) for weight in model.weights)


@contextlib.contextmanager
def _keras_errors(file: Path) -> Iterator[None]:
    """Whatever Keras raises in the block, as an `InputError` about `file`.

    A file can name any layer with any arguments, so Keras, its backend and the layer raise whatever
    comes to pass: no list of kinds would be whole.
    """
    try:
        yield
    except LpieError:
        raise
    except Exception as error:  # noqa: BLE001
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise InputError(f"{file} is not a Keras model that can be loaded: {reason}") from None


def _check_images(file: Path, model: keras.Model) -> None:
    """Raise an `InputError` for a network that does not take and return one RGB image."""
    shapes = [
        [tuple(tensor.shape) for tensor in getattr(model, side, None) or []]
        for side in ("inputs", "outputs")
    ]
    if not all(shapes):  # a network that is a class of its own: known when it runs
        return
    if any(len(side) != 1 or len(side[0]) != 4 or side[0][3] != 3 for side in shapes):
        listed = " and ".join(", ".join(map(str, side)) for side in shapes)
        raise InputError(
            f"{file} must take and return one image of 3 channels, (None, H, W, 3). Its input and "
            f"output are {listed}."
        )


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


def _import_layers_of(file: Path, config: Any) -> None:
    """Import the modules that `file` names for its own layers; Keras imports none but its own."""
    for module, name in sorted(_own_layers(config)):
        if keras.saving.get_registered_object(name) is not None:
            continue
        try:
            importlib.import_module(module)
        except (ImportError, ValueError, TypeError):
            layer = name.rpartition(">")[2]
            raise InputError(
                f"{file} has the layer {layer} of the Python module {module}, which cannot be "
                f"imported. Install it, or put its folder on PYTHONPATH."
            ) from None


def _own_layers(config: Any) -> set[tuple[str, str]]:
    """(module, registered name) of whatever in a config is not of Keras itself."""
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
