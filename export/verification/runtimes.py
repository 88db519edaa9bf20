"""One `.tflite` run by several kernels, runtimes and processors, beside its Keras network."""

import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.errors import InputError, LpieError, last_line
from lpie.export.delegates.gpu_run import LIMIT_S
from lpie.export.verification import run_file
from lpie.export.verification.npu import run_on_npu
from lpie.export.verification.parity import compare, in_float32, pictures, psnr_db
from lpie.image.image import to_uint8
from lpie.npu.chips import NpuChip
from lpie.npu.compile import LIMIT_S as NPU_LIMIT_S
from lpie.printable import printable
from lpie.restore.restorer import Restorer
from lpie.system.child import ended_by
from lpie.system.limits import Limits, available_mb
from lpie.system.signals import child, undone_by_signals
from lpie.tflite.foreign.interpreter import limits_of
from lpie.tflite.model import Tensor, TfliteModel
from lpie.tflite.scales import from_levels, to_levels

TILE_PX, ZOOM = 32, 8
MARK = "lpie: "  # begins the child's own line, among much that runtimes print


@dataclass(frozen=True)
class Place:
    """Where a file runs: with a Python, by some of its runtime's kernels (see `run_file`).

    complete: whether a file that does not run there has a fault. npu: run it instead as the NPU of
    this chip does, on its maker's emulator; limit_s: of a compile, and of a run there.
    """

    name: str
    kernels: str = "default"
    python: tuple[str, ...] = (sys.executable,)
    complete: bool = True
    npu: NpuChip | None = None
    limit_s: float = NPU_LIMIT_S


# The reference kernels lack ops, of ai-edge-litert 2.3.0 among others ELU and DEPTH_TO_SPACE 2.
CPU = (
    Place("XNNPACK"),
    Place("built-in", "builtin"),
    Place("reference", "reference", complete=False),
)
GPU = (Place("GPU float32", "gpu-float32"), Place("GPU float16", "gpu-float16"))


@dataclass(frozen=True)
class Comparison:
    """What a file computed in a place beside the Keras network, or why it did not run.

    complete: that of the place. runtime: its name, version and machine. failure: why it did not
    run, or "". The next three are those of `verify`. worst_tile_psnr_db: of the output, in the
    worst tile of 32x32. ramp_levels: how many levels of 256 are left of a smooth grey ramp
    (network_levels: behind the network). largest_difference: of an output from that of the first
    place in which it ran, in levels of 256.
    """

    place: str
    complete: bool
    runtime: str
    failure: str
    output_psnr_db: float | None = None
    residual_psnr_db: float | None = None
    residual_correlation: float | None = None
    worst_tile_psnr_db: float | None = None
    ramp_levels: int | None = None
    network_levels: int | None = None
    largest_difference: float | None = None

    def within(self, budget: dict[str, float]) -> bool:
        """Whether it ran, or need not, and kept the least that a recipe's `budget` allows."""
        if self.failure:
            return not self.complete
        return all(getattr(self, key) >= least for key, least in budget.items())


def also(text: str) -> Place:
    """The place that `NAME=COMMAND` describes: a Python, started by COMMAND, that has a runtime."""
    name, _, command = text.partition("=")
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation that does not end
        words = []
    if not (name.strip() and words and words[0]):
        raise InputError(
            f"--also takes NAME=COMMAND, the command of a Python. Received: {text}. "
            "Try old=old/bin/python."
        )
    return Place(name.strip(), python=tuple(words))


def compare_places(
    model: keras.Model,
    tflite: TfliteModel,
    photos: Sequence[NDArray[np.uint8]],
    places: Sequence[Place],
) -> tuple[list[Comparison], NDArray[np.uint8] | None]:
    """What the file computes in each of `places`, and a picture of its worst tile.

    tflite, photos: as of `verify`. The picture, [H, W, 3] sRGB, of the first place in which the
    file runs: the network's tile, the file's, and a heat map of their difference.
    """
    tflite, images = pictures(tflite, photos)
    images = np.concatenate([images, _ramp(images.shape[1:])[None]])
    reference = Restorer(in_float32(model))
    expected = np.stack([reference.restore(image) for image in images])
    results: list[Comparison] = []
    first, worst = None, None
    for place in places:
        try:
            runtime, actual = run_in(place, tflite, images)
        except LpieError as error:
            results.append(Comparison(place.name, place.complete, "", str(error)))
            continue
        if first is None:
            first, worst = actual, _worst_tile(expected[:-1], actual[:-1])
        results.append(_compared(place, runtime, images, expected, actual, first))
    return results, worst


def run_in(
    place: Place, tflite: TfliteModel, images: NDArray[np.float32]
) -> tuple[str, NDArray[np.float32]]:
    """(the runtime, outputs) of the file for [N, H, W, 3] `images`, both float32 in [0, 1].

    Raises `LpieError` with the last words of a place in which it does not run.
    """
    if place.npu is not None:
        return run_on_npu(tflite, place.npu, images, limit_s=place.limit_s)
    (source,), (result,) = tflite.inputs, tflite.outputs
    with (
        tempfile.TemporaryDirectory() as folder,
        undone_by_signals(lambda: shutil.rmtree(folder, ignore_errors=True)),
    ):
        model, inputs, outputs = (str(Path(folder) / n) for n in ("m.tflite", "in.npy", "out.npy"))
        Path(model).write_bytes(tflite.to_bytes())
        dtype = np.dtype(source.dtype)
        np.save(inputs, to_levels(images, dtype, *_quantization(source))[:, None])
        words = [run_file.__file__, model, inputs, outputs, place.kernels]
        runtime = _run(place, words, _limits(place, tflite, len(images)))
        tensors = np.load(outputs)
        if tensors.shape[1:] != result.shape:
            raise LpieError(
                f"Its output has the shape {list(tensors.shape[1:])} instead of "
                f"{list(result.shape)}."
            )
        return runtime, from_levels(tensors[:, 0], *_quantization(result))


def _limits(place: Place, tflite: TfliteModel, images: int) -> Limits | None:
    """What this computer's own Python may take; an emulator of another may need far more."""
    if place.python != (sys.executable,):
        return None
    one = limits_of(tflite)
    return Limits(one.cpu_s * (images + 1), available_mb())


def _run(place: Place, arguments: Sequence[str], limits: Limits | None) -> str:
    try:
        with child(
            [*place.python, *arguments],
            limits=limits,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
        ) as process:
            printed, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise LpieError(f"It did not end within {LIMIT_S} s.") from None
    except OSError as error:
        raise LpieError(f"{place.python[0]} cannot be started: {error.strerror}.") from None
    lines = [line.removeprefix(MARK) for line in printed.splitlines() if line.startswith(MARK)]
    if process.returncode or not lines:
        if process.returncode < 0:
            raise LpieError(f"The runtime {ended_by(process.returncode)}.")
        raise LpieError(printable(last_line(printed)))
    return lines[-1]


def _quantization(tensor: Tensor) -> tuple[float, int]:
    """(scale, zero point); of floats any."""
    if tensor.dtype == "float32":
        return 0.0, 0
    return tensor.scales[0], tensor.zero_points[0]


def _ramp(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A grey ramp from black to white over the width, of the `shape` [H, W, C]."""
    row = np.linspace(0, 1, shape[1], dtype=np.float32)
    return np.broadcast_to(row[None, :, None], shape).copy()


def _levels(image: NDArray[np.float32]) -> int:
    """How many levels of 256 the middle row of a ramp takes, in green or grey."""
    return len(np.unique(to_uint8(image)[image.shape[0] // 2, :, image.shape[2] // 2]))


def _compared(
    place: Place,
    runtime: str,
    images: NDArray[np.float32],
    expected: NDArray[np.float32],
    actual: NDArray[np.float32],
    first: NDArray[np.float32],
) -> Comparison:
    """The last of the images is the ramp."""
    pairs = zip(expected[:-1], actual[:-1], strict=True)
    errors = [error for pair in pairs for error, _, _ in _tiles(*pair)]
    return Comparison(
        place.name,
        place.complete,
        runtime,
        "",
        **compare(images[:-1], expected[:-1], actual[:-1]),
        worst_tile_psnr_db=psnr_db(1.0, max(errors)),
        ramp_levels=_levels(actual[-1]),
        network_levels=_levels(expected[-1]),
        largest_difference=float(np.abs(actual - first).max() * 255),
    )


def _tiles(
    expected: NDArray[np.float32], actual: NDArray[np.float32]
) -> Iterator[tuple[float, int, int]]:
    """(mean square error, y, x) of every tile of an image."""
    squares = ((np.clip(expected, 0, 1) - np.clip(actual, 0, 1)).astype(np.float64) ** 2).mean(-1)
    for y in range(0, squares.shape[0], TILE_PX):
        for x in range(0, squares.shape[1], TILE_PX):
            yield float(squares[y : y + TILE_PX, x : x + TILE_PX].mean()), y, x


def _worst_tile(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The network's tile, the file's and a heat map of their difference, side by side."""
    _, i, y, x = max(
        (*tile[:1], i, *tile[1:])
        for i, pair in enumerate(zip(expected, actual, strict=True))
        for tile in _tiles(*pair)
    )
    ours, theirs = (
        image[i, y : y + TILE_PX, x : x + TILE_PX].clip(0, 1) for image in (expected, actual)
    )
    difference = np.abs(ours - theirs).max(axis=-1)
    heat = to_uint8(difference / max(float(difference.max()), 1e-9))
    coloured = cv2.cvtColor(cv2.applyColorMap(heat, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    ours, theirs = (np.broadcast_to(to_uint8(x), coloured.shape) for x in (ours, theirs))
    row = np.concatenate([ours, theirs, coloured], axis=1)
    return row.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
