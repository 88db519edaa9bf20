"""The parts of a compiled `.tflite`: what the NPU runs, and what is left to the CPU."""

import struct
from dataclasses import dataclass
from typing import Any

from lpie.errors import InputError
from lpie.npu.chips import MANUFACTURER, NpuChip, chip_numbered
from lpie.tflite.model import DISPATCH, Op, Tensor, TfliteModel

STAMP = "LiteRtStamp"


@dataclass(frozen=True)
class NpuPart:
    """A partition that the NPU runs: a QNN context, which lies behind the model in its file.

    name: of the graph in the context. offset, size: where it lies, in bytes.
    """

    name: str
    offset: int
    size: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class CpuPart:
    """Ops between partitions, as a model of their own that TFLite runs."""

    model: TfliteModel

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What it takes, by the indices that the whole file has."""
        return self.model.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it returns, by the indices that the whole file has."""
        return self.model.outputs


Part = NpuPart | CpuPart


def chip_of(model: TfliteModel) -> NpuChip:
    """The chip that a file was compiled for; an `InputError` where that is unknown."""
    stamp = model.metadata(STAMP) or b""
    # Two texts, each followed by zeros.
    texts = [word.decode(errors="replace") for word in stamp.split(b"\0") if word]
    if texts[:1] != [MANUFACTURER]:
        raise InputError(
            f"{model.name} was not compiled for a chip of {MANUFACTURER}. Compile it: lpie export "
            "MODEL --npu SM8650."
        )
    return chip_numbered(texts[-1] if len(texts) > 1 else "")


def parts_of(model: TfliteModel) -> list[Part]:
    """The parts of a compiled file in the order in which they run."""
    parts: list[Part] = []
    between: list[Op] = []
    for op in model.ops:
        if op.name != DISPATCH:
            between.append(op)
            continue
        if between:
            parts.append(_cpu_part(model, between))
            between = []
        parts.append(_npu_part(model, op))
    if between:
        parts.append(_cpu_part(model, between))
    return parts


def _npu_part(model: TfliteModel, op: Op) -> NpuPart:
    options = _flexbuffer(model.custom_options(op))
    name, offset, size = (options.get(k) for k in ("name", "bytecode_offset", "bytecode_size"))
    if not (isinstance(name, str) and isinstance(offset, int) and isinstance(size, int)):
        raise InputError(f"{model.name} is damaged: its op {op.index} names no NPU program.")
    if not (offset > 0 and size > 0 and offset + size <= len(model.to_bytes())):
        raise InputError(f"{model.name} is damaged: the NPU program {name} lies beyond its end.")
    return NpuPart(name, offset, size, tuple(op.runtime_inputs), op.outputs)


def _flexbuffer(data: bytes) -> dict[str, Any]:
    """The map in a flexbuffer; empty where there is none."""
    from flatbuffers import flexbuffers

    try:
        options = flexbuffers.Loads(data)
    except (struct.error, IndexError, ValueError, TypeError, UnicodeDecodeError):
        return {}
    return options if isinstance(options, dict) else {}


def _cpu_part(model: TfliteModel, ops: list[Op]) -> CpuPart:
    """`ops` alone: what they read of other ops goes in, what others read of them comes out."""
    inside = {op.index for op in ops}
    written = {tensor.index for op in ops for tensor in op.outputs}
    wanted = {tensor.index for tensor in model.outputs}
    for op in model.ops:
        if op.index not in inside:
            wanted.update(tensor.index for tensor in op.runtime_inputs)
    inputs = {tensor.index: None for op in ops for tensor in op.runtime_inputs}
    return CpuPart(
        model.cut(
            sorted(inside),
            inputs=[i for i in inputs if i not in written],
            outputs=sorted(written & wanted),
        )
    )
