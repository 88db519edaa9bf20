"""A network that restores images, whatever it comes from: it plans its tiles, opens what runs
them, and runs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.restore.keras_network import KerasNetwork
from lpie.restore.tflite_network import TfliteNetwork
from lpie.restore.tile_policy import Budget, Halo, Plan, plan_of_grid
from lpie.size import Size
from lpie.tflite.interpreter import RuntimeName
from lpie.weights import pretrained, tflite_file

if TYPE_CHECKING:
    import keras


@runtime_checkable
class ImageModel(Protocol):
    """The least that a network of your own needs, to be restored with by tiles.

    It may also have `scale`, by how many times its output is higher and wider than its input (1
    unless it is there), and `channels`, those of its input and of its output (3 and 3).

    Attributes:
        multiple: Sides of images must be multiples of this, in px.
        halo_px: How far it looks beyond a pixel, in px; None when it sees the whole image.
        fixed: The only (height, width) it takes, in px; None when it takes any.
    """

    multiple: int
    halo_px: int | None
    fixed: tuple[int, int] | None

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """`image`, [H, W, 3] float32 in [0, 1], restored: `scale` times as high and wide."""
        ...


@runtime_checkable
class Network(ImageModel, Protocol):
    """An `ImageModel` that also chooses its tiles and holds what runs them."""

    def plan(self, size: Size, budget: Budget, *, tile_px: int | None) -> Plan:
        """How to go over a photo of `size` within `budget`, by tiles of at most `tile_px`.

        Raises:
            InputError: Not even the smallest tile fits in the budget.
        """
        ...

    def open(self, plan: Plan) -> None:
        """Make ready to run tiles of `plan`, from `plan.workers` threads at once."""
        ...

    def close(self) -> None:
        """Free what `open` made; the next plan opens it anew."""
        ...


class UnmeasuredNetwork:
    """A `Network` out of an `ImageModel`: tiles of the default size, its memory unknown."""

    def __init__(self, model: ImageModel) -> None:
        self.multiple, self.halo_px, self.fixed = model.multiple, model.halo_px, model.fixed
        self.scale: int = getattr(model, "scale", 1)
        self.channels: tuple[int, int] = getattr(model, "channels", (3, 3))
        self.run = model.run

    def plan(self, size: Size, budget: Budget, *, tile_px: int | None) -> Plan:
        """How to go over a photo of `size`; the budget does not matter."""
        return plan_of_grid(self, size, budget, tile_px)

    def open(self, plan: Plan) -> None:
        """Nothing has to be opened."""

    def close(self) -> None:
        """Nothing was opened."""


def open_network(
    model: "keras.Model | ImageModel | Path | str",
    *,
    halo: Halo,
    threads: int | None,
    runtime: RuntimeName,
) -> Network:
    """The network in `model`: a Keras model, a network of your own, a file, a run or a name.

    halo, threads, runtime: of a `.tflite`; see `lpie.Restorer`.
    """
    if not isinstance(model, str | Path):
        _refuse_options(threads, runtime)
    if isinstance(model, Network):
        return model
    if isinstance(model, ImageModel):
        return UnmeasuredNetwork(model)
    if callable(model):
        return KerasNetwork(model)
    if not isinstance(model, str | Path):
        raise InputError(
            "`model` must be a Keras model, a path, the name of a pretrained network, or an object "
            f"with multiple, halo_px, fixed and run. Received: {type(model).__name__}."
        )
    path = tflite_file(model)
    if path.suffix == ".tflite":
        return TfliteNetwork(path, threads or os.cpu_count() or 1, runtime, halo)
    if path.suffix.lower() in (".keras", ".h5", ".hdf5") or path.is_dir():
        _refuse_options(threads, runtime)
        from lpie.models.load import load_keras

        return KerasNetwork(load_keras(path))
    raise InputError(
        f"{path} is not a model. Give the folder of a run, a .keras or a .tflite file, or the name "
        f"of a pretrained network: {', '.join(pretrained())}."
    )


def _refuse_options(threads: int | None, runtime: RuntimeName) -> None:
    """Raise an `InputError` for what only a `.tflite` can do."""
    if threads is not None:
        raise InputError(
            f"`threads` is for a .tflite alone; Keras takes all cores. Received: {threads}. Leave "
            "it out, or export the network first: lpie export MODEL."
        )
    if runtime != "ai-edge-litert":
        raise InputError(
            f"`runtime` is for a .tflite alone. Received: {runtime}. Leave it out, or export the "
            "network first: lpie export MODEL."
        )
