"""A `.tflite` that restores images: its size, its halo, and the interpreters that run it."""

import dataclasses
import functools
import math
import queue
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.restore import autotune
from lpie.restore.tile_policy import (
    FAST_HALO_ERROR,
    FAST_HALO_MARGIN,
    LONGEST_TILE_PX,
    WORTH_MEASURING_PX,
    Budget,
    Halo,
    Plan,
    Rates,
    fastest_plan,
    tile_bytes_per_px,
    unmeasured_plan,
    whole_or_blended_plan,
)
from lpie.size import Size
from lpie.tflite.cost import INTERPRETER_MB, xnnpack_peak_mb
from lpie.tflite.interpreter import RuntimeName, Session
from lpie.tflite.model import TfliteModel
from lpie.tflite.receptive_field.ends import image_ends, value_range
from lpie.tflite.receptive_field.walk import reach_of
from lpie.tflite.spec import ModelSpec, spec_path

# The size at which the memory of a file of any size is estimated.
SAMPLE = Size(256, 256)
# The values of black and white that files without a spec may mean, and how far off theirs may be.
RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
RANGE_SLACK = 0.02
# No image in [0, 1] has a mean beyond this, whatever a network makes of it.
MOST_MEAN = 16.0


class TfliteNetwork:
    """A `.tflite` that restores images (a `lpie.restore.network.Network`).

    Its graph is resized to the tile at hand when it is local, as its spec says or, of a file
    without one, its ops.

    Args:
        path: The file.
        threads: Threads of all interpreters together.
        runtime: The runtime of the interpreters.
        halo: "fast" lets tiles overlap less, at an error of at most 1/1024 of a level of 255.

    Attributes:
        multiple: Sides of images must be multiples of this, in px.
        halo_px: How far it looks beyond a pixel, in px; None when it sees the whole image.
        fixed: The only (height, width) it takes; None when it takes any.
        scale: How many times as high and wide as its input its output is.
        channels: Of its input and of its output.
        reason: Why its tiles are not exact; "" where they are.

    Raises:
        InputError: The file is no `.tflite` of one image, or its `.spec.json` is another file's.
    """

    def __init__(
        self, path: Path, threads: int, runtime: RuntimeName, halo: Halo = "exact"
    ) -> None:
        model = TfliteModel.read(path)
        self._check_runs_here(model)
        ends, spec = image_ends(model), _checked_spec(path, model)
        self.model, self._threads, self._runtime = model, threads, runtime
        field = reach_of(model)
        self.multiple, self.halo_px, self.scale = field.multiple, field.halo_px, field.scale
        self.reason = field.reason
        self.channels = (ends.channels, ends.result_channels)
        resizable = field.resizable and not model.compiled_for_npu
        self.fixed: tuple[int, int] | None = None if resizable else ends.size
        self._range = spec.value_range if spec else _assumed_range(model)
        self._foreign = spec is None or not model.trusted
        self.integer = bool(spec and spec.output_dtype != "float32") or _is_quantized(model)
        self._weights_mb = 2 * len(model.to_bytes()) / 1e6
        # A file that lpie did not write runs in processes of its own.
        self._process_mb = 0.0 if model.trusted else INTERPRETER_MB
        self._mb_per_px = self._measured_mb_per_px(ends.size)
        self._sessions: queue.SimpleQueue[Session] = queue.SimpleQueue()
        self._opened: tuple[Size, int, int] | None = None
        if halo == "fast" and self.halo_px is not None and not self.fixed:
            self.halo_px = self._fast_halo(self.halo_px)

    def _check_runs_here(self, model: TfliteModel) -> None:
        """Refuse a file that no interpreter of this computer runs."""
        if model.compiled_for_npu:
            raise InputError(
                f"{model.name} is compiled for a phone's NPU, which this computer has not. Restore "
                "with the file that it came from, or measure it: lpie evaluate FILE --npu SM8650."
            )

    def _measured_mb_per_px(self, own: Size | None) -> float:
        """What a run takes per pixel of its image, beside the weights, in 10^6 bytes."""
        size = own or SAMPLE.rounded_up(self.multiple)
        model = self.model if own else self.model.resized(size)
        whole_mb = max(xnnpack_peak_mb(model) - INTERPRETER_MB - self._weights_mb, 0)
        return whole_mb / size.pixels + tile_bytes_per_px(self.scale) / 1e6

    @functools.cached_property
    def key(self) -> str:
        """What measurements of this file are remembered by."""
        return autotune.rates_key(self.model, self._threads, self._runtime)

    def estimate_mb(self, area_px: Any) -> Any:
        """What an interpreter for tiles of that area takes, and the tile beside it."""
        return self._process_mb + self._weights_mb + self._mb_per_px * area_px

    def plan(self, size: Size, budget: Budget, *, tile_px: int | None) -> Plan:
        """The fastest way to go over a photo of `size`.

        Times this machine at the first photo that is large enough to pay for that.
        """
        padded = size.rounded_up(self.multiple)
        if self.halo_px is None or self.fixed:
            return self._plan_of_one(padded, budget, tile_px)
        measure = tile_px is None and size.pixels >= WORTH_MEASURING_PX
        return fastest_plan(
            padded,
            halo_px=self.halo_px,
            multiple=self.multiple,
            rates=self._rates(budget.left_mb, measure),
            estimate_mb=self.estimate_mb,
            budget=budget,
            most_px=tile_px or max(LONGEST_TILE_PX, 4 * self.halo_px),
        )

    def _plan_of_one(self, size: Size, budget: Budget, tile_px: int | None) -> Plan:
        """The plan of a file of one size, or of one that sees the whole image: one interpreter."""
        if self.fixed is None:
            plan = unmeasured_plan(
                size,
                halo_px=None,
                multiple=self.multiple,
                mb_per_px=self._mb_per_px,
                budget=dataclasses.replace(budget, result_mb=budget.result_mb + self._weights_mb),
                tile_px=tile_px,
            )
        else:
            plan = whole_or_blended_plan(size, self.fixed, self.halo_px, self.multiple, None)
        needed_mb = float(self.estimate_mb(plan.tile.pixels))
        if needed_mb > budget.left_mb:
            raise budget.too_small(needed_mb)
        return dataclasses.replace(plan, threads=self._threads, estimated_mb=needed_mb)

    def _rates(self, budget_mb: float, measure: bool) -> list[Rates]:
        known = autotune.known_rates(self.key, self._threads)
        if known or not measure or autotune.busy():
            return known or [*autotune.unmeasured_rates(self._threads), Rates(1, self._threads)]
        self.close()
        return autotune.measure_rates(
            self.model,
            self.key,
            threads=self._threads,
            runtime=self._runtime,
            multiple=self.multiple,
            channels=self.channels[0],
            fits=lambda workers, area: workers * self.estimate_mb(area) <= budget_mb,
        )

    def _fast_halo(self, exact_px: int) -> int:
        """The smallest halo (px) that costs at most 1/1024 of a level; measured once, remembered.

        Files that compute in integers keep their whole halo.
        """
        if self.integer or not exact_px:
            return exact_px
        halo_px = autotune.remembered(self.key, "fast_halo_px")
        valid = isinstance(halo_px, int) and 0 < halo_px <= exact_px
        if not (valid and halo_px % self.multiple == 0):
            halo_px = self._measured_halo(exact_px)
            autotune.remember(self.key, "fast_halo_px", halo_px)
        return halo_px

    def _measured_halo(self, halo: int) -> int:
        """The distance (px) from a tile's edge at which the pixels beyond it stop to matter.

        Test images are restored with and without what lies around a tile; the halo is where the
        two no longer differ by more than an eighth of what is allowed.
        """
        around, tile, reach = self._session(3 * halo), self._session(2 * halo), 1
        allowed, edge = FAST_HALO_ERROR / FAST_HALO_MARGIN, halo * self.scale
        for image in _test_images(3 * halo, self.channels[0]):
            whole = around.run(image)
            # Cut at the top left, then at the bottom right; `kept` is that of the output.
            for near, kept in (
                (slice(halo, None), slice(edge, None)),
                (slice(None, 2 * halo), slice(None, 2 * edge)),
            ):
                error = np.abs(whole[kept, kept] - tile.run(image[near, near])).max(axis=2)
                error = error if near.start else error[::-1, ::-1]
                lines = np.maximum(error[:, edge:].max(axis=1), error[edge:].max(axis=0))
                reach = max(reach, *(np.flatnonzero(lines[:edge] > allowed) + 1), 1)
        reach_px = -(-int(reach) // self.scale)
        return min(-(-reach_px // self.multiple) * self.multiple, halo)

    def _session(self, side: int) -> Session:
        model = self.model.resized(Size(side, side))
        return Session(model, threads=self._threads, runtime=self._runtime)

    def open(self, plan: Plan) -> None:
        """Open the interpreters of `plan`, unless they are open already."""
        wanted = (plan.tile, plan.workers, plan.threads)
        if self._opened == wanted:
            return
        self.close()
        model = self.model.resized(plan.tile)
        for _ in range(plan.workers):
            self._sessions.put(Session(model, threads=plan.threads, runtime=self._runtime))
        self._opened = wanted

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """`image`, a tile of the plan that was opened, restored; from any thread."""
        low, high = self._range
        plain = (low, high) == (0, 1)
        session = self._sessions.get()
        try:
            result = session.run(
                image if plain else image * np.float32(high - low) + np.float32(low)
            )
        finally:
            self._sessions.put(session)
        if not plain:
            result = (result - np.float32(low)) / np.float32(high - low)
        if self._foreign:
            self._check_range(result)
        return result

    def _check_range(self, result: NDArray[np.float32]) -> None:
        """Raise an `InputError` for values that cannot be those of an image."""
        mean = float(result.mean())
        if not math.isfinite(mean):
            raise InputError(
                f"{self.model.name} returns values that are no numbers (NaN or infinite) for an "
                "image in [0, 1]."
            )
        if abs(mean) > MOST_MEAN:
            raise InputError(
                f"{self.model.name} returns values around {mean:.3g} for an image in [0, 1]: it "
                "works in another range of values. Export it for images in [0, 1]."
            )

    def close(self) -> None:
        """Free the interpreters' memory; the next plan opens new ones."""
        while not self._sessions.empty():
            self._sessions.get().close()
        self._opened = None


def _assumed_range(model: TfliteModel) -> tuple[float, float]:
    """What black and white are in the numbers that a file without a spec takes.

    Raises:
        InputError: They are integers that stand for something else than an image.
    """
    stated = value_range(model.inputs[0])
    if stated is None:
        return 0.0, 1.0
    for low, high in RANGES:
        slack = RANGE_SLACK * (high - low)
        if abs(stated[0] - low) <= slack and abs(stated[1] - high) <= slack:
            return stated  # so that a level of the photo is a level of the input
    raise InputError(
        f"The input of {model.name} stands for values from {stated[0]:.3g} to {stated[1]:.3g}. "
        "lpie restores with images in [0, 1], [-1, 1] or [0, 255]. Export it for one of these."
    )


def _test_images(side: int, channels: int) -> list[NDArray[np.float32]]:
    """Noise, and edges with a little noise, [side, side, channels] float32 in [0, 1]."""
    rng = np.random.default_rng(0)
    noise = rng.random((side, side, channels), np.float32)
    blocks = rng.random((-(-side // 16), -(-side // 16), channels), np.float32)
    edges = blocks.repeat(16, axis=0).repeat(16, axis=1)[:side, :side]
    return [noise, np.clip(edges + (noise - np.float32(0.5)) * np.float32(0.2), 0, 1)]


def _checked_spec(path: Path, model: TfliteModel) -> ModelSpec | None:
    """The spec inside the file, after one look at the file beside it."""
    spec, beside = model.spec, spec_path(path)
    if beside.is_file():
        other = ModelSpec.from_json(beside.read_text(errors="replace"), str(beside))
        if other.sha256 and other.sha256 != model.sha256:
            raise InputError(
                f"{beside} describes another file than {path}: their SHA-256 differ. "
                "Export the model again, or remove the spec that is not its own."
            )
    return spec


def _is_quantized(model: TfliteModel) -> bool:
    """Whether any op of the model returns integers."""
    return any(
        tensor.dtype in ("int8", "uint8", "int16") for op in model.ops for tensor in op.outputs
    )
