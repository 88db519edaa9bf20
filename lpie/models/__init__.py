"""The networks, by name."""

import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lpie.errors import InputError, unknown_name

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """Where a network is built and was published.

    residual, branches, gates: which of its layers are what `lpie.models.graph.initialization` asks for. forms:
    hyperparameters that make another network of it, as `lpie models` lists them.
    """

    builder: str
    paper: str
    residual: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    forms: tuple[dict[str, Any], ...] = ()


NETWORKS = {
    "lpienet": Network(
        "lpie.models.lpienet:lpienet",
        "Conde et al., WACV 2023, arXiv:2210.13552",
        residual=("inverse_conv1", "inverse_conv2", "tail_conv"),
        gates=("tail_conv2",),
        forms=({"variant": "paper"},),
    ),
    "lpienet_rt": Network(
        "lpie.models.lpienet_rt:lpienet_rt",
        "docs/lpienet_rt.md",
        residual=("tail",),
        branches=("*_project", "up?"),
    ),
    "nafnet": Network(
        "lpie.models.nafnet:nafnet",
        "Chen et al., ECCV 2022, arXiv:2204.04676",
        residual=("ending",),
        forms=({"block": "baseline"}, {"block": "plain"}, {"train_size": 256}),
    ),
    "nafftnet": Network(
        "lpie.models.nafftnet:nafftnet",
        "github.com/ech97/NAFFT-Net",
        residual=("ending",),
        forms=({"faithful": True}, {"faithful": True, "do_conv": True}),
    ),
    "mirnet": Network(
        "lpie.models.mirnet:mirnet",
        "Zamir et al., ECCV 2020, arXiv:2003.06792",
        residual=("conv_out",),
    ),
}


def build_model(name: str, **hyperparameters: Any) -> "keras.Model":
    """The network `name` as a Keras model: [N, H, W, 3] float32 RGB in [0, 1] to the same shape.

    Raises `InputError` for an unknown name or hyperparameter, naming the nearest valid one.
    """
    if name not in NETWORKS:
        raise unknown_name("network", name, NETWORKS)
    module, _, function = NETWORKS[name].builder.partition(":")
    builder = getattr(importlib.import_module(module), function)
    valid = inspect.signature(builder).parameters
    for key in hyperparameters:
        if key not in valid:
            raise unknown_name(f"hyperparameter of {name}", key, valid)
    try:
        return builder(**hyperparameters)
    except (TypeError, ValueError) as error:
        raise InputError(f"Cannot build {name} with {hyperparameters}: {error}") from error
