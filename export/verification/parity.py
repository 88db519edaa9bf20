"""Whether an exported file computes what the Keras network computes."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.errors import InputError
from lpie.export.calibration import in_channels, photos_for
from lpie.export.recipes import find_recipe
from lpie.image.image import mosaic, to_float
from lpie.models.graph.flat import flat
from lpie.restore.restorer import Restorer
from lpie.restore.stitching import enlarged
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from lpie.tflite.resize import tile_sized

# Larger files are verified at 256x256: a 4K export takes no more time and memory than a small one.
MOST_PX = 512 * 512


@dataclass(frozen=True)
class Verification:
    """How far the export is from the Keras network.

    `output_psnr_db` compares outputs, clipped to [0, 1]; `residual_psnr_db` (peak: the largest
    residual) and `residual_correlation` compare output - input, since an output is mostly its
    input and hides a broken network. size: WIDTHxHEIGHT at which the file ran.
    """

    passed: bool
    output_psnr_db: float
    residual_psnr_db: float
    residual_correlation: float
    budget: dict[str, float]
    size: str
    photos: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the spec."""
        return asdict(self)

    def sentence(self) -> str:
        """The numbers beside their budget, in one line."""
        numbers = asdict(self)
        return ", ".join(
            f"{key} {numbers[key]:.5g} (at least {least:g})" for key, least in self.budget.items()
        )


def verify(
    model: keras.Model,
    tflite: Path | str | bytes | TfliteModel,
    photos: Sequence[NDArray[np.uint8]] | None = None,
    *,
    recipe: str = "float32",
) -> Verification:
    """Compare a `.tflite` with the Keras network that it came from, on real photos.

    Files beyond 512x512 px run resized to 256x256, which is exact, unless their size is part of
    them; `Verification.size` says at which size the file ran.

    Args:
        model: The Keras network.
        tflite: A path, the bytes of a file, or a parsed file.
        photos: Degraded photos [H, W, 3] uint8, sRGB, of any size, laid side by side to at most
            three pictures of the file's size. Built-in ones with Gaussian noise of sigma 25
            unless given.
        recipe: The recipe (`lpie.export.recipes.RECIPES`) whose error budget decides.

    Returns:
        PSNR of the output in dB, PSNR and correlation of the residual (output - input), and
        whether all of them are within the budget.

    Raises:
        InputError: For a file that is damaged or takes no image, an unknown recipe, or no photos.
    """
    budget = find_recipe(recipe).budget
    file, images = pictures(_parsed(tflite), photos_for() if photos is None else photos)
    session, reference = Session(file), Restorer(in_float32(model))
    expected = np.stack([reference.restore(image) for image in images])
    actual = np.stack([session.run(image) for image in images])
    numbers = compare(images, expected, actual)
    passed = all(numbers[key] >= least for key, least in budget.items())
    count, height, width, _ = images.shape
    return Verification(passed, **numbers, budget=budget, size=f"{width}x{height}", photos=count)


def in_float32(model: keras.Model) -> keras.Model:
    """`model`, computing in float32 as its file does, whatever its layers computed in so far."""
    return flat(model, precision="float32")


def _parsed(tflite: Path | str | bytes | TfliteModel) -> TfliteModel:
    if isinstance(tflite, TfliteModel):
        return tflite
    if isinstance(tflite, bytes):
        return TfliteModel.parse(tflite)
    return TfliteModel.read(Path(tflite))


def pictures(
    tflite: TfliteModel, photos: Sequence[NDArray[np.uint8]]
) -> tuple[TfliteModel, NDArray[np.float32]]:
    """(the file at the size at which it is verified, pictures of that size [N, H, W, C])."""
    if not photos:
        raise InputError("At least one real photo is needed to verify on.")
    tflite = small(tflite)
    count = min(len(photos), 3 if tflite.image.pixels <= MOST_PX else 1)
    turned = [[*photos[i:], *photos[:i]] for i in range(count)]
    images = np.stack([to_float(mosaic(order, *tflite.image)) for order in turned])
    return tflite, in_channels(images, tflite.inputs[0].shape[3])


def small(tflite: TfliteModel) -> TfliteModel:
    """The file at the size at which it is verified: beyond 512x512 that is 256x256, if it can; a
    compiled one cannot."""
    if tflite.compiled_for_npu:
        return tflite
    return tile_sized(tflite) if tflite.image.pixels > MOST_PX else tflite


def compare(
    image: NDArray[np.float32], expected: NDArray[np.float32], actual: NDArray[np.float32]
) -> dict[str, float]:
    """PSNR of the outputs, and PSNR and correlation of the residuals; all [N, H, W, 3].

    The residual of a network that enlarges is what it adds to the bicubic enlargement.
    """
    image = np.stack([enlarged(one, expected.shape[1] // one.shape[0]) for one in image])
    wanted, computed = (np.clip(x, 0, 1).astype(np.float64) - image for x in (expected, actual))
    mse = float(np.mean((wanted - computed) ** 2))
    spread = wanted.std() * computed.std()
    covariance = np.mean((wanted - wanted.mean()) * (computed - computed.mean()))
    # Two constant residuals are equal or not; a correlation says nothing of them.
    correlation = covariance / spread if spread > 0 else float(np.array_equal(wanted, computed))
    return {
        "output_psnr_db": psnr_db(1.0, mse),
        "residual_psnr_db": psnr_db(float(np.abs(wanted).max()), mse),
        "residual_correlation": float(correlation),
    }


def psnr_db(peak: float, mse: float) -> float:
    """PSNR of a mean square error; infinite for none."""
    if mse == 0:
        return math.inf
    return 10 * math.log10(peak**2 / mse) if peak > 0 else -math.inf
