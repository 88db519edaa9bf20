"""Exports networks of the zoo with the weights they start from, for `lpie.benchmarks.studies.networks`."""

import functools
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lpie.backend import keras
from lpie.benchmarks.runners.run_tflite import answer_requests, read_job
from lpie.errors import LpieError
from lpie.export.calibration import photos_for
from lpie.export.delegates import check_delegate
from lpie.export.pipeline import export_tflite
from lpie.export.verification.parity import verify
from lpie.image.image import mosaic, to_float
from lpie.models import NETWORKS, build_model
from lpie.models.graph.analysis import analyse
from lpie.models.layers import ChannelScale
from lpie.restore.keras_network import forward
from lpie.size import Size
from lpie.tflite.cost import graph_cost
from lpie.tflite.model import TfliteModel

RESIDUAL = 0.1  # standard deviation, about that of noise of sigma 25


def main() -> None:
    """Answers each request for a network and a recipe with what the file is and computes."""
    job = read_job()
    size = Size.parse(job["size"])
    latest = functools.lru_cache(maxsize=1)(lambda name, text: started(name, json.loads(text)))

    def reply(request: dict[str, Any]) -> dict[str, Any]:
        model = latest(request["network"], json.dumps(request["hyperparameters"]))
        return exported(model, Path(request["path"]), request["recipe"], str(size))

    answer_requests({}, reply)


def started(name: str, options: dict[str, Any]) -> keras.Model:
    """The network as it starts, but with every branch open and a residual of a real one's size."""
    keras.utils.set_random_seed(0)
    model = build_model(name, **options)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, ChannelScale):  # zero at the start: nothing of a block would show
            layer.set_weights([rng.normal(0, 0.3, layer.scale.shape)])
    photo = to_float(mosaic(photos_for(), 64, 64))[None]
    found = float((forward(model, photo) - photo).std())
    for layer in model.layers:
        if layer.name in NETWORKS[name].residual:
            layer.set_weights([w * RESIDUAL / found for w in layer.get_weights()])
    return model


def exported(model: keras.Model, path: Path, recipe: str, size: str) -> dict[str, Any]:
    """Writes `path` and returns its numbers; `refused` is a sentence when it cannot be written."""
    found = analyse(model)
    about = {"parameters": found.parameters, "macs_per_pixel": found.macs_per_pixel}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            export_tflite(model, path, recipe=recipe, size=size, verified=False, force=True)
    except LpieError as error:
        return {**about, "refused": str(error)}
    graph = TfliteModel.read(path)
    verdicts = {name: check_delegate(graph, name) for name in ("gpu", "nnapi-31", "xnnpack")}
    return {
        **about,
        "refused": None,
        "file_bytes": path.stat().st_size,
        "graph_macs": graph_cost(graph).macs,
        "verified": verify(model, path, recipe=recipe).to_dict(),
        "partitions": {name: verdict.partitions for name, verdict in verdicts.items()},
        "refused_ops": {name: len(verdict.refused) for name, verdict in verdicts.items()},
    }


if __name__ == "__main__":
    main()
