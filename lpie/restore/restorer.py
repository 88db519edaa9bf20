"""A network that takes photos of any size, whatever file it comes from."""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError, unknown_name
from lpie.image.image import cut, to_float
from lpie.restore.autotune import WORTH_PX
from lpie.restore.keras_network import KerasNetwork
from lpie.restore.stitching import lay
from lpie.restore.tflite_network import TfliteNetwork
from lpie.restore.tile_grid import Tile, even_tile
from lpie.restore.tile_policy import HALOS, MOST_PX, Halo, Plan, too_little_memory, whole_or_blended
from lpie.tflite.interpreter import RuntimeName
from lpie.weights import pretrained, tflite_file

if TYPE_CHECKING:
    import keras

# Of networks whose speed is not measured, as those of Keras.
TILE_PX = 768
MAX_MEMORY_MB = 1000.0


@runtime_checkable
class Network(Protocol):
    """Something that restores an image whose sides are multiples of `multiple`."""

    multiple: int
    halo_px: int | None
    fixed: tuple[int, int] | None  # the only (height, width) it takes, if there is only one

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]: ...


class Restorer:
    """Restores photos of any size with one network.

    model: a Keras model, another `Network`, a `.keras` file, a run of `lpie train` (its best
    weights are taken), a `.tflite` file or the name of a pretrained network. tile_px: images with a
    longer side are restored in tiles of at most this side, for a local network with the result of
    the whole image; unless given, a `.tflite`'s tiles are those that this machine is fastest with
    (measured at the first large photo and remembered), whole images where one is enough.
    max_memory_mb (10^6 bytes): for all that restoring takes beside the photo: result, interpreters
    and their tiles; a network that is not local runs on the whole image if that fits. For `.tflite`
    alone: halo: "fast" lets tiles overlap less, at an error of at most 1/1024 of a level of 255;
    threads: of all interpreters together (default: all cores).
    """

    def __init__(
        self,
        model: "keras.Model | Network | Path | str",
        *,
        tile_px: int | None = None,
        halo: Halo = "exact",
        threads: int | None = None,
        max_memory_mb: float = MAX_MEMORY_MB,
        runtime: RuntimeName = "ai-edge-litert",
    ) -> None:
        if halo not in HALOS:
            raise unknown_name("halo", halo, HALOS)
        self._threads = threads or os.cpu_count() or 1
        self._network = _open(model, self._threads, runtime)
        self._tile_px, self._max_memory_mb = tile_px, max_memory_mb
        self.was_exact = True  # whether the last photo is what the whole image gives
        multiple, self._halo = self._network.multiple, self._network.halo_px
        if halo == "fast" and isinstance(self._network, TfliteNetwork) and self._halo is not None:
            self._halo = self._network.fast_halo()
        least = multiple if self._halo is None else 2 * self._halo + multiple
        if tile_px is not None and (tile_px % multiple or tile_px < least):
            raise InputError(
                f"`tile_px` must be a multiple of {multiple} and at least {least}. "
                f"Received: {tile_px}. Try {max(-(-tile_px // multiple) * multiple, least)}."
            )

    def restore(
        self,
        image: NDArray,
        *,
        out: NDArray | None = None,
        plan: Plan | None = None,
        strength: float = 1.0,
        progress: Callable[[int], object] = lambda pixels: None,
    ) -> NDArray:
        """The restored `image`: [H, W, 3] or [N, H, W, 3] RGB, uint8, uint16 or float in [0, 1].

        Of any size. Integers come back as they were (scaled, rounded, clipped), floats unclipped as
        float32. out: an array of that shape and type to write to. plan: another than `plan` makes.
        strength: how much of the network's change is applied, from 0 to 1. progress: told how many
        pixels were finished.
        """
        if image.ndim not in (3, 4) or image.shape[-1] != 3 or 0 in image.shape:
            raise InputError(
                f"`image` must be [H, W, 3] or [N, H, W, 3]. Received the shape {image.shape}."
            )
        if not 0 <= strength <= 1:
            raise InputError(f"`strength` must be from 0 to 1. Received: {strength}.")
        if image.ndim == 4:
            return np.stack([self.restore(each, strength=strength) for each in image])
        if image.dtype not in (np.uint8, np.uint16):
            image = np.asarray(image, np.float32)
        if out is None:
            out = np.empty(image.shape, image.dtype)
        h, w, _ = image.shape
        plan = plan or self.plan(h, w, itemsize=image.itemsize)
        self.was_exact = plan.exact
        self.prepare(plan)
        restore = partial(self._restore_tile, plan, image, out, strength)
        if plan.workers == 1:  # in this thread, as Keras' devices and strategies are a thread's
            for part in plan.tiles():
                progress(restore(part))
            return out
        with ThreadPoolExecutor(plan.workers) as pool:
            for pixels in pool.map(restore, plan.tiles()):
                progress(pixels)
        return out

    def plan(self, height: int, width: int, *, itemsize: int = 1) -> Plan:
        """How `restore` goes over a photo of that size, of `itemsize` bytes per value.

        May time this machine, when the photo is large enough to pay for that.
        """
        network, multiple, halo = self._network, self._network.multiple, self._halo
        size = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
        left_mb = self._max_memory_mb - height * width * 3 * itemsize / 1e6
        if isinstance(network, TfliteNetwork) and not network.fixed and halo is not None:
            most_px = self._tile_px or max(MOST_PX, 4 * halo)
            measure = self._tile_px is None and height * width >= WORTH_PX
            return network.fastest(size, halo, left_mb, most_px=most_px, measure=measure)
        most_px = self._side_within(left_mb, size)
        if network.fixed or halo is None:
            tile_px = min(self._tile_px or most_px, most_px)
            plan = whole_or_blended(size, network.fixed, halo, multiple, tile_px)
            return replace(plan, threads=self._threads)
        most = min(self._tile_px or TILE_PX, most_px)
        least = min(size[0], most), min(size[1], most)
        return Plan(size, even_tile(size, least, halo_px=halo, multiple=multiple), halo, multiple)

    def _side_within(self, left_mb: float, size: tuple[int, int]) -> int:
        """The longest side of a tile that `left_mb` are enough for, of a photo of `size`."""
        network, multiple = self._network, self.multiple
        if not isinstance(network, KerasNetwork) or math.prod(size) * network.mb_per_px <= left_mb:
            return max(size)
        least = 2 * (self._halo or 0) + multiple
        side = int(math.sqrt(max(left_mb, 0) / network.mb_per_px)) // multiple * multiple
        if side < least:
            raise too_little_memory(left_mb, least**2 * network.mb_per_px)
        return side

    def prepare(self, plan: Plan) -> None:
        """Open the interpreters of `plan`; `restore` does so by itself."""
        if isinstance(self._network, TfliteNetwork):
            self._network.prepare(plan)

    @property
    def halo_px(self) -> int | None:
        """How far tiles reach beyond what is kept of them; None where no tiling is exact."""
        return self._halo

    @property
    def multiple(self) -> int:
        """The grid on which tiles begin, px."""
        return self._network.multiple

    def close(self) -> None:
        """Free the interpreters; the next photo opens new ones."""
        if isinstance(self._network, TfliteNetwork):
            self._network.close()

    def _restore_tile(
        self, plan: Plan, image: NDArray, out: NDArray, strength: float, part: Tile
    ) -> int:
        """Restore one tile into `out`; how many pixels of it are kept comes back."""
        given = cut(image, part.origin, part.size)
        if given.dtype != np.float32:
            given = to_float(given)
        done = self._network.run(given)
        if strength != 1:
            done = given + np.float32(strength) * (done - given)
        return lay(done, part, plan, out)


def _open(
    model: "keras.Model | Network | Path | str", threads: int, runtime: RuntimeName
) -> Network:
    if isinstance(model, Network):
        return model
    if not isinstance(model, str | Path):
        return KerasNetwork(model)
    path = tflite_file(model)
    if path.suffix == ".tflite":
        return TfliteNetwork(path, threads, runtime)
    if path.suffix == ".keras" or path.is_dir():
        from lpie.models.load import load_keras

        return KerasNetwork(load_keras(path))
    raise InputError(
        f"{path} is not a model: give a run of `lpie train`, a .keras or a .tflite file, or a "
        f"pretrained network: {', '.join(pretrained())}."
    )
