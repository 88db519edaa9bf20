"""A finished `.tflite` compiled for the NPUs of Qualcomm's chips, and checked on their emulator
before it is written."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import LpieError
from lpie.export.verification.npu import run_on_npu
from lpie.export.verification.parity import compare, pictures, small
from lpie.export.write import check_output, write
from lpie.npu.chips import NpuChip
from lpie.npu.compile import LIMIT_S, Compiled, compile_for
from lpie.restore.restorer import Restorer
from lpie.size import Size
from lpie.tflite.model import TfliteModel
from lpie.tflite.signatures import of_size
from lpie.tflite.spec import ModelSpec

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class NpuFile:
    """A file compiled for a chip. checked: what the emulator measured; None when it was skipped."""

    compiled: Compiled
    checked: dict[str, Any] | None


def npu_path(path: Path, chip: NpuChip) -> Path:
    """Where the file compiled for a chip lies, beside the file `path` that it comes from."""
    return path.with_name(f"{path.stem}_{chip.soc}{path.suffix}")


def check_npu_outputs(path: Path, chips: Sequence[NpuChip], overwrite: bool) -> None:
    """Refuse outputs that exist already, without `overwrite`."""
    for chip in chips:
        check_output(npu_path(path, chip), overwrite)


def compile_checked(
    network: "keras.Model",
    file: TfliteModel,
    chip: NpuChip,
    photos: Sequence[NDArray[np.uint8]],
    budget: dict[str, float] | None,
    *,
    limit_s: float = LIMIT_S,
) -> NpuFile:
    """Compile a file for a chip, after the emulator has shown that the chip computes it rightly.

    Like every file, one beyond 512x512 is compared at 256x256: compiled at that size, for the same
    chip. Of a file of several sizes, all are.

    Args:
        network: The network that the file comes from.
        file: The file.
        chip: The chip.
        photos: Degraded photos, as of `lpie.export.verify`.
        budget: How far the chip may stray from the network; None to skip the comparison.
        limit_s: The compiler is ended after so many seconds, and so is each run of the emulator.

    Raises:
        LpieError: The file cannot be compiled, or strays too far, with the numbers.
    """
    compiled = compile_for(file, chip, limit_s=limit_s)
    compiled.model()
    if budget is None:
        return NpuFile(compiled, None)
    singles: dict[Size, TfliteModel] = {}
    for single in [of_size(file, name) for name in file.sizes] or [file]:
        checked = small(single)
        singles.setdefault(checked.image, checked)
    whole = compiled.model() if [*singles.values()] == [file] else None
    results = [
        _checked(network, whole or one, chip, photos, budget, limit_s) for one in singles.values()
    ]
    return NpuFile(compiled, results[0])


def _checked(
    network: "keras.Model",
    model: TfliteModel,
    chip: NpuChip,
    photos: Sequence[NDArray[np.uint8]],
    budget: dict[str, float],
    limit_s: float,
) -> dict[str, Any]:
    """How far the emulator of a chip is from the network; an `LpieError` beyond the budget."""
    model, images = pictures(model, photos)
    reference = Restorer(network)
    expected = np.stack([reference.restore(image) for image in images])
    runtime, actual = run_on_npu(model, chip, images, limit_s=limit_s)
    numbers = compare(images, expected, actual)
    short = [key for key, least in budget.items() if not numbers[key] >= least]
    if short:
        shown = ", ".join(f"{k} {numbers[k]:.5g} (at least {budget[k]:g})" for k in budget)
        raise LpieError(f"Nothing was written, as the NPU of {chip} strays too far: {shown}.")
    size = str(model.image)
    return {**numbers, "budget": budget, "size": size, "pictures": len(images), "by": runtime}


def write_npu_file(path: Path, npu: NpuFile, spec: ModelSpec) -> ModelSpec:
    """Write a compiled file beside the file `path` that it comes from, whose spec is `spec`."""
    compiled, chip = npu.compiled, npu.compiled.chip
    target = npu_path(path, chip)
    facts = {
        "chip": chip.soc,
        "name": chip.marketing,
        "hexagon": chip.hexagon,
        "ops": compiled.ops,
        "accepted": compiled.accepted,
        "partitions": compiled.partitions,
        "dram_bytes": dataclasses.asdict(compiled.traffic),
        "compiled_from_sha256": spec.sha256,
        "versions": compiled.versions,
        "verified": npu.checked,
    }
    own = replace(spec, file=target.name, npu=facts)
    return write(target, compiled.data, own)
