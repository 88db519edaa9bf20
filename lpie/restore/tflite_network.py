"""A `.tflite` that restores images: its size, its halo, and the interpreters that run it."""

import functools
import queue
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.restore import autotune as rates
from lpie.restore.tile_policy import Plan, Rates, fastest
from lpie.size import Size
from lpie.tflite.cost import INTERPRETER_MB, xnnpack_peak_mb
from lpie.tflite.interpreter import RuntimeName, Session
from lpie.tflite.model import TfliteModel
from lpie.tflite.spec import ModelSpec, spec_path

# Beside the interpreter: a tile as it is cut, and as float32 in and out, with copies of these.
TILE_BYTES_PER_PX = 60
# A difference of 1/1024 of a level of 255, in [0, 1]. Of it an eighth is allowed on the images that
# the halo is measured on: photos with more of it than these were seen, though none with twice.
FAST_ERROR = 1 / 1024 / 255
MARGIN = 8


class TfliteNetwork:
    """A `.tflite` whose graph is resized to the tile at hand when its spec says it is local.

    multiple, halo_px: of its spec. fixed: the only (height, width) it takes, of a file that is not
    local. Raises `InputError` for a file that is none, or whose `.spec.json` is another file's.
    """

    def __init__(self, path: Path, threads: int, runtime: RuntimeName) -> None:
        model = TfliteModel.read(path)
        size, spec = model.image, _checked_spec(path, model)
        self.multiple = spec.multiple if spec else 1
        self.halo_px = spec.halo_px if spec else None
        self.fixed: tuple[int, int] | None = size if self.halo_px is None else None
        self.model, self._threads, self._runtime = model, threads, runtime
        self.integer = bool(spec and spec.output_dtype != "float32") or _is_quantized(model)
        weights_mb = len(model.to_bytes()) / 1e6
        self._fixed_mb = 2 * weights_mb
        whole_mb = max(xnnpack_peak_mb(model) - INTERPRETER_MB - self._fixed_mb, 0)
        self._mb_per_px = whole_mb / (size[0] * size[1]) + TILE_BYTES_PER_PX / 1e6
        self._sessions: queue.SimpleQueue[Session] = queue.SimpleQueue()
        self._ready: tuple[tuple[int, int], int, int] | None = None

    @functools.cached_property
    def key(self) -> str:
        """What measurements of this file are remembered by."""
        return rates.rates_key(self.model, self._threads, self._runtime)

    def estimate_mb(self, area_px: Any) -> Any:
        """What an interpreter for tiles of that area takes, and the tile beside it."""
        return self._fixed_mb + self._mb_per_px * area_px

    def fastest(
        self, size: tuple[int, int], halo_px: int, budget_mb: float, *, most_px: int, measure: bool
    ) -> Plan:
        """The fastest plan for a padded photo; measure: time this machine if that was not done."""
        return fastest(
            size,
            halo_px=halo_px,
            multiple=self.multiple,
            rates=self._rates(budget_mb, measure),
            estimate_mb=self.estimate_mb,
            budget_mb=budget_mb,
            most_px=most_px,
        )

    def _rates(self, budget_mb: float, measure: bool) -> list[Rates]:
        known = rates.known_rates(self.key, self._threads)
        if known or not measure or rates.busy():
            return known or [*rates.unmeasured(self._threads), Rates(1, self._threads)]
        self.close()
        return rates.measure_rates(
            self.model,
            self.key,
            threads=self._threads,
            runtime=self._runtime,
            multiple=self.multiple,
            fits=lambda workers, area: workers * self.estimate_mb(area) <= budget_mb,
        )

    def fast_halo(self) -> int:
        """The smallest halo (px) that costs at most 1/1024 of a level; measured once, remembered.

        Test images are restored with and without what lies around; the halo is where the two no
        longer differ by an eighth of that. Files that compute in integers keep their whole halo.
        """
        assert self.halo_px is not None
        if self.integer or not self.halo_px:
            return self.halo_px
        kept = rates.remembered(self.key, "fast_halo_px")
        if not (isinstance(kept, int) and 0 < kept <= self.halo_px and kept % self.multiple == 0):
            kept = self._measured_halo(self.halo_px)
            rates.remember(self.key, "fast_halo_px", kept)
        return kept

    def _measured_halo(self, halo: int) -> int:
        """Where cut-off pixels stop to matter: beside them nothing is known, as in a tile."""
        session, reach = None, 1
        for image in _test_images(3 * halo):
            session = session or self._session(3 * halo)
            whole = session.run(image)
            small = self._session(2 * halo)
            for near in (slice(halo, None), slice(None, 2 * halo)):  # cut top left, bottom right
                error = np.abs(whole[near, near] - small.run(image[near, near])).max(axis=2)
                error = error if near.start else error[::-1, ::-1]
                lines = np.maximum(error[:, halo:].max(axis=1), error[halo:].max(axis=0))
                reach = max(reach, *(np.flatnonzero(lines[:halo] > FAST_ERROR / MARGIN) + 1), 1)
        return min(-(-int(reach) // self.multiple) * self.multiple, halo)

    def _session(self, side: int) -> Session:
        data = self.model.resized(Size(side, side)).to_bytes()
        return Session(data, threads=self._threads, runtime=self._runtime)

    def prepare(self, plan: Plan) -> None:
        """Open the interpreters of `plan`, unless they are open already."""
        wanted = (plan.tile, plan.workers, plan.threads)
        if self._ready == wanted:
            return
        self.close()
        data = self.model.resized(Size(*plan.tile)).to_bytes()
        for _ in range(plan.workers):
            self._sessions.put(Session(data, threads=plan.threads, runtime=self._runtime))
        self._ready = wanted

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output for a tile of the plan that was prepared, from any thread."""
        session = self._sessions.get()
        try:
            return session.run(image)
        finally:
            self._sessions.put(session)

    def close(self) -> None:
        """Free the interpreters' memory; the next plan opens new ones."""
        self._ready, self._sessions = None, queue.SimpleQueue()


def _test_images(side: int) -> list[NDArray[np.float32]]:
    """Noise, and edges with a little noise: [side, side, 3] float32 in [0, 1]."""
    rng = np.random.default_rng(0)
    noise = rng.random((side, side, 3), np.float32)
    blocks = rng.random((-(-side // 16), -(-side // 16), 3), np.float32)
    edges = blocks.repeat(16, axis=0).repeat(16, axis=1)[:side, :side]
    return [noise, np.clip(edges + (noise - np.float32(0.5)) * np.float32(0.2), 0, 1)]


def _checked_spec(path: Path, model: TfliteModel) -> ModelSpec | None:
    """The spec inside the file, after one look at the file beside it and at its numbers."""
    spec, beside = model.spec, spec_path(path)
    if beside.is_file():
        told = ModelSpec.from_json(beside.read_text(errors="replace"), str(beside))
        if told.sha256 and told.sha256 != model.sha256:
            raise InputError(
                f"{beside} describes another file than {path}: their SHA-256 differ. "
                "Export the model again, or remove the spec that is not its own."
            )
    if spec and not _plausible(spec):
        raise InputError(
            f"The spec in {path} is damaged: multiple {spec.multiple}, halo {spec.halo_px} px."
        )
    return spec


def _plausible(spec: ModelSpec) -> bool:
    multiple, halo = spec.multiple, spec.halo_px
    whole = isinstance(multiple, int) and 1 <= multiple <= 4096
    return whole and (
        halo is None or (isinstance(halo, int) and 0 <= halo <= 1 << 16 and halo % multiple == 0)
    )


def _is_quantized(model: TfliteModel) -> bool:
    """Whether any op of the model returns integers."""
    return any(
        tensor.dtype in ("int8", "uint8", "int16") for op in model.ops for tensor in op.outputs
    )
