"""A network that takes photos of any size, whatever file it comes from."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lpie import flatbuffer
from lpie.errors import InputError
from lpie.image import pad_reflect, to_float, to_uint8
from lpie.runtime import RuntimeName, Session, resized
from lpie.spec import spec_inside
from lpie.tiling import plan_tiles
from lpie.weights import is_name, load_shipped, shipped, tflite_file

if TYPE_CHECKING:
    import keras

# LPIENet on XNNPACK then takes about 0.9 GB beside the photo (`lpie inspect --size 768x768`); of
# 24 such tiles a 4K photo is made, 1.7 times its pixels.
TILE_PX = 768


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
    weights are taken), a `.tflite` file or the name of a shipped network. tile_px: images with a
    longer side are restored in tiles of at most this side; for a local network the result is that
    of the whole image. threads, runtime: for `.tflite`.
    """

    def __init__(
        self,
        model: "keras.Model | Network | Path | str",
        *,
        tile_px: int = TILE_PX,
        threads: int | None = None,
        runtime: RuntimeName = "ai-edge-litert",
    ) -> None:
        self._network = _open(model, threads, runtime)
        self._tile_px = tile_px
        multiple, halo = self._network.multiple, self._network.halo_px
        least = multiple if halo is None else 2 * halo + multiple
        if tile_px % multiple or tile_px < least:
            raise InputError(
                f"`tile_px` must be a multiple of {multiple} and at least {least}. "
                f"Received: {tile_px}. Try {max(-(-tile_px // multiple) * multiple, least)}."
            )

    def restore(self, image: NDArray) -> NDArray:
        """The restored `image`: [H, W, 3] or [N, H, W, 3] RGB, uint8 or float32 in [0, 1].

        Of any size. uint8 comes back as uint8 (scaled, rounded, clipped), floats unclipped as
        float32.
        """
        if image.ndim not in (3, 4) or image.shape[-1] != 3 or 0 in image.shape:
            raise InputError(
                f"`image` must be [H, W, 3] or [N, H, W, 3]. Received the shape {image.shape}."
            )
        if image.ndim == 4:
            return np.stack([self.restore(one) for one in image])
        if image.dtype == np.uint8:
            return to_uint8(self.restore(to_float(image)))
        h, w, _ = image.shape
        tile, size = self._tile_and_size(h, w)
        padded = pad_reflect(np.asarray(image, np.float32), *size)
        if tile == size:
            return self._network.run(padded)[:h, :w]
        out = np.empty_like(padded)
        halo = self._network.halo_px or 0
        for part in plan_tiles(size, tile, halo_px=halo, multiple=self._network.multiple):
            (y, x), (th, tw) = part.origin, part.size
            (y0, x0), (y1, x1) = part.start, part.stop
            done = self._network.run(padded[y : y + th, x : x + tw])
            out[y0:y1, x0:x1] = done[y0 - y : y1 - y, x0 - x : x1 - x]
        return out[:h, :w]

    def _tile_and_size(self, h: int, w: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """(tile, padded size of the image), both (height, width)."""
        network = self._network
        multiple = network.multiple
        size = (-(-h // multiple) * multiple, -(-w // multiple) * multiple)
        if network.fixed:
            size = (max(size[0], network.fixed[0]), max(size[1], network.fixed[1]))
            if size != network.fixed and network.halo_px is None:
                raise InputError(
                    f"An image of {w}x{h} does not fit this model, which takes "
                    f"{network.fixed[1]}x{network.fixed[0]} and may not be tiled: export larger."
                )
            return network.fixed, size
        if network.halo_px is None:
            return size, size
        return (min(size[0], self._tile_px), min(size[1], self._tile_px)), size


class _KerasNetwork:
    fixed: tuple[int, int] | None = None

    def __init__(self, model: "keras.Model") -> None:
        from lpie.models.analysis import analyse

        found = analyse(model)
        self._model, self.multiple, self.halo_px = model, found.multiple, found.halo_px

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return forward(self._model, image[None])[0]


class _TfliteNetwork:
    """A `.tflite` whose graph is resized to the tile at hand when its spec says it is local."""

    def __init__(self, path: Path, threads: int | None, runtime: RuntimeName) -> None:
        model = flatbuffer.read_tflite(path)
        size, spec = flatbuffer.image_size(model), spec_inside(model, str(path))
        self.multiple = spec.multiple if spec else 1
        self.halo_px = spec.halo_px if spec else None
        self.fixed: tuple[int, int] | None = size if self.halo_px is None else None
        self._data, self._threads, self._runtime = path.read_bytes(), threads, runtime
        self._session: Session | None = None
        self._size = (0, 0)

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        h, w, _ = image.shape
        if self._session is None or self._size != (h, w):
            self._session = None  # free the old one's memory before the new one takes its own
            data = resized(self._data, h, w)
            self._session = Session(data, threads=self._threads, runtime=self._runtime)
            self._size = (h, w)
        return self._session.run(image)


def forward(model: "keras.Model", images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `model` makes of `images`, both [N, H, W, 3] float32."""
    from lpie.backend import keras
    from lpie.models.analysis import calls, is_plain

    if keras.backend.backend() == "jax":  # which compiles each op of an eager call apart
        return model.predict_on_batch(images)
    if not is_plain(model):
        return keras.ops.convert_to_numpy(model(images, training=False))
    # Layer by layer: Keras would hold all their outputs to the end, 12.5 GB instead of 1.5 for
    # NAFNet of width 16 and a megapixel.
    left = Counter(id(tensor) for _, inputs, _ in calls(model) for tensor in inputs)
    values = {id(model.inputs[0]): keras.ops.convert_to_tensor(images)}
    for layer, inputs, (output, *_) in calls(model):
        if not inputs:
            continue
        given = [values[id(tensor)] for tensor in inputs]
        for tensor in inputs:
            left[id(tensor)] -= 1
            if not left[id(tensor)]:
                del values[id(tensor)]
        values[id(output)] = layer(given[0] if len(given) == 1 else given)
        del given
    return keras.ops.convert_to_numpy(values[id(model.outputs[0])])


def load_keras(path: Path) -> "keras.Model":
    """The Keras model in a `.keras` file, the best one of a run, or a shipped one by its name."""
    from lpie.backend import keras
    from lpie.models import mirnet, nafftnet  # noqa: F401  (these register all our layers)

    if is_name(path):
        return load_shipped(str(path))
    file = path / "best.keras" if path.is_dir() else path
    if not file.is_file():
        what = f"{path} holds no best.keras: it is no run, or has not validated yet"
        raise InputError(f"{what}." if path.is_dir() else f"{path} does not exist.")
    try:
        return keras.models.load_model(file, compile=False)
    except (ValueError, OSError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file} is not a Keras model that can be loaded: {reason}") from None


def _open(
    model: "keras.Model | Network | Path | str", threads: int | None, runtime: RuntimeName
) -> Network:
    if isinstance(model, Network):
        return model
    if not isinstance(model, str | Path):
        return _KerasNetwork(model)
    path = tflite_file(model)
    if path.suffix == ".tflite":
        return _TfliteNetwork(path, threads, runtime)
    if path.suffix == ".keras" or path.is_dir():
        return _KerasNetwork(load_keras(path))
    raise InputError(
        f"{path} is not a model: give a run of `lpie train`, a .keras or a .tflite file, or a "
        f"shipped network: {', '.join(shipped())}."
    )
