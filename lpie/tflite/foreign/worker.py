"""Runs one `.tflite`, for `lpie.tflite.foreign.interpreter`: what crashes here crashes alone.

It reads requests on stdin and answers each on stdout, one line of JSON each. Model and tensors come
and go through a file that both processes map into their memory. Needs numpy and a runtime, not
lpie, so that it starts fast.
"""

import json
import mmap
import os
import queue
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

# What a runtime raises for a model that it does not like.
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, OverflowError, MemoryError)


class Worker:
    """The interpreter of one model. fd: of the shared file."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._map = mmap.mmap(-1, 1)
        self._interpreter: Any = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the method that the request names returns; the reason where the runtime refuses."""
        allow_cpu(request["cpu_s"])
        try:
            return dict(getattr(self, request["do"])(request))
        except REFUSALS as error:
            return {"refused": str(error)[:2000]}

    def open(self, request: dict[str, Any]) -> dict[str, Any]:
        """Prepare the model that lies in the shared file."""
        make, options = load(request["runtime"], request["observable"])
        data = bytes(self._shared(request["bytes"])[: request["bytes"]])
        allow_memory(request["memory_mb"])
        self._interpreter = make(model_content=data, num_threads=request["threads"], **options)
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details, self._interpreter.get_output_details
        inputs, outputs = ([plain(tensor) for tensor in listed()] for listed in details)
        return {"inputs": inputs, "outputs": outputs}

    def set(self, request: dict[str, Any]) -> dict[str, Any]:
        """Hand the tensor in the shared file to the interpreter."""
        shape, dtype = request["shape"], np.dtype(request["dtype"])
        count = int(np.prod(shape))
        values = np.frombuffer(self._shared(count * dtype.itemsize), dtype, count)
        self._interpreter.set_tensor(request["index"], values.reshape(shape))
        return {}

    def invoke(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run the model once."""
        self._interpreter.invoke()
        return {}

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """All three at once: from the input in the shared file to the output there."""
        self.set(request)
        self._interpreter.invoke()
        return self.get({"index": request["output"]})

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        """Lay a tensor into the shared file."""
        tensor = self._interpreter.tensor(request["index"])()  # where it lies, not a copy
        shared = np.frombuffer(self._shared(tensor.nbytes), tensor.dtype, tensor.size)
        shared[:] = tensor.ravel()
        return {"shape": list(tensor.shape), "dtype": tensor.dtype.name}

    def _shared(self, size: int) -> mmap.mmap:
        """The shared file, of at least `size` bytes."""
        if os.fstat(self._fd).st_size < size:
            os.ftruncate(self._fd, size)
        if len(self._map) < os.fstat(self._fd).st_size:
            self._map = mmap.mmap(self._fd, 0)
        return self._map


def load(runtime: str, observable: bool) -> tuple[Any, dict[str, Any]]:
    """(the interpreter class of a runtime, options). observable: all tensors can be read."""
    if runtime == "tflite-runtime":
        from tflite_runtime.interpreter import Interpreter, OpResolverType
    else:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    if not observable:
        return Interpreter, {}
    return Interpreter, {
        "experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "experimental_preserve_all_tensors": True,
    }


def plain(tensor: dict[str, Any]) -> dict[str, Any]:
    """What an interpreter tells of a tensor, as far as it is needed."""
    scale, zero = tensor["quantization"]
    return {
        "index": int(tensor["index"]),
        "shape": [int(n) for n in tensor["shape"]],
        "dtype": np.dtype(tensor["dtype"]).name,
        "quantization": [float(scale), int(zero)],
    }


def allow_cpu(seconds: float) -> None:
    """From now on the process may compute for so long; then the kernel ends it."""
    used = sum(os.times()[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 1, hard))


def allow_memory(mb: float) -> None:
    """From now on the process may take so much more memory, where the kernel knows such a limit."""
    status = Path("/proc/self/status")
    if not status.exists():
        return
    (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmData")]
    most = int(line.split()[1]) * 1024 + int(mb * 1e6)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def main() -> None:
    """Answer requests until stdin ends, which ends the process whatever it is at."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C, which its parent sees to
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        os._exit(0)

    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # runtimes print too
        threading.Thread(target=read, daemon=True).start()
        worker = Worker(requests.get()["fd"])
        answer: dict[str, Any] = {}
        while True:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
            answer = worker.answer(requests.get())


if __name__ == "__main__":
    main()
