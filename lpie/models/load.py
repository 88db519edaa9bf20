"""Loads Keras networks: from a `.keras` file, from a run, or a pretrained one by its name."""

import contextlib
import copy
import importlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lpie.backend import keras
from lpie.errors import InputError, LpieError, shown
from lpie.models import NETWORKS, build_model
from lpie.models.graph.flat import flat
from lpie.models.keras_file import HDF5, SUFFIXES, Contents, look_into, refuse_saved_model
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
    _refuse_code(file, contents.config)
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


def _refuse_code(file: Path, config: Any) -> None:
    """Raise an `InputError` for a layer whose Python code is in the file, which is never run."""
    for entry in _entries(config):
        if entry.get("class_name") != "Lambda":
            continue
        settings = entry.get("config")
        name = settings.get("name", "") if isinstance(settings, dict) else ""
        raise InputError(
            f"{file} has a Lambda layer ({shown(name)}), whose Python code lpie never runs from a "
            "file. Write it with keras.ops, or as a layer of a module that can be imported, with "
            "@keras.saving.register_keras_serializable(), and save the network again."
        )


def _declared_values(file: Path, config: dict[str, Any]) -> int:
    with keras.StatelessScope(initialize_variables=False):
        if file.suffix.lower() in HDF5:  # an old form of config; arrays of other shapes are refused
            model = keras.models.load_model(file, compile=False)
        else:
            bare = copy.deepcopy(config)
            for entry in _entries(bare):  # an optimizer would make variables
                entry.pop("compile_config", None)
            model = keras.models.model_from_json(json.dumps(bare))
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
        hint = (
            " HDF5 holds no functions of keras.ops between layers: save it as NAME.keras."
            if file.suffix.lower() in HDF5
            else ""
        )
        raise InputError(
            f"{file} is not a Keras model that can be loaded: {reason.rstrip('.')}.{hint}"
        ) from None


def _check_images(file: Path, model: keras.Model) -> None:
    """Raise an `InputError` for a network that does not take and return one RGB or grey image."""
    shapes = [
        [tuple(tensor.shape) for tensor in getattr(model, side, None) or []]
        for side in ("inputs", "outputs")
    ]
    if not all(shapes):  # a network that is a class of its own: known when it runs
        return
    channels = {side[0][3] for side in shapes if len(side) == 1 and len(side[0]) == 4}
    if any(len(side) != 1 or len(side[0]) != 4 for side in shapes) or channels not in ({3}, {1}):
        listed = " and ".join(", ".join(map(str, side)) for side in shapes)
        raise InputError(
            f"{file} must take and return one image of 3 channels, (None, H, W, 3), or of 1. "
            f"Its input and output are {listed}."
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


def is_own(name: str) -> bool:
    """Whether `name` is no name of a network of lpie, but a file or a `module:function`."""
    return is_file(name) or ":" in name


def is_file(name: str) -> bool:
    """Whether `name` is a file of a network, whose weights come with it."""
    return name.lower().endswith(SUFFIXES)


def build_own(name: str, hyperparameters: Mapping[str, Any]) -> keras.Model:
    """The network in the file `name`, or that the `module:function` of that name returns.

    Raises:
        InputError: There is none, or it is not one that lpie trains.
    """
    build = _from_file if is_file(name) else _from_function
    return _trainable(flat(build(name, hyperparameters)), name)


def _from_file(name: str, hyperparameters: Mapping[str, Any]) -> keras.Model:
    if hyperparameters:
        raise InputError(
            f"model.hyperparameters must be empty for a file, which holds its network. Received: "
            f"{dict(hyperparameters)} for {name}."
        )
    return load_keras(Path(name))


def _from_function(name: str, hyperparameters: Mapping[str, Any]) -> keras.Model:
    module, _, function = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # as of `python -m`; the command itself has its own folder there
        sys.path.append(here)
    try:
        builder = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"model.name must be a network of `lpie models`, a .keras file, or the module:function "
            f"of a module that can be imported from here. Received: {name} ({error})."
        ) from None
    try:
        model = builder(**hyperparameters)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} cannot be called with {dict(hyperparameters)}: {error}") from None
    if not isinstance(model, keras.Model):
        raise InputError(f"{name} must return a keras.Model. Received: {type(model).__name__}.")
    return model


def _trainable(model: keras.Model, name: str) -> keras.Model:
    """`model`; an `InputError` unless it is from RGB images to RGB images of the same size."""
    shapes = [
        [tuple(tensor.shape) for tensor in getattr(model, end, None) or []]
        for end in ("inputs", "outputs")
    ]
    if [[len(shape) for shape in end] for end in shapes] != [[4], [4]] or any(
        end[0][3] != 3 for end in shapes
    ):
        raise InputError(
            f"model.name: lpie trains networks from one RGB image, (None, None, None, 3), to one. "
            f"{name} takes and returns {shapes[0]} and {shapes[1]}."
        )
    size = (1, 5040, 5040, 3) if shapes[0][0][1] is None else (1, *shapes[0][0][1:])
    if tuple(model.compute_output_shape(size)) != size:
        raise InputError(
            f"model.name: lpie trains networks whose output is as large as the input. {name} "
            "returns another size."
        )
    return model
