"""What goes into a model, and what the device's own output is worth beside this computer's."""

import functools
import threading
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lpie.benchmarks.harness.job import Job, own_size, tensor_scale
from lpie.image.image import mosaic, read_image, to_float, to_uint8
from lpie.image.metrics import psnr
from lpie.restore.restorer import Restorer
from lpie.restore.stitching import enlarged
from lpie.size import Size
from lpie.tflite.scales import Scale, from_levels, to_levels

# Chelsea, by Stéfan van der Walt, CC0.
PHOTO = Path(__file__).with_name("photo.jpg")
# Several devices are measured at once; the right answers of all are made on this computer.
ONE_AT_A_TIME = threading.Lock()
SIGMA = 15  # of 255: the grain of a dim room, so that a denoiser has something to do


class Feed(Protocol):
    """What goes into a job's model. unscored: why its output is not scored, or ""."""

    unscored: str

    def tensors(self) -> list[bytes]:
        """The input tensors of one run, in the model's order."""

    def pixels(self) -> bytes:
        """The photo, where it goes through in tiles: [H, W, 3] uint8."""

    def scales(self) -> list[Scale]:
        """(step, zero) of the first input and of the first output."""

    def score(self, output: bytes) -> dict[str, Any] | None:
        """The `quality` of a record, of the first output tensor; None where there is none."""


def feed_for(job: Job, photo: Path | None, reference: Path | None) -> Feed:
    """The photo for a network that restores; numbers for any other.

    Args:
        job: What is measured.
        photo: None for the one inside lpie, to which noise is added.
        reference: A `.tflite` in float whose output is the right one; None for the job's own file.
    """
    return Picture(job, photo, reference) if job.restores else Numbers(job)


class Numbers:
    """Inputs of a network that does not restore: random values, zeros where they may be indices.

    Nobody knows what its output should be.
    """

    unscored = (
        "The quality is left out: the network does not take one RGB image and return one of the "
        "same size or a whole number of times as large."
    )

    def __init__(self, job: Job) -> None:
        self._job = job

    def tensors(self) -> list[bytes]:
        """Floats in [0, 1), integers that mean the same, zeros for indices and flags."""
        rng = np.random.default_rng(0)
        network, shapes = self._job.network, self._job.shapes
        return [
            _values(rng, shape, tensor.dtype, tensor_scale(tensor), bool(tensor.scales)).tobytes()
            for tensor, shape in zip(network.inputs, shapes, strict=True)
        ]

    def pixels(self) -> bytes:
        """Nothing: it does not run by tiles."""
        return b""

    def scales(self) -> list[Scale]:
        """(step, zero) of the first input and of the first output."""
        network = self._job.network
        return [
            tensor_scale(tensors[0]) for tensors in (network.inputs, network.outputs) if tensors
        ]

    def score(self, output: bytes) -> dict[str, Any] | None:
        """None."""
        return None


def _values(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: str, scale: Scale, scaled: bool
) -> NDArray[Any]:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.random(shape, np.float32).astype(kind)
    if kind in (np.int8, np.uint8, np.int16, np.uint16):
        if scaled:
            return to_levels(rng.random(shape, np.float32), kind, *scale)
        limits = np.iinfo(kind)
        return rng.integers(limits.min, limits.max, shape, kind, endpoint=True)
    return np.zeros(shape, kind)


class Picture:
    """The photo of a job, what goes in, and what this computer makes of it in float32."""

    def __init__(self, job: Job, photo: Path | None, reference: Path | None) -> None:
        assert job.size is not None
        assert job.tile is not None
        clean, self.image = load(photo, job.size)
        # A runner that times one tile gets the first one.
        first = np.s_[: job.tile.height, : job.tile.width]
        self._job, self._right = job, reference or job.model
        self._clean = None if clean is None else to_float(clean[first])
        self._degraded = to_float(self.image[first])
        self.unscored = "" if reference else _unscored(job)
        self._about = f"{self._right.name} on this computer, {job.tile} of " + (
            photo.name if photo else "the built-in photo"
        )

    @functools.cached_property
    def expected(self) -> NDArray[np.float32]:
        """What this computer makes of the first tile."""
        return Restorer(self._right).restore(self._degraded)

    def tensors(self) -> list[bytes]:
        """The first tile as the model's input tensor."""
        (tensor,) = self._job.network.inputs
        levels = to_levels(self._degraded, np.dtype(tensor.dtype), *tensor_scale(tensor))
        return [np.ascontiguousarray(levels).tobytes()]

    def pixels(self) -> bytes:
        """[H, W, 3] uint8."""
        return self.image.tobytes()

    def scales(self) -> list[Scale]:
        """(step, zero) of the input and of the output."""
        network = self._job.network
        return [tensor_scale(tensor) for tensor in (*network.inputs, *network.outputs)]

    def score(self, output: bytes) -> dict[str, Any] | None:
        """The `quality` of a record; None where the bytes are no such tensor."""
        (tensor,) = self._job.network.outputs
        dtype = np.dtype(tensor.dtype)
        scale = self._job.scale
        if self.unscored or len(output) != self._degraded.size * scale**2 * dtype.itemsize:
            return None
        h, w, c = self._degraded.shape
        values = np.frombuffer(output, dtype).reshape(h * scale, w * scale, c)
        result = from_levels(values, *tensor_scale(tensor))
        with ONE_AT_A_TIME:
            expected = self.expected
        degraded = enlarged(self._degraded, scale)
        return {
            **scores(result, expected, degraded, self._clean if scale == 1 else None),
            "reference": self._about,
        }


def _unscored(job: Job) -> str:
    fixed = not job.network.inputs[0].dynamic
    if fixed and job.halo_px is None and job.tile != own_size(job.network):
        return (
            "The quality is left out: the network sees the whole image or cannot be resized, so "
            "lpie restores with it at its own size alone."
        )
    return ""


def scores(
    output: NDArray[np.float32],
    expected: NDArray[np.float32],
    degraded: NDArray[np.float32],
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
        "residual_correlation": correlation(output - degraded, expected - degraded)
        if finite
        else None,
        "target_psnr_db": (
            psnr(output.clip(0, 1), clean, data_range=1) if clean is not None and finite else None
        ),
    }


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float | None:
    """Pearson's; None where one of them does not vary."""
    x, y = (v.astype(np.float64).ravel() - v.mean(dtype=np.float64) for v in (a, b))
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip(x @ y / norm, -1, 1)) if norm else None


@functools.lru_cache(maxsize=4)
def load(photo: Path | None, size: Size) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8]]:
    """(clean photo if it is known, what the network gets), both [height, width, 3] uint8."""
    image = mosaic([read_image(photo or PHOTO)], *size)
    if photo is not None:
        return None, image
    noise = np.random.default_rng(0).normal(0, SIGMA / 255, image.shape)
    return image, to_uint8(to_float(image) + noise)
