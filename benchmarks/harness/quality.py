"""What the device's own output is worth: beside the host's, for the same photo."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.benchmarks.harness.job import Job, name_of
from lpie.errors import InputError
from lpie.image.image import mosaic, read_image, to_float, to_uint8
from lpie.image.metrics import psnr
from lpie.restore.restorer import Restorer
from lpie.tflite.model import TfliteModel
from lpie.tflite.scales import Scale, from_levels, to_levels

# Chelsea, by Stéfan van der Walt, CC0.
PHOTO = Path(__file__).with_name("photo.jpg")
DTYPES = {"float32": np.float32, "uint8": np.uint8, "int8": np.int8}
SIGMA = 15  # of 255: the grain of a dim room, so that a denoiser has something to do


class Picture:
    """The photo of a job, what goes in, and what the host makes of it in float32.

    photo: None for the one inside lpie, to which noise is added. reference: a `.tflite` in float
    whose output is the right one; None for the job's own file, computed here.
    """

    def __init__(self, job: Job, photo: Path | None, reference: Path | None) -> None:
        clean, self.image = load(photo, *job.size)
        # A runner that times one tile gets the first one.
        first = np.s_[: job.tile[1], : job.tile[0]]
        self._clean = None if clean is None else to_float(clean[first])
        self._given = to_float(self.image[first])
        self._expected = Restorer(reference or job.model).restore(self._given)
        self._input, self._output = _types(job.model)
        self._about = (
            f"{(reference or job.model).name} on this machine, {name_of(job.tile)} of "
            + (photo.name if photo else "the built-in photo")
        )

    @property
    def scales(self) -> tuple[Scale, Scale]:
        """(scale and zero) of the model's input, and of its output."""
        return self._input[1], self._output[1]

    def raw_input(self) -> bytes:
        """The first tile as the model's input tensor."""
        dtype, scale = self._input
        return np.ascontiguousarray(to_levels(self._given, dtype, *scale)).tobytes()

    def score(self, raw: bytes) -> dict[str, Any] | None:
        """The `quality` of a record, of an output tensor's bytes; None where they are no such."""
        dtype, scale = self._output
        if len(raw) != self._expected.size * np.dtype(dtype).itemsize:
            return None
        values = np.frombuffer(raw, dtype).reshape(self._expected.shape)
        output = from_levels(values, *scale)
        found = scores(output, self._expected, self._given, self._clean)
        return {**found, "reference": self._about}


def scores(
    output: NDArray[np.float32],
    expected: NDArray[np.float32],
    given: NDArray[np.float32],
    clean: NDArray[np.float32] | None,
) -> dict[str, Any]:
    """The `quality` of a record: `output` beside `expected`, all [H, W, 3] in [0, 1].

    An output is mostly its input: the correlation is that of what the network adds.
    """
    finite = bool(np.isfinite(output).all())
    same = bool(np.array_equal(output, expected))
    return {
        "psnr_db": psnr(output, expected, data_range=1) if finite and not same else None,
        "identical": same,
        "residual_correlation": correlation(output - given, expected - given) if finite else None,
        "target_psnr_db": (
            psnr(output.clip(0, 1), clean, data_range=1) if clean is not None and finite else None
        ),
    }


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float | None:
    """Pearson's; None where one of them does not vary."""
    x, y = (v.astype(np.float64).ravel() - v.mean(dtype=np.float64) for v in (a, b))
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip(x @ y / norm, -1, 1)) if norm else None


def _types(model: Path) -> tuple[tuple[Any, Scale], tuple[Any, Scale]]:
    """(type, scale and zero) of the input and of the output of a file."""
    network = TfliteModel.read(model)
    tensors = [*network.inputs, *network.outputs]
    if len(tensors) != 2 or any(tensor.dtype not in DTYPES for tensor in tensors):
        raise InputError(f"{model} must take and return one image in float32 or 8 bits.")
    source, result = (
        (DTYPES[t.dtype], (t.scales[0], t.zero_points[0]) if t.scales else (1.0, 0))
        for t in tensors
    )
    return source, result


@functools.lru_cache(maxsize=4)
def load(
    photo: Path | None, width: int, height: int
) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8]]:
    """(clean photo if it is known, what the network gets), both [height, width, 3] uint8."""
    image = mosaic([read_image(photo or PHOTO)], height, width)
    if photo is not None:
        return None, image
    noise = np.random.default_rng(0).normal(0, SIGMA / 255, image.shape)
    return image, to_uint8(to_float(image) + noise)
