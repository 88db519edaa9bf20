"""Publishes the best weights of a run as a pretrained network:

python -m lpie.export.publish_weights RUN NAME
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lpie.config.config import Config, config_from, to_dict
from lpie.errors import LpieError
from lpie.export.calibration import photos_for
from lpie.export.pipeline import export_tflite
from lpie.export.request import ExportRequest
from lpie.models.do_conv import fold
from lpie.models.graph.analysis import analyse
from lpie.models.load import load_keras
from lpie.size import Size
from lpie.system.files import atomic_path, sha256, to_json, write_atomic
from lpie.tflite.spec import spec_path
from lpie.training.run import settings_of
from lpie.weights import FOLDER, INDEX, pretrained, task_of_name

# Of one small size: a restorer resizes the file, exactly.
REQUEST = ExportRequest(recipe="float16", sizes=(Size(256, 256),), overwrite=True)


def publish(run: Path, name: str, folder: Path = FOLDER) -> None:
    """Write NAME.npz and NAME.tflite (float16) of `run` to `folder`, and its index entry."""
    model, config = fold(load_keras(run)), config_from(settings_of(run))
    weights, file = folder / f"{name}.npz", folder / f"{name}.tflite"
    with atomic_path(weights) as temporary:
        arrays = {f"w{i:03d}": w for i, w in enumerate(model.get_weights())}
        np.savez_compressed(temporary, **arrays)
    export_tflite(model, file, REQUEST, photos=photos_for(run), source=weights)
    spec_path(file).unlink()  # the file holds it too
    options = dict(config.model.hyperparameters)
    options.pop("overparameterized", None)  # folded
    entry = {
        "task": task_of_name(name),
        "network": config.model.name,
        "hyperparameters": options,
        "parameters": model.count_params(),
        "macs_per_pixel": analyse(model).macs_per_pixel,
        "source": config.data.source,
        "degrade": _changed(config, lambda table: table["data"]["degrade"]),
        "loss": _changed(config, lambda table: table["loss"]),
        "sha256": {".npz": sha256(weights), ".tflite": sha256(file)},
        "score": None,  # measured by `lpie evaluate`, then written here by hand
    }
    write_atomic(folder / INDEX.name, to_json({**pretrained(), name: entry}))


def _changed(config: Config, section: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """The settings of a section that are not the defaults."""
    default = section(to_dict(Config()))
    return {key: n for key, n in section(to_dict(config)).items() if n != default[key]}


if __name__ == "__main__":
    try:
        publish(Path(sys.argv[1]), sys.argv[2])
    except LpieError as error:
        sys.exit(f"Error: {error}")
