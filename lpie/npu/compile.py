"""A `.tflite` compiled for the NPU of a Qualcomm chip, by LiteRT's and Qualcomm's own compiler.

The compiler runs in a process of its own with limits of time and memory: it may crash, hang or
refuse, and each of these becomes a sentence.
"""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from lpie.errors import LpieError
from lpie.npu.chips import MANUFACTURER, NpuChip
from lpie.npu.log import CompileLog, LoggedRefusal, Traffic, read_log
from lpie.npu.tools import Tools, npu_tools
from lpie.printable import printable
from lpie.system.child import ended_by
from lpie.system.limits import Limits, available_mb
from lpie.system.signals import child, undone_by_signals
from lpie.tflite.model import Op, TfliteModel
from lpie.tflite.names import layer_of_op

# LPIENet at full HD takes a minute on a slow computer.
LIMIT_S = 900.0
_THREADS = 4  # more than the compiler keeps busy


@dataclass(frozen=True)
class RefusedOp:
    """An op that the NPU leaves to the CPU.

    Attributes:
        index: Its position in its graph.
        op: Its name, such as CONV_2D.
        layer: The layer of the network that it belongs to, as far as names tell.
        reason: The vendor's reason, as the end of a sentence.
    """

    index: int
    op: str
    layer: str
    reason: str


@dataclass(frozen=True)
class Compiled:
    """What Qualcomm's compiler made of a file.

    Attributes:
        chip: The chip.
        ops: All ops, without those that only unpack weights.
        refused: Those that the NPU does not take.
        partitions: The parts that the NPU runs, each with a copy in and out; of a file of several
            sizes, those of the size that has most.
        traffic: What one run reads and writes in DRAM; of a file of several sizes, one run of each.
        seconds: How long the compile took.
        versions: Of the packages that compiled it.
        sizes: How many image sizes the file has.
        failure: Why there is no compiled file, as a sentence; "" where there is one.
        data: The compiled `.tflite`; empty where there is none.
    """

    chip: NpuChip
    ops: int
    refused: tuple[RefusedOp, ...]
    partitions: int
    traffic: Traffic
    seconds: float
    versions: dict[str, str]
    sizes: int = 1
    failure: str = ""
    data: bytes = field(default=b"", repr=False)
    trusted: bool = False

    @property
    def accepted(self) -> int:
        """How many ops the NPU takes."""
        return 0 if self.failure else self.ops - len(self.refused)

    @property
    def full(self) -> bool:
        """Whether the NPU takes every op."""
        return not self.refused and not self.failure

    def model(self, name: str = "the compiled model") -> TfliteModel:
        """The compiled file; an `LpieError` where there is none."""
        if not self.data:
            raise LpieError(self.failure)
        return TfliteModel.parse(self.data, name, trusted=self.trusted)


def compile_for(model: TfliteModel, chip: NpuChip, *, limit_s: float = LIMIT_S) -> Compiled:
    """Compile a `.tflite` for the NPU of a chip.

    Args:
        model: Any model of fixed sizes.
        chip: One of `lpie.npu.chips`.
        limit_s: The compiler is ended after so many seconds.

    Returns:
        What the NPU takes, what that moves, and the compiled file. Where the compiler crashes, runs
        out of time or memory, or takes no op, `failure` says so and there is no file.

    Raises:
        InputError: The compiler is not installed, or not for this computer.
    """
    tools = npu_tools()
    if wrong := _wrong_floats(model, chip):
        return _compiled(model, chip, CompileLog(), tools, failure=wrong)
    start = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="lpie-npu-") as name,
        undone_by_signals(lambda: shutil.rmtree(name, ignore_errors=True)),
    ):
        folder = Path(name)
        code, late = _run(tools, model, chip, folder, limit_s)
        seconds = time.perf_counter() - start
        vendor, litert = ((folder / n).read_text(errors="replace") for n in ("out", "err"))
        output = folder / "compiled.tflite"
        data = output.read_bytes() if not code and output.is_file() else b""
    log = read_log(vendor, litert)
    failure = _failure(model, chip, log, code, data, late=limit_s if late else 0)
    return _compiled(model, chip, log, tools, failure=failure, data=data, seconds=seconds)


def _compiled(
    model: TfliteModel,
    chip: NpuChip,
    log: CompileLog,
    tools: Tools,
    *,
    failure: str,
    data: bytes = b"",
    seconds: float = 0.0,
) -> Compiled:
    return Compiled(
        chip=chip,
        ops=sum(len(_real_ops(graph)) for graph in model.graphs),
        refused=tuple(_refused(model, log.refused)),
        partitions=0 if failure else _partitions(model, log),
        sizes=max(len(model.sizes), 1),
        traffic=Traffic() if failure else log.traffic,
        seconds=seconds,
        versions=tools.versions,
        failure=failure,
        data=b"" if failure else data,
        trusted=model.trusted,
    )


def _run(
    tools: Tools, model: TfliteModel, chip: NpuChip, folder: Path, limit_s: float
) -> tuple[int, bool]:
    """(the compiler's exit code, whether it had to be ended); its output lies in `folder`."""
    source = folder / "model.tflite"
    source.write_bytes(_named_apart(model).to_bytes())
    command = [
        str(tools.compiler),
        "--cmd=apply",
        f"--model={source}",
        f"--o={folder / 'compiled.tflite'}",
        f"--soc_manufacturer={MANUFACTURER}",
        f"--soc_model={chip.soc}",
        "--err=--",
        f"--libs={tools.plugins}",
    ]
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        try:
            with child(
                command,
                limits=Limits(_THREADS * limit_s, available_mb()),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={**os.environ, **tools.variables(folder)},
            ) as process:
                return process.wait(timeout=limit_s), False
        except subprocess.TimeoutExpired:
            return -9, True


def _named_apart(model: TfliteModel) -> TfliteModel:
    """The model with a name for each tensor: Qualcomm's compiler tells them apart by it alone."""
    names = [[tensor.name for tensor in graph.tensors] for graph in model.graphs]
    if all(all(listed) and len(set(listed)) == len(listed) for listed in names):
        return model
    editor = model.edit()
    editor.name_apart()
    return editor.finish()


def _failure(
    model: TfliteModel, chip: NpuChip, log: CompileLog, code: int, data: bytes, *, late: float
) -> str:
    """Why there is no compiled file that works, as a sentence; "" where there is one."""
    name = printable(model.name)
    if late:
        return f"Qualcomm's compiler did not end within {late:g} s on {name}."
    if code < 0:
        how = "was killed, likely out of memory" if code == -9 else ended_by(code)
        return f"Qualcomm's compiler {how} on {name}."
    taken = sum(count for count, _ in log.graphs)
    if log.graphs and not taken:
        return f"The NPU of {chip} takes no op of {name}{_common(log.refused)}."
    if code or not data:
        reason = printable(log.failure) or "it does not say why"
        return f"Qualcomm's compiler failed for {chip} on {name}: {reason}."
    return ""


def _wrong_floats(model: TfliteModel, chip: NpuChip) -> str:
    """Why the file would be computed wrongly, as a sentence; "" where it would not."""
    op = _float_op(model) if chip.floats == "wrong" else None
    if op is None:
        return ""
    return (
        f"The NPU of {chip} computes float ops wrongly, as Qualcomm's own emulator shows. "
        f"{printable(model.name)} has one in {printable(layer_of_op(op))} "
        f"({op.name}). Use an int8 file: lpie export MODEL --recipe int8."
    )


def _partitions(model: TfliteModel, log: CompileLog) -> int:
    """Of the graph that runs in most, where each is a size of its own; else of all."""
    counts = [count for _, count in log.graphs]
    return max(counts, default=0) if model.sizes else sum(counts)


def _common(refused: tuple[LoggedRefusal, ...]) -> str:
    """The reason that all refusals share."""
    reasons = {refusal.reason for refusal in refused}
    return f": {reasons.pop()}" if len(reasons) == 1 else ""


def _float_op(model: TfliteModel) -> Op | None:
    """An op that computes floats, other than one that turns integers into them."""
    for graph in model.graphs:
        for op in _real_ops(graph):
            kinds = {tensor.dtype for tensor in (*op.runtime_inputs, *op.outputs)}
            if kinds & {"float32", "float16"} and op.name not in ("QUANTIZE", "DEQUANTIZE"):
                return op
    return None


def _real_ops(graph: TfliteModel) -> list[Op]:
    return [op for op in graph.ops if not op.folded]


def _refused(model: TfliteModel, logged: tuple[LoggedRefusal, ...]) -> list[RefusedOp]:
    """The refusals with the names that they have in the file."""
    graphs, refused = model.graphs, []
    for refusal in logged:
        ops = graphs[refusal.graph].ops if refusal.graph < len(graphs) else ()
        op = ops[refusal.index] if refusal.index < len(ops) else None
        if op is None:
            refused.append(RefusedOp(refusal.index, refusal.op, "", refusal.reason))
        elif not op.folded:
            layer = printable(layer_of_op(op))
            refused.append(RefusedOp(op.index, op.name, layer, refusal.reason))
    return refused
