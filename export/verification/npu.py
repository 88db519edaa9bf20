"""A `.tflite` run as the NPU of a chip computes it: compiled by Qualcomm's compiler, on Qualcomm's
emulator."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lpie.npu.chips import NpuChip
from lpie.npu.compile import LIMIT_S, compile_for
from lpie.npu.context import chip_of
from lpie.npu.emulate import NpuSession
from lpie.tflite.model import TfliteModel


def run_on_npu(
    model: TfliteModel, chip: NpuChip, images: NDArray[np.float32], *, limit_s: float = LIMIT_S
) -> tuple[str, NDArray[np.float32]]:
    """What the NPU of a chip computes.

    Args:
        model: A file, or one that is compiled for that chip already.
        chip: The chip.
        images: [N, H, W, 3] float32 in [0, 1], of the file's size.
        limit_s: The compiler is ended after so many seconds, and so is each run of the emulator.

    Returns:
        (what ran it, outputs [N, H, W, 3] float32).

    Raises:
        InputError: The compiler or the emulator is not installed, or not for this computer.
        LpieError: The file cannot be compiled for the chip, or not run on the emulator.
    """
    compiled = (
        model if model.compiled_for_npu else compile_for(model, chip, limit_s=limit_s).model()
    )
    session = NpuSession(compiled, limit_s=limit_s)
    try:
        outputs = np.stack([session.run(image) for image in images])
    finally:
        session.close()
    return f"Qualcomm's emulator of {chip}", outputs


def chips_for(model: TfliteModel, asked: Sequence[NpuChip]) -> list[NpuChip]:
    """The chips to run a file for: those that were asked for, or that of a compiled file."""
    return [chip_of(model)] if model.compiled_for_npu else [*asked]
