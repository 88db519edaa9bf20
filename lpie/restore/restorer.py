"""Restores photos of any size with one network, whatever file it comes from."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lpie.errors import InputError, unknown_name
from lpie.image.image import cut, read_image, to_float
from lpie.restore.network import ImageModel, open_network
from lpie.restore.stitching import enlarged_part, stitch
from lpie.restore.tile_grid import Tile
from lpie.restore.tile_policy import HALOS, MAX_MEMORY_MB, Budget, Halo, Plan, check_tile_px
from lpie.size import Size
from lpie.tflite.interpreter import RuntimeName

if TYPE_CHECKING:
    import keras

AnyImage = NDArray | Image.Image | os.PathLike[str] | str
OUT_TYPES = (np.uint8, np.uint16, np.float32)


@dataclass(frozen=True)
class Restored:
    """A restored image or batch, and how it was restored.

    Attributes:
        pixels: The result of `Restorer.restore`.
        plan: The tiles it was restored by; of a batch, those of each image.
    """

    pixels: NDArray
    plan: Plan


class Restorer:
    """Restores photos of any size with one network.

    A photo that is too large for one run is restored by tiles. With a network that looks only some
    pixels far, the result is that of the whole image. One that looks at the whole image runs on
    all of it where the memory allows it; else its tiles are blended, which is not exact.

    Args:
        model: The name of a pretrained network, the folder of a run of `lpie train` (its best
            weights are taken), a `.tflite` or a `.keras` file, a Keras model, or an object with
            `multiple`, `halo_px`, `fixed` and `run` (see `lpie.restore.network.ImageModel`). Its
            output may be 2, 3, 4 ... times as high and wide as its input, and either may have
            other channels than RGB.
        tile_px: The longest side of a tile, in px. By default a `.tflite` gets the tiles that this
            machine is fastest with, which is measured at the first large photo and remembered;
            other networks get tiles of 768 px.
        halo: How far the tiles of a `.tflite` overlap. "exact" is enough for the result of the
            whole image. "fast" is less, at an error of at most 1/1024 of a level of 255; networks
            of other kinds and int8 files keep the exact one.
        threads: Threads of all interpreters of a `.tflite` together. All cores by default. Other
            networks choose their own.
        max_memory_mb: What restoring may take beside the photo, in 10^6 bytes: the result, the
            interpreters and their tiles.
        runtime: The runtime of a `.tflite`: "ai-edge-litert" or "tflite-runtime".

    Raises:
        InputError: There is no such model, or it cannot use tiles of `tile_px`.
    """

    def __init__(
        self,
        model: "keras.Model | ImageModel | Path | str",
        *,
        tile_px: int | None = None,
        halo: Halo = "exact",
        threads: int | None = None,
        max_memory_mb: float = MAX_MEMORY_MB,
        runtime: RuntimeName = "ai-edge-litert",
    ) -> None:
        if halo not in HALOS:
            raise unknown_name("halo", halo, HALOS)
        network = open_network(model, halo=halo, threads=threads, runtime=runtime)
        check_tile_px(
            tile_px, multiple=network.multiple, halo_px=network.halo_px, fixed=network.fixed
        )
        # A network of your own that says nothing returns RGB images of the size of its input.
        self._scale = getattr(network, "scale", 1)
        self._channels = getattr(network, "channels", (3, 3))
        self._network, self._tile_px, self._max_memory_mb = network, tile_px, max_memory_mb

    def restore(
        self,
        image: AnyImage,
        *,
        out: NDArray | None = None,
        plan: Plan | None = None,
        strength: float = 1.0,
        progress: Callable[[int], object] = lambda pixels: None,
    ) -> NDArray:
        """Restore an image, or each image of a batch.

        Args:
            image: [H, W, 3] or [N, H, W, 3] of any size: sRGB as uint8, uint16 or floats in
                [0, 1]. A network of other channels takes as many as its `channels` says. Also the
                path of a photo or a PIL image, which are taken upright as RGB in 8 bits; of files
                `lpie.restore` keeps all that they hold.
            out: An array to write the result to, of the shape of the result and of uint8, uint16
                or float32. It must not share memory with `image` when there are several tiles.
            plan: Another way to go over each image than the one that `plan` chooses.
            strength: The share of the network's change that is applied, from 0 to 1. Of a network
                that enlarges, 0 gives the bicubic enlargement.
            progress: A function that is called with the number of pixels of each finished tile.

        Returns:
            `out`, or a new array: of the shape of `image`, or `scale` times as high and wide.
            Integers keep their type: they are scaled, rounded and clipped. Floats become float32
            and are not clipped.

        Raises:
            InputError: An argument is of a wrong shape, type or range, or the memory is not enough
                for the smallest tile.
        """
        return self.restored(image, out=out, plan=plan, strength=strength, progress=progress).pixels

    def restored(
        self,
        image: AnyImage,
        *,
        out: NDArray | None = None,
        plan: Plan | None = None,
        strength: float = 1.0,
        progress: Callable[[int], object] = lambda pixels: None,
    ) -> Restored:
        """Restore as `restore` does, and also return the plan, which says whether tiles were exact.

        Args and errors are those of `restore`.

        Returns:
            The result of `restore` as `pixels`, and the `plan`.
        """
        c, image = self.channels, _pixels(image)
        if image.ndim not in (3, 4) or image.shape[-1] != c or 0 in image.shape:
            raise InputError(
                f"`image` must be [H, W, {c}] or [N, H, W, {c}]. Received the shape {image.shape}."
            )
        self._check_strength(strength)
        if image.dtype not in (np.uint8, np.uint16):
            image = np.asarray(image, np.float32)
        *_, h, w, _ = image.shape
        shape = (*image.shape[:-3], h * self.scale, w * self.scale, self.result_channels)
        if out is None:
            out = np.empty(shape, image.dtype)
        _check_out(out, shape)
        plan = plan or self._plan(Size(h, w), result_mb=out.nbytes / 1e6)
        plan = replace(plan, scale=self.scale)
        if plan.size.height < h or plan.size.width < w:
            raise InputError(f"`plan` is for images up to {plan.size}. Received: {Size(h, w)}.")
        if len(plan.tiles()) > 1 and np.shares_memory(image, out):
            raise InputError("`out` must not share memory with `image`, of which tiles overlap.")
        self.prepare(plan)
        images, outs = (x if x.ndim == 4 else x[None] for x in (image, out))  # [N, H, W, 3]
        for one, target in zip(images, outs, strict=True):
            self._restore_one(plan, one, target, strength, progress)
        return Restored(out, plan)

    def plan(self, height: int, width: int, *, itemsize: int = 1) -> Plan:
        """Choose how `restore` goes over a photo.

        This may time the machine, when the photo is large enough to pay for that.

        Args:
            height: The photo's height, in px.
            width: The photo's width, in px.
            itemsize: Bytes per value of the photo, which the result takes too.

        Returns:
            The tiles, and how many interpreters share them.

        Raises:
            InputError: The memory is not enough for the smallest tile.
        """
        values = height * width * self.scale**2 * self.result_channels
        return self._plan(Size(height, width), result_mb=values * itemsize / 1e6)

    def prepare(self, plan: Plan) -> None:
        """Open the interpreters of `plan`, which `restore` else does itself.

        Args:
            plan: What `plan` returned.
        """
        self._network.open(plan)

    @property
    def halo_px(self) -> int | None:
        """How far tiles reach beyond what is kept of them, in px; None where no tiles are exact."""
        return self._network.halo_px

    @property
    def multiple(self) -> int:
        """The grid on which tiles begin, in px."""
        return self._network.multiple

    @property
    def scale(self) -> int:
        """How many times as high and wide as its input the result is."""
        return int(self._scale)

    @property
    def reason(self) -> str:
        """Why tiles are not exact, as a sentence without its full stop; "" where they are."""
        whole = "This network sees the whole image"
        return "" if self.halo_px is not None else getattr(self._network, "reason", "") or whole

    @property
    def channels(self) -> int:
        """The channels of the images that it takes: 3 for RGB, 1 for grey."""
        return int(self._channels[0])

    @property
    def result_channels(self) -> int:
        """The channels of the images that it returns."""
        return int(self._channels[1])

    def close(self) -> None:
        """Free the interpreters' memory; the next photo opens new ones."""
        self._network.close()

    def _plan(self, size: Size, *, result_mb: float) -> Plan:
        budget = Budget(self._max_memory_mb, result_mb)
        plan = self._network.plan(size, budget, tile_px=self._tile_px)
        return replace(plan, scale=self.scale)

    def _check_strength(self, strength: float) -> None:
        if not 0 <= strength <= 1:
            raise InputError(f"`strength` must be from 0 to 1. Received: {strength}.")
        if strength != 1 and self.channels != self.result_channels:
            raise InputError(
                f"`strength` must be 1 for a network from {self.channels} to "
                f"{self.result_channels} channels. Received: {strength}."
            )

    def _restore_one(
        self,
        plan: Plan,
        image: NDArray,
        out: NDArray,
        strength: float,
        progress: Callable[[int], object],
    ) -> None:
        """Restore `image` [H, W, 3] into `out`."""
        restore = partial(self._restore_tile, plan, image, out, strength)
        if plan.workers == 1:  # in this thread, as Keras' devices and strategies are a thread's
            for tile in plan.tiles():
                progress(restore(tile))
            return
        with ThreadPoolExecutor(plan.workers) as pool:
            for pixels in pool.map(restore, plan.tiles()):
                progress(pixels)

    def _restore_tile(
        self, plan: Plan, image: NDArray, out: NDArray, strength: float, tile: Tile
    ) -> int:
        """Restore one tile into `out` and return how many pixels of it are kept."""
        degraded = cut(image, tile.origin, tile.size)
        if degraded.dtype != np.float32:
            degraded = to_float(degraded)
        restored = self._network.run(degraded)
        if strength != 1:
            before = degraded
            if self.scale > 1:
                before = enlarged_part(image, tile.origin, tile.size, self.scale)
            restored = before + np.float32(strength) * (restored - before)
        return stitch(restored, tile, plan, out)


def _pixels(image: AnyImage) -> NDArray:
    """The pixels of what `Restorer.restore` takes."""
    if isinstance(image, str | os.PathLike):
        return read_image(Path(image))
    if isinstance(image, Image.Image):
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    return np.asarray(image)


def _check_out(out: NDArray, shape: tuple[int, ...]) -> None:
    if out.shape != shape or out.dtype not in OUT_TYPES:
        raise InputError(
            f"`out` must have the shape {shape} and the type uint8, uint16 or float32. "
            f"Received: {out.shape}, {out.dtype}."
        )
