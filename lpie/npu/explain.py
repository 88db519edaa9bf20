"""What Qualcomm's compiler says of a file that was timed on a phone's NPU, in a sentence."""

import re
from pathlib import Path

from lpie.errors import InputError
from lpie.npu.chips import CHIPS, NpuChip
from lpie.npu.compile import Compiled, compile_for
from lpie.npu.tools import npu_tools
from lpie.size import Size
from lpie.tflite.model import TfliteModel

LIMIT_S = 300.0
LAYERS_SHOWN = 3


def npu_note(file: Path, size: Size | None, soc: str) -> str:
    """Which ops the NPU of a phone takes, and why not the others.

    Args:
        file: The file that was timed.
        size: The image size it was timed at; None for its own.
        soc: What the phone says of its chip, such as `QTI SM8650`.

    Returns:
        A sentence; "" for a chip that lpie does not know, without the compiler, and for a file that
        is compiled already.
    """
    chip = _chip_in(soc)
    try:
        npu_tools()
    except InputError:
        return ""
    model = TfliteModel.read(file)
    if chip is None or model.compiled_for_npu:
        return ""
    return _sentence(compile_for(model.resized(size) if size else model, chip, limit_s=LIMIT_S))


def _chip_in(soc: str) -> NpuChip | None:
    return next((CHIPS[word] for word in re.findall(r"\w+", soc.upper()) if word in CHIPS), None)


def _sentence(compiled: Compiled) -> str:
    if compiled.failure:
        return f"Qualcomm's compiler on a computer: {compiled.failure}"
    parts = f"{compiled.partitions} partition{'' if compiled.partitions == 1 else 's'}"
    taken = f"Qualcomm's compiler on a computer takes {compiled.accepted} of {compiled.ops} ops"
    start = f"{taken} for {compiled.chip}, {parts}"
    if compiled.full:
        return f"{start}: what else ran elsewhere, the phone's own software left there."
    first = compiled.refused[0]
    layers = [op.layer for op in compiled.refused if (op.op, op.reason) == (first.op, first.reason)]
    named = ", ".join([*dict.fromkeys(layers)][:LAYERS_SHOWN])
    return f"{start}; {len(layers)} {first.op} stay on the CPU ({named} ...): {first.reason}."
