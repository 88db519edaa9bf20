"""A compiled file run on Qualcomm's emulator, bit by bit as the NPU of its chip computes.

Partitions of the NPU run in a process of its own with limits; what was left to the CPU is run by
TFLite in between.
"""

import contextlib
import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.npu.chips import NpuChip
from lpie.npu.context import CpuPart, NpuPart, chip_of, parts_of
from lpie.npu.tools import npu_tools
from lpie.printable import printable
from lpie.system.child import Child
from lpie.system.limits import Limits, available_mb
from lpie.system.signals import undone_by_signals
from lpie.tflite.interpreter import Session, opened
from lpie.tflite.model import Tensor, TfliteModel

WORKER = Path(__file__).with_name("worker.py")
# Of one run: full HD takes about a minute, LPIENet in float far more.
LIMIT_S = 900.0


class NpuInterpreter:
    """What a TFLite interpreter does, for a file compiled for an NPU, on Qualcomm's emulator.

    A crash, too much memory or too long a run there is an `LpieError`.

    Args:
        model: The compiled file (`lpie.npu.compile_for`).
        limit_s: The emulator is ended after so many seconds in one run.

    Raises:
        InputError: The file is no compiled one, or the emulator is not installed.
    """

    def __init__(self, model: TfliteModel, *, limit_s: float = LIMIT_S) -> None:
        npu_tools()
        if not model.compiled_for_npu:
            raise InputError(
                f"{model.name} was not compiled for an NPU. Compile it first: "
                "lpie export MODEL --npu SM8650."
            )
        self.chip: NpuChip = chip_of(model)
        self._model, self._limit_s, self._parts = model, limit_s, parts_of(model)
        self._values: dict[int, NDArray[Any]] = {}
        self._cpu = [_CpuRun(part) for part in self._parts if isinstance(part, CpuPart)]
        stack = contextlib.ExitStack()
        self._end = weakref.finalize(self, stack.close)
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="lpie-npu-"))
        stack.enter_context(undone_by_signals(lambda: shutil.rmtree(name, ignore_errors=True)))
        self._folder = Path(name)
        self._child = self._started()
        stack.callback(self._child.close)

    def get_input_details(self) -> list[dict[str, Any]]:
        """Index, shape, dtype and quantization of each input."""
        return [_detail(tensor) for tensor in self._model.inputs]

    def get_output_details(self) -> list[dict[str, Any]]:
        """Index, shape, dtype and quantization of each output."""
        return [_detail(tensor) for tensor in self._model.outputs]

    def set_tensor(self, index: int, values: NDArray[Any]) -> None:
        """Hand `values` to the tensor `index`."""
        self._values[int(index)] = values

    def invoke(self) -> None:
        """Run the model once."""
        cpu, npu = iter(self._cpu), 0
        for part in self._parts:
            inputs = [self._values[tensor.index] for tensor in part.inputs]
            if isinstance(part, CpuPart):
                outputs = next(cpu).run(inputs)
            else:
                outputs = self._run_npu(npu, part, inputs)
                npu += 1
            for tensor, values in zip(part.outputs, outputs, strict=True):
                self._values[tensor.index] = values

    def get_tensor(self, index: int) -> NDArray[Any]:
        """The values of the tensor `index`."""
        return self._values[int(index)]

    def close(self) -> None:
        """End the emulator."""
        self._end()

    def _started(self) -> Child:
        compiled = self._folder / "model.tflite"
        compiled.write_bytes(self._model.to_bytes())
        job = {
            "soc": self.chip.number,
            "file": str(compiled),
            "folder": str(self._folder),
            "parts": [_job(part) for part in self._parts if isinstance(part, NpuPart)],
        }
        return Child(
            f"Qualcomm's emulator of {self.chip} on {printable(self._model.name)}",
            [sys.executable, "-P", str(WORKER)],
            job,
            limit_s=self._limit_s,
            limits=Limits(float("inf"), available_mb()),
        )

    def _run_npu(
        self, number: int, part: NpuPart, inputs: list[NDArray[Any]]
    ) -> list[NDArray[Any]]:
        sources = [self._folder / f"in{k}.npy" for k in range(len(inputs))]
        results = [self._folder / f"out{k}.npy" for k in range(len(part.outputs))]
        for path, values in zip(sources, inputs, strict=True):
            np.save(path, values)
        request = {"part": number, "inputs": _paths(sources), "outputs": _paths(results)}
        self._child.ask(request, limit_s=self._limit_s)
        return [np.load(path) for path in results]


class NpuSession(Session):
    """A compiled file, ready to restore images as the NPU of its chip does."""

    def __init__(self, model: TfliteModel, *, limit_s: float = LIMIT_S) -> None:
        self._use(NpuInterpreter(model, limit_s=limit_s), model, "the emulator")


class _CpuRun:
    """Ops that the NPU left to the CPU, on TFLite."""

    def __init__(self, part: CpuPart) -> None:
        self._part = part
        self._interpreter, _ = opened(part.model)

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        for tensor, values in zip(self._part.inputs, inputs, strict=True):
            self._interpreter.set_tensor(tensor.index, values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(tensor.index) for tensor in self._part.outputs]


def _job(part: NpuPart) -> dict[str, Any]:
    return {
        "name": part.name,
        "offset": part.offset,
        "size": part.size,
        "inputs": [_described(tensor) for tensor in part.inputs],
        "outputs": [_described(tensor) for tensor in part.outputs],
    }


def _described(tensor: Tensor) -> tuple[list[int], str]:
    return [max(n, 1) for n in tensor.shape], tensor.dtype


def _detail(tensor: Tensor) -> dict[str, Any]:
    scale = (tensor.scales[0], tensor.zero_points[0]) if tensor.scales else (0.0, 0)
    return {
        "index": tensor.index,
        "shape": np.array(tensor.shape, np.int32),
        "dtype": np.dtype(tensor.dtype).type,
        "quantization": scale,
    }


def _paths(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths]
