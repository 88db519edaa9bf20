"""An interpreter in a process of its own, with limits of time and memory.

What it costs, as processor time of both processes on one thread (AMD EPYC, ai-edge-litert 2.3.0,
2026-12-01, tiles of 264 and 512 px): denoise-s, the fastest network, 8 and 7 % more than in one
process; denoise-lpienet less than what repetitions differ by. The start takes 0.2 to 0.5 s.
"""

import mmap
import os
import re
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.printable import printable
from lpie.system.child import Child
from lpie.system.limits import Limits
from lpie.tflite.cost import op_work, xnnpack_peak_mb
from lpie.tflite.model import TfliteModel

WORKER = Path(__file__).with_name("worker.py")
# The slowest kernels on a slow processor do so much in a second; honest runs take far less.
SLOWEST_MACS_PER_S, SLOWEST_VALUES_PER_S = 1e8, 1e7
STARTING_S = 10.0  # computing time of any request
WAITING_S = 120.0  # beyond ten times the computing time: for what waits and does not compute
SPARE_MB = 1000.0  # for what an estimate of memory does not know


def limits_of(model: TfliteModel) -> Limits:
    """What an honest run of `model` stays far below."""
    work = op_work(model)
    macs, values = sum(op.macs for op in work), sum(op.values for op in work)
    cpu_s = STARTING_S + macs / SLOWEST_MACS_PER_S + values / SLOWEST_VALUES_PER_S
    return Limits(cpu_s, SPARE_MB + 2 * xnnpack_peak_mb(model))


class ForeignInterpreter:
    """What a runtime's `Interpreter` does, in a process of its own.

    Its methods are those of the runtime's class. A crash, too much memory or too long a computation
    there is an `LpieError` here, and what the runtime refuses an `InputError`.

    Args:
        model: The file.
        threads: Threads of the interpreter.
        runtime: The name of the runtime.
        observable: Run TFLite's own kernels, and let all tensors be read.

    Attributes:
        setup_s: How long the interpreter took to become ready once its process had started.
    """

    def __init__(
        self, model: TfliteModel, *, threads: int, runtime: str, observable: bool = False
    ) -> None:
        self._name, self._runtime = printable(model.name), runtime
        self._limits: Limits = limits_of(model)
        data = model.to_bytes()
        self._file, self._map = _shared_file(), mmap.mmap(-1, 1)
        self._share(len(data))[: len(data)] = data
        number = self._file.fileno()
        self._child = Child(
            f"{runtime} on {self._name}",
            [sys.executable, "-P", str(WORKER)],
            {"fd": number},
            limit_s=WAITING_S,
            pass_fds=(number,),
        )
        self._end = weakref.finalize(self, _end, self._child, self._file)
        start = time.perf_counter()
        details = self._ask(
            "open",
            bytes=len(data),
            threads=threads,
            runtime=runtime,
            observable=observable,
            memory_mb=self._limits.memory_mb,
        )
        self.setup_s = time.perf_counter() - start
        self._inputs, self._outputs = ([_detail(x) for x in details[k]] for k in _SIDES)

    def get_input_details(self) -> list[dict[str, Any]]:
        """Index, shape, dtype and quantization of each input."""
        return self._inputs

    def get_output_details(self) -> list[dict[str, Any]]:
        """Index, shape, dtype and quantization of each output."""
        return self._outputs

    def set_tensor(self, index: int, values: NDArray[Any]) -> None:
        """Hand `values` to the tensor `index`."""
        self._ask("set", **self._sent(index, values))

    def invoke(self) -> None:
        """Run the model once."""
        self._ask("invoke")

    def get_tensor(self, index: int) -> NDArray[Any]:
        """The values of the tensor `index`."""
        return self._received(self._ask("get", index=int(index)))

    def run(self, index: int, values: NDArray[Any], output: int) -> NDArray[Any]:
        """The values of the tensor `output` for `values` in the tensor `index`, by one request."""
        return self._received(self._ask("run", **self._sent(index, values), output=int(output)))

    def close(self) -> None:
        """End the process."""
        self._end()

    def _ask(self, what: str, **details: Any) -> dict[str, Any]:
        cpu_s = self._limits.cpu_s
        request = {"do": what, "cpu_s": cpu_s, **details}
        answer = self._child.ask(request, limit_s=WAITING_S + 10 * cpu_s)
        if "refused" in answer:
            step = "prepare" if what == "open" else "run"
            words = answer["refused"] or self._child.printed()
            raise refusal(self._runtime, step, self._name, words)
        return answer

    def _sent(self, index: int, values: NDArray[Any]) -> dict[str, Any]:
        """A request about `values`, which lie in the shared file now."""
        shared = np.frombuffer(self._share(values.nbytes), values.dtype, values.size)
        shared[:] = values.ravel()
        return {"index": int(index), "shape": list(values.shape), "dtype": values.dtype.name}

    def _received(self, answer: dict[str, Any]) -> NDArray[Any]:
        """The tensor that lies in the shared file."""
        shape, dtype = answer["shape"], np.dtype(answer["dtype"])
        count = int(np.prod(shape))
        size = os.fstat(self._file.fileno()).st_size  # the worker may have made it larger
        return np.frombuffer(self._share(size), dtype, count).reshape(shape).copy()

    def _share(self, size: int) -> mmap.mmap:
        """The shared file, of at least `size` bytes."""
        if len(self._map) < size:
            if os.fstat(self._file.fileno()).st_size < size:
                os.ftruncate(self._file.fileno(), size)
            self._map = mmap.mmap(self._file.fileno(), 0)
        return self._map


_SIDES = ("inputs", "outputs")


def _shared_file() -> IO[bytes]:
    """A file without a name, in memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("lpie"), "w+b")
    return tempfile.TemporaryFile()


def _end(child: Child, file: IO[bytes]) -> None:
    child.close()
    file.close()


def refusal(runtime: str, step: str, name: str, reason: str) -> InputError:
    """What a runtime said against a model, as one sentence."""
    text = re.sub(r"^\w+Error:?|^INFO:.*$", "", reason.strip(), flags=re.MULTILINE)
    text = re.sub(r"(?<=[^\s.])(?=Node number)", ". ", printable(" ".join(text.split())))
    text = re.sub(r"(?<=\.)(?=Node number)", " ", text)[:400].strip(" .")
    return InputError(f"{runtime} cannot {step} {name}: {text or 'it does not say why'}.")


def _detail(tensor: dict[str, Any]) -> dict[str, Any]:
    return {
        **tensor,
        "dtype": np.dtype(tensor["dtype"]).type,
        "shape": np.array(tensor["shape"], np.int32),
        "quantization": tuple(tensor["quantization"]),
    }
