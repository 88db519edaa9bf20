"""What is to be measured: a model at a size, whole or by the tiles of `lpie restore`, somewhere."""

import contextlib
import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lpie.benchmarks.harness.delegate import CPU, Delegate
from lpie.errors import InputError
from lpie.restore.tile_grid import Tile, even_tile
from lpie.restore.tile_policy import Plan
from lpie.size import Size
from lpie.tflite.cost import xnnpack_peak_mb
from lpie.tflite.model import Tensor, TfliteModel
from lpie.tflite.receptive_field.ends import image_ends
from lpie.tflite.receptive_field.walk import reach_of

SIZES = ("256x256", "fhd", "4k")
# What a photo can be turned into, and back.
IMAGE_TYPES = ("float32", "uint8", "int8")
TYPES = (
    "float32",
    "float16",
    "float64",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "bool",
)


@dataclass(frozen=True)
class Job:
    """One thing to measure.

    size: of the image; None for a network that takes none. shapes: of the inputs. tiling: how the
    image is split; None where it runs whole. halo_px: how far the network looks, None where tiles
    would not be exact. notes: what a reader of the record should know. scale: how many times as
    high and wide the network's output is.
    """

    model: Path
    size: Size | None
    shapes: tuple[tuple[int, ...], ...]
    restores: bool
    halo_px: int | None
    multiple: int
    delegate: Delegate
    threads: int | None
    estimated_mb: float
    tiling: Plan | None = None
    notes: tuple[str, ...] = ()
    scale: int = 1

    def __str__(self) -> str:
        how = "" if self.tiling is None else f" by {len(self.plan())} tiles"
        size = f" {self.size}" if self.size else ""
        threads = f" x{self.threads}" if self.threads else ""
        return f"{self.model.name}{size}{how} on {self.delegate}{threads}"

    @property
    def whole(self) -> bool:
        """Whether everything goes through the network at once."""
        return self.tiling is None

    @property
    def tileable(self) -> bool:
        """Whether tiles give the result of the whole image."""
        return self.restores and self.halo_px is not None

    @property
    def tile(self) -> Size | None:
        """The size that one run takes."""
        return self.size if self.tiling is None else Size(*self.tiling.tile)

    @property
    def shapes_of_tile(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the inputs of one run."""
        return ((1, *self.tile, 3),) if self.restores and self.tile else self.shapes

    @property
    def network(self) -> TfliteModel:
        """The file, parsed."""
        return network_in(self.model)

    def plan(self) -> list[Tile]:
        """The tiles, as `lpie restore` makes them."""
        assert self.tiling is not None
        return self.tiling.tiles()

    def tiled(self, tile_px: int) -> "Job":
        """The same by tiles of at most `tile_px`; an `InputError` where they would not be exact."""
        self.check_tileable()
        assert self.size is not None
        assert self.halo_px is not None
        most = min(self.size.height, tile_px), min(self.size.width, tile_px)
        tile = even_tile(self.size, most, halo_px=self.halo_px, multiple=self.multiple)
        if tile == self.size:
            return self
        plan = Plan(self.size, tile, self.halo_px, self.multiple, scale=self.scale)
        return replace(self, tiling=plan, estimated_mb=_peak_mb(self.model, Size(*tile)))

    def check_tileable(self) -> None:
        """Raise an `InputError` where tiles would not be exact."""
        if not self.tileable:
            raise InputError(
                f"{self.model} cannot be run by tiles: it does not restore images, or sees the "
                "whole image. Omit --tiles."
            )

    def data(self) -> bytes:
        """The model for one tile; for its own size where the runtime can resize it by itself."""
        if not self.restores:
            return self.network.to_bytes()
        assert self.tile is not None
        return self.network.resized(self.tile).to_bytes()

    def key(self) -> str:
        """A file name on a device: the same for jobs that need the same files."""
        content = f"{self.model}|{self.size}|{self.tile}|{self.shapes}"
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def requested(self) -> dict[str, Any]:
        """Its part of a record's `requested`."""
        tiles = self.tiling and {
            "tile": str(self.tile),
            "count": len(self.plan()),
            "halo_px": self.tiling.halo_px,
        }
        return {
            "delegate": self.delegate.name,
            "accelerator": self.delegate.accelerator or None,
            "precision": self.delegate.precision,
            "threads": self.threads,
            "size": str(self.size) if self.size else None,
            "mode": "whole" if self.whole else "tiles",
            "tiles": tiles,
        }


@functools.lru_cache(maxsize=32)
def network_in(path: Path) -> TfliteModel:
    """The file `path`, parsed once."""
    return TfliteModel.read(path)


def make_job(model: Path, size: str, delegate: Delegate, threads: int) -> Job:
    """The job of a whole image; an `InputError` for a model that cannot take the size.

    threads: None on a delegate where they mean nothing.
    """
    (job,) = jobs_for(model, (size,), delegate, threads)
    return job


def jobs_for(model: Path, sizes: Sequence[str], delegate: Delegate, threads: int) -> list[Job]:
    """The jobs of a file. sizes: what somebody asked for; none for the usual ones.

    A file that cannot be resized has one job at its own size, with a note, unless another was
    asked for, which is an `InputError`.
    """
    network = network_in(model)
    try:
        _check_inputs(network)
        facts: dict[str, Any] = {
            "model": model,
            "restores": restores(network),
            **_reach(network),
            "delegate": delegate,
            "threads": threads if delegate.name in CPU else None,
        }
        sized = [
            Job(**facts, size=size, shapes=shapes, notes=notes, estimated_mb=_peak_mb(model, size))
            for size, shapes, notes in _sizes(network, sizes, facts["multiple"])
        ]
    except (TypeError, IndexError, AttributeError, RecursionError, ZeroDivisionError):
        raise InputError(
            f"{model} is a damaged TFLite model: a part that it refers to is missing or wrong."
        ) from None
    return sized


Shapes = tuple[tuple[int, ...], ...]


def _sizes(
    network: TfliteModel, typed: Sequence[str], multiple: int
) -> list[tuple[Size | None, Shapes, tuple[str, ...]]]:
    """(size, shapes of the inputs, notes) of each job of a file."""
    own = own_size(network)
    if not typed and _is_fixed(network):
        why = "The network cannot be resized: it was timed once, at its own size."
        return [(own, _shapes(network, None), (why,))]
    sized = []
    for text in typed or SIZES:
        size = Size.parse(text)
        notes: tuple[str, ...] = ()
        if typed:
            size = Size.parse(text, multiple=multiple)
        else:
            fitting = _fitting(network, size, multiple)
            if fitting != size:
                notes = (f"The network does not take {size}: {fitting} is the next size.",)
            size = fitting
        if size != own and _is_fixed(network):
            raise InputError(
                f"{network.name} cannot be timed at {size}: it takes "
                f"{f'{own} alone' if own else 'no image'}. Omit --size to time it as it is."
            )
        sized.append((size, _shapes(network, size), notes))
    return list(dict.fromkeys(sized))


def _reach(network: TfliteModel) -> dict[str, Any]:
    """`halo_px`, `multiple` and `scale` of a job: by the file's spec, else by its ops."""
    if not restores(network):
        return {"halo_px": None, "multiple": network.spec.multiple if network.spec else 1}
    field = reach_of(network)
    # Tiles have sizes of their own, which a file of one size cannot take.
    halo_px = field.halo_px if field.resizable else None
    multiple = field.multiple if field.resizable or network.spec else 1
    return {"halo_px": halo_px, "multiple": multiple, "scale": field.scale}


def restores(network: TfliteModel) -> bool:
    """Whether a network takes one RGB image and returns one, as large or a whole number of times
    as high and wide."""
    try:
        ends = image_ends(network)
    except InputError:
        return False
    types = {tensor.dtype for tensor in (*network.inputs, *network.outputs)}
    return (ends.channels, ends.result_channels) == (3, 3) and types <= set(IMAGE_TYPES)


def own_size(network: TfliteModel) -> Size | None:
    """The size of a network's first input; None where it is no image."""
    shape = network.inputs[0].shape if network.inputs else ()
    return Size(*shape[1:3]) if len(shape) == 4 and min(shape[1:3]) > 0 else None


def _is_fixed(network: TfliteModel) -> bool:
    """Whether a network takes its own size alone."""
    if not restores(network):
        return not all(len(t.shape) == 4 and t.dynamic for t in network.inputs) or (
            not network.inputs
        )
    size = own_size(network)
    if size is None or network.inputs[0].dynamic:
        return False
    try:
        network.resized(Size(2 * size.height, 2 * size.width))
    except InputError:
        return True
    return False


def _fitting(network: TfliteModel, size: Size, multiple: int) -> Size:
    """The next larger size that a network which can be resized takes."""
    for step in (multiple, 2, 4, 8, 16, 32, 64) if restores(network) else ():
        larger = size.rounded_up(max(step, multiple))
        with contextlib.suppress(InputError):
            network.resized(larger)
            return larger
    return size.rounded_up(multiple)


def _shapes(network: TfliteModel, size: Size | None) -> Shapes:
    """The shapes of the inputs at `size`; what may change takes its height and width."""
    shapes = []
    for tensor in network.inputs:
        shape = [max(length, 1) for length in tensor.shape]
        resizable = tensor.dynamic or restores(network)
        if size is not None and len(shape) == 4 and resizable:
            shape[1:3] = size
        shapes.append(tuple(shape))
    return tuple(shapes)


def _check_inputs(network: TfliteModel) -> None:
    for tensor in network.inputs:
        if tensor.dtype not in TYPES:
            raise InputError(
                f"{network.name} takes a {tensor.dtype} tensor, for which lpie has no values. It "
                f"can time inputs of: {', '.join(TYPES)}."
            )
        if math.prod(max(n, 1) for n in tensor.shape) > 2**31:
            raise InputError(f"{network.name} takes a tensor of more than 2^31 values.")


@functools.cache
def _peak_mb(model: Path, size: Size | None) -> float:
    network = network_in(model)
    return xnnpack_peak_mb(network.resized(size) if size and restores(network) else network)


def tensor_scale(tensor: Tensor) -> tuple[float, int]:
    """The step of an integer tensor, and the level that means 0."""
    return (tensor.scales[0], tensor.zero_points[0]) if tensor.scales else (1.0, 0)
