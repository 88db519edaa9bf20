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

    builder: `module:function`. residual, branches, gates: its layers by the part that they play in
    `lpie.models.graph.initialization`. variants: hyperparameters that make another network of it,
    as `lpie models` lists them.
    """

    builder: str
    paper: str
    residual: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    variants: tuple[dict[str, Any], ...] = ()


NETWORKS = {
    "lpienet": Network(
        "lpie.models.lpienet:lpienet",
        "Conde et al., WACV 2023, arXiv:2210.13552",
        residual=("inverse_conv1", "inverse_conv2", "tail_conv"),
        gates=("tail_conv2",),
        variants=({"variant": "paper"},),
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
        variants=({"block": "baseline"}, {"block": "plain"}, {"train_size": 256}),
    ),
    "nafftnet": Network(
        "lpie.models.nafftnet:nafftnet",
        "github.com/ech97/NAFFT-Net",
        residual=("ending",),
        variants=({"faithful": True}, {"faithful": True, "do_conv": True}),
    ),
    "mirnet": Network(
        "lpie.models.mirnet:mirnet",
        "Zamir et al., ECCV 2020, arXiv:2003.06792",
        residual=("conv_out",),
    ),
}


def build_model(name: str, **hyperparameters: Any) -> "keras.Model":
    """Build a network with fresh weights.

    Args:
        name: `"lpienet"`, `"lpienet_rt"`, `"nafnet"`, `"nafftnet"` or `"mirnet"`; or a network
            of your own: a `.keras` file, with its weights, or a `"module:function"`.
        **hyperparameters: Whatever differs from the defaults of the network's own function, for
            example `variant="paper"` or `width=16`.

    Returns:
        A Keras model from [N, H, W, 3] float32 RGB in [0, 1] to the same shape, not clipped.

    Raises:
        InputError: The name, a hyperparameter or a value is not valid. The message names the
            nearest valid one.
    """
    from lpie.models.load import build_own, is_own

    if name not in NETWORKS and is_own(name):
        return build_own(name, hyperparameters)
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
