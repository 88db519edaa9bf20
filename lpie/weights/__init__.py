"""Pretrained networks: trained weights by name, each file pinned by its SHA-256.

For each NAME there are NAME.npz (the weights, to export and to train on), NAME.tflite (to restore
with: float16 weights, no TensorFlow needed) and NAME.md, its card: data, recipe, scores, limits.
`lpie.export.publish_weights` writes them from a run.
"""

import functools
from pathlib import Path
from typing import Any, Literal

from lpie.errors import InputError, LpieError, unknown_name
from lpie.system.documents import read_toml
from lpie.system.files import read_json, sha256
from lpie.system.paths import refuse_special

FOLDER = Path(__file__).parent
INDEX = FOLDER / "index.json"
TASKS = FOLDER / "tasks.toml"
AUTO = "auto"  # no network: `lpie restore` chooses one for each photo

Suffix = Literal[".npz", ".tflite"]


@functools.cache
def pretrained() -> dict[str, Any]:
    """The entry of each pretrained network in the index, by name."""
    return read_json(INDEX) if INDEX.exists() else {}


@functools.cache
def tasks() -> dict[str, Any]:
    """What is declared of each kind of pretrained network, by its task."""
    return read_toml(TASKS)


def task_of_name(name: str) -> str:
    """The task of a network that is named after it: `denoise-phone-s` is of `denoise-phone`."""
    fitting = [task for task in tasks() if name == task or name.startswith(f"{task}-")]
    if not fitting:
        names = ", ".join(tasks())
        raise InputError(f"The name must begin with a task. Received: {name}. Tasks: {names}.")
    return max(fitting, key=len)


def is_name(model: Path | str) -> bool:
    """Whether `model` can only be the name of a pretrained network: there is no such file, and it
    has no suffix and no folder."""
    path = Path(model)
    return not path.exists() and not path.suffix and len(path.parts) == 1


def pretrained_file(name: str, suffix: Suffix) -> Path:
    """The file of the pretrained network `name`.

    Raises:
        InputError: There is no pretrained network of that name.
        LpieError: The file is missing, or is not the one that the index names.
    """
    if name == AUTO:
        raise InputError(
            f"{AUTO} is no network: `lpie restore {AUTO}` chooses one for each photo. Name one "
            f"here: {', '.join(pretrained())}."
        )
    if name not in pretrained():
        reason = unknown_name("pretrained network", name, pretrained())
        raise InputError(f"{name} does not exist. {reason}")
    file = FOLDER / f"{name}{suffix}"
    if not file.is_file() or sha256(file) != pretrained()[name]["sha256"][suffix]:
        raise LpieError(f"{file} is missing or damaged. Install lpie again.")
    return file


def tflite_file(model: Path | str) -> Path:
    """The `.tflite` of the pretrained network `model`; any other path as it is."""
    if is_name(model):
        return pretrained_file(str(model), ".tflite")
    refuse_special(Path(model))
    return Path(model)
