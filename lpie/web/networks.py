"""Networks as the page takes them: one `.tflite` each, and where its sizes stand in it.

LiteRT.js cannot resize a network, and a tile's size depends on the photo. Of a network without a
fixed size the file differs between two sizes only in numbers that are the height or the width,
divided or multiplied by a small integer. The page gets a table of these places and writes the sizes
that it wants.
"""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lpie.errors import InputError
from lpie.size import Size
from lpie.tflite.model import Tensor, TfliteModel
from lpie.weights import pretrained, tflite_file

# What a tensor of LiteRT.js may hold.
TYPES = ("float32", "uint8")
TASKS = ("denoise-phone", "denoise", "lowlight", "deblur")


@dataclass(frozen=True)
class Place:
    """A number in a file that is the image's height or width, times `factor`."""

    at: int  # in 32-bit words
    axis: str
    factor: tuple[int, int]  # numerator, denominator


@dataclass(frozen=True)
class WebNetwork:
    """A network for the page.

    Attributes:
        name: As the page shows it, and as its file is named there.
        model: The file, for images of `size`.
        size: The size of its image in px.
        multiple: Sides must be multiples of this, in px.
        halo_px: How far it looks beyond a pixel; None when over the whole image.
        places: Where its sizes stand; empty when it takes images of `size` alone.
    """

    name: str
    model: TfliteModel
    size: Size
    multiple: int
    halo_px: int | None
    places: tuple[Place, ...]

    def describe(self) -> dict[str, Any]:
        """What the page must know of it, as JSON holds it."""
        data = self.model.to_bytes()
        spec = self.model.spec
        image, result = self.model.inputs[0], self.model.outputs[0]
        return {
            "name": self.name,
            "file": f"{self.name}.tflite",
            "bytes": len(data),
            "sha256": self.model.sha256,
            "width": self.size.width,
            "height": self.size.height,
            "multiple": self.multiple,
            "halo_px": self.halo_px,
            "input": image.dtype,
            "output": result.dtype,
            "quantization": [_quantization(image), _quantization(result)],
            "range": list(spec.value_range if spec else (0.0, 1.0)),
            "places": [[place.at, place.axis, *place.factor] for place in self.places],
            "spec": None if spec is None else json.loads(spec.to_json()),
            "nodes": len(self.model.ops),
        }


def web_network(model: Path | str) -> WebNetwork:
    """The network of a `.tflite` or of a pretrained name, for the page.

    Raises `InputError` when the page cannot run it: it must take one RGB image of float32 or uint8
    and return one of the same size.
    """
    network = TfliteModel.read(tflite_file(model))
    name = Path(str(model)).stem
    _check(network)
    spec = network.spec
    multiple = spec.multiple if spec else 1
    halo = spec.halo_px if spec else None
    step = max(multiple, 1)
    base = Size(*(-(-256 // step) * step,) * 2)
    places: tuple[Place, ...] = ()
    try:
        network = network.resized(base)
        places = _places(network, base, step * 4)
    except InputError:
        base = Size(*network.inputs[0].shape[1:3])
    return WebNetwork(name, network, base, multiple, halo, places)


def pretrained_networks() -> list[WebNetwork]:
    """LPIENet-RT for every task, the large ones first."""
    names = [task + size for size in ("", "-s") for task in TASKS if task + size in pretrained()]
    return [web_network(name) for name in names]


def _check(model: TfliteModel) -> None:
    images = (*model.inputs, *model.outputs)
    shapes = [tuple(tensor.shape) for tensor in images]
    right = len(images) == 2 and all(len(shape) == 4 and shape[3] == 3 for shape in shapes)
    if not right or shapes[0][1:3] != shapes[1][1:3]:
        raise InputError(
            f"{model.name} cannot run in the page: it must take one [1, H, W, 3] image and return "
            f"one of the same size. Its shapes are {[list(shape) for shape in shapes]}."
        )
    for tensor in images:
        if tensor.dtype not in TYPES:
            raise InputError(
                f"{model.name} cannot run in the page: LiteRT.js takes images of float32 or uint8, "
                f"and this file has {tensor.dtype}. Export it again with --io uint8."
            )


def _places(model: TfliteModel, base: Size, step: int) -> tuple[Place, ...]:
    """Where the sizes stand in `model`, which is for images of `base`."""
    same = _words(model)
    taller, wider = Size(base.height + step, base.width), Size(base.height, base.width + step)
    places: list[Place] = []
    for axis, other in (("height", taller), ("width", wider)):
        changed = _words(model.resized(other))
        if changed.shape != same.shape:
            raise InputError(f"{model.name} holds sizes in more ways than one.")
        old, new = getattr(base, axis), getattr(other, axis)
        for at in np.flatnonzero(changed != same):
            factor = Fraction(int(same[at]), old)
            if factor * new != int(changed[at]):
                raise InputError(f"{model.name} holds a size that does not follow the image.")
            places.append(Place(int(at), axis, (factor.numerator, factor.denominator)))
    if len({place.at for place in places}) != len(places):
        raise InputError(f"{model.name} holds a size that follows both sides of the image.")
    return tuple(sorted(places, key=lambda place: place.at))


def _words(model: TfliteModel) -> np.ndarray:
    data = model.to_bytes()
    return np.frombuffer(data[: len(data) // 4 * 4], "<i4")


def _quantization(tensor: Tensor) -> list[float] | None:
    """(scale, zero point) of a tensor's integers; None where it holds floats."""
    return [tensor.scales[0], tensor.zero_points[0]] if tensor.scales else None
