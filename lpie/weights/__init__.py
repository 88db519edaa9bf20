"""Networks that lpie ships: trained weights by name, each file pinned by its SHA-256.

For each NAME there are NAME.npz (the weights, to export and to train on), NAME.tflite (to restore
with: float16 weights, no TensorFlow needed) and NAME.md, its card: data, recipe, scores, limits.
`lpie.export.publish_weights` writes them from a run.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lpie.errors import InputError, LpieError, unknown_name
from lpie.system.files import read_json, sha256

if TYPE_CHECKING:
    import keras

FOLDER = Path(__file__).parent
INDEX = FOLDER / "index.json"

Form = Literal[".npz", ".tflite"]


@functools.cache
def shipped() -> dict[str, Any]:
    """What is known of each shipped network, by name."""
    return read_json(INDEX) if INDEX.exists() else {}


def is_name(model: Path | str) -> bool:
    """Whether `model` can only be a shipped network's name: no such file, no suffix, no folder."""
    path = Path(model)
    return not path.exists() and not path.suffix and len(path.parts) == 1


def shipped_file(name: str, form: Form) -> Path:
    """The file of the shipped network `name`.

    Raises `InputError` for an unknown name, `LpieError` when the file is not the one shipped.
    """
    if name not in shipped():
        reason = unknown_name("shipped network", name, shipped())
        raise InputError(f"{name} does not exist. {reason}")
    file = FOLDER / f"{name}{form}"
    if not file.is_file() or sha256(file) != shipped()[name]["sha256"][form]:
        raise LpieError(f"{file} is missing or damaged. Install lpie again.")
    return file


def tflite_file(model: Path | str) -> Path:
    """`model` as it is, or the `.tflite` of the shipped network of that name."""
    return shipped_file(str(model), ".tflite") if is_name(model) else Path(model)


def load_shipped(name: str) -> "keras.Model":
    """The shipped network `name` as a Keras model."""
    from lpie.models import build_model

    file, facts = shipped_file(name, ".npz"), shipped()[name]
    model = build_model(facts["network"], **facts["hyperparameters"])
    with np.load(file) as stored:
        model.set_weights([stored[f"w{i:03d}"] for i in range(len(model.weights))])
    return model
