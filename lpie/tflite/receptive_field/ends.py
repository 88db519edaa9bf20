"""The image that a `.tflite` takes and the one that it returns, or why it is no such network."""

from dataclasses import dataclass
from typing import Any

from lpie.errors import InputError
from lpie.size import Size
from lpie.tflite.model import Tensor, TfliteModel

IMAGE_TYPES = ("float32", "uint8", "int8", "int16")
MOST_CHANNELS = 4


@dataclass(frozen=True)
class ImageEnds:
    """The image that a network takes and the one that it returns.

    Attributes:
        size: Of the image that it takes; None where it takes any.
        channels: Of that image: 3 for RGB, 1 for grey, 4 for packed RAW.
        result_channels: Of the image that it returns.
        scale: The size of that image over that of the other; None where `size` is None.
    """

    size: Size | None
    channels: int
    result_channels: int
    scale: int | None


def image_ends(model: TfliteModel) -> ImageEnds:
    """What `model`, a network from one image to one image, takes and returns.

    Raises:
        InputError: It takes or returns something else.
    """
    try:
        image, result = _only(model, model.inputs, "input"), _only(model, model.outputs, "output")
    except IndexError:
        raise InputError(
            f"{model.name} is a damaged TFLite model: it refers to a tensor that is not there."
        ) from None
    channels, result_channels = image.shape[3], result.shape[3]
    if image.dynamic:
        if any(n > 0 for n in image.signature[1:3]):
            raise InputError(
                f"{model.name} takes images of the shape {list(image.signature)}: its height and "
                "width must both be fixed, or both be open."
            )
        return ImageEnds(None, channels, result_channels, None)
    size, larger = Size(*image.shape[1:3]), Size(*result.shape[1:3])
    return ImageEnds(size, channels, result_channels, scale_between(size, larger, model.name))


def scale_between(size: Size, result: Size, name: str) -> int:
    """`result` over `size`; an `InputError` where that is no whole number."""
    scale = result.height // size.height
    if scale < 1 or result != (scale * size.height, scale * size.width):
        raise InputError(
            f"{name} returns an image of {result} for one of {size}. lpie restores with networks "
            "whose output is as large as the input, or a whole number of times as high and wide."
        )
    return scale


def _only(model: TfliteModel, tensors: tuple[Tensor, ...], end: str) -> Tensor:
    """The one image at an end of `model`."""
    if len(tensors) != 1:
        raise InputError(
            f"{model.name} has {len(tensors)} {end}s. lpie restores with networks of one image in "
            "and one image out. Cut it down to the part between them."
        )
    (tensor,) = tensors
    shape = list(tensor.signature or tensor.shape)
    if len(shape) != 4 or 0 in tensor.shape:
        raise InputError(f"{_the(model, end)} has the shape {shape}: {_wanted()}.")
    if tensor.shape[0] != 1:
        raise InputError(
            f"{_the(model, end)} has the shape {shape}: {tensor.shape[0]} images at once. Export "
            f"the network again with a batch of 1: {_wanted()}."
        )
    if not 0 < tensor.shape[3] <= MOST_CHANNELS:
        first = 0 < tensor.shape[1] <= MOST_CHANNELS
        order = "channels come first. Export it again with channels last" if first else ""
        raise InputError(
            f"{_the(model, end)} has the shape {shape}: {order or 'it is no image'}: {_wanted()}."
        )
    _check_type(model, tensor, end)
    return tensor


def _check_type(model: TfliteModel, tensor: Tensor, end: str) -> None:
    if tensor.dtype not in IMAGE_TYPES:
        raise InputError(
            f"{_the(model, end)} is of type {tensor.dtype}. lpie restores with "
            f"{', '.join(IMAGE_TYPES)}. Export the network again with float32."
        )


def _the(model: TfliteModel, end: str) -> str:
    return f"The {end} of {model.name}"


def _wanted() -> str:
    return "an image is [1, height, width, channels] with 1, 3 or 4 channels"


def value_range(tensor: Tensor) -> tuple[float, float] | None:
    """What black and white are in the numbers of `tensor`; None where the file does not say.

    The levels of an integer tensor lie evenly in its range.
    """
    limits: Any = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767)}
    if tensor.dtype not in limits:
        return None
    if not tensor.scales or not tensor.scales[0]:
        return limits[tensor.dtype]
    low, high = ((n - tensor.zero_points[0]) * tensor.scales[0] for n in limits[tensor.dtype])
    return low, high
