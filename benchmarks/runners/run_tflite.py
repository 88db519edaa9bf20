"""Times a `.tflite` with whatever Python starts it: on this computer or on a board behind adb.

    python run_tflite.py JOB.json    one job and one request in a file; it prints one answer
    python run_tflite.py             a job and then requests on stdin; each line is one JSON object

`lpie.benchmarks.runners.python` writes the jobs and says what is in them. The program needs numpy
and ai-edge-litert or tflite-runtime, and not lpie: a board has no more, and memory is then the
runtime's alone. Children that know no lpie import `read_job` and `answer_requests` by its path.
"""

# ruff: noqa: B905 (a board may have Python 3.9, whose `zip` is not strict)

import importlib.metadata
import json
import platform
import queue
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

# The warm-up ends when the last three runs differ by less than this share.
STABLE = 0.05
# When another process has run in between, the caches are cold: a run shorter than this is then
# repeated once before a round. In a longer run the difference does not show.
COLD_MS = 200.0
ANSWER = "lpie-run: "


class Measured:
    """A job that is set up and has run once, and is timed whenever a request comes."""

    def __init__(self, job: dict[str, Any]) -> None:
        kind = Compiled if job["delegate"] == "gpu" else Interpreted
        kind.load(job)
        self.baseline_mb = peak_mb()
        begin = time.perf_counter()
        models = [kind(job) for _ in range(job["workers"])]
        init_ms = since(begin)
        self._model, self._tiles = models[0], Tiles(job, models) if job["tiles"] else None
        if self._tiles is None:
            models[0].write([np.fromfile(*where) for where in models[0].files(job["inputs"])])
        self._once = self._tiles.restore if self._tiles else models[0].run
        self._warmups = [timed(self._once)]
        self._warm = False
        self.about = {
            "runtime": models[0].runtime,
            "machine": platform.machine(),
            "complete": models[0].complete,
            "init_ms": init_ms,
            "first_ms": self._warmups[0],
            "baseline_mb": self.baseline_mb,
        }

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The times of at least `runs` runs over at least `seconds`, after a warm-up."""
        self._warm_up(request["warmup_s"], request["cold"])
        times, inference = self._round(request)
        if request["output"]:
            output = self._tiles.first if self._tiles else self._model.read()
            output.tofile(request["output"])
        return {
            "warmups": len(self._warmups),
            "warmup_ms": sum(self._warmups) / len(self._warmups),
            "times_ms": times,
            "inference_ms": inference,
            "peak_mb": peak_mb(),
        }

    def _warm_up(self, seconds: float, cold: bool) -> None:
        if self._warm and cold and self._warmups[-1] < COLD_MS:
            self._once()
        elif not self._warm and seconds:
            while sum(self._warmups) < 1e3 * seconds and not stable(self._warmups):
                self._warmups.append(timed(self._once))
            self._warm = True

    def _round(self, request: dict[str, Any]) -> tuple[list[float], list[float]]:
        once, tiles = self._once, self._tiles
        times: list[float] = []
        inference: list[float] = []
        most_ms, least_ms, total_ms = 1e3 * request["most_s"], 1e3 * request["seconds"], 0.0
        while (len(times) < request["runs"] or total_ms < least_ms) and total_ms < most_ms:
            times.append(timed(once))
            total_ms += times[-1]
            inference.append(tiles.inference_ms if tiles else times[-1])
        return times, inference


class Interpreted:
    """The interpreter: with XNNPACK, or with TFLite's own kernels."""

    complete = None

    @staticmethod
    def load(job: dict[str, Any]) -> tuple[Any, Any, str]:
        """The interpreter class, the op resolvers and the name of the package that has them."""
        if job["runtime"] != "tflite-runtime":
            try:
                from ai_edge_litert.interpreter import Interpreter, OpResolverType

                return Interpreter, OpResolverType, "ai-edge-litert"
            except ImportError:
                if job["runtime"]:
                    raise
        from tflite_runtime.interpreter import Interpreter, OpResolverType

        return Interpreter, OpResolverType, "tflite-runtime"

    def __init__(self, job: dict[str, Any]) -> None:
        interpreter, resolvers, package = self.load(job)
        own = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self.runtime = f"{package} {importlib.metadata.version(package)}"
        self._interpreter = interpreter(
            model_path=job["model"],
            num_threads=job["threads"],
            experimental_op_resolver_type=own if job["delegate"] == "cpu" else resolvers.AUTO,
        )
        for tensor, shape in zip(self._interpreter.get_input_details(), job["shapes"]):
            if list(tensor["shape"]) != shape:
                self._interpreter.resize_tensor_input(tensor["index"], shape)
        self._interpreter.allocate_tensors()
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()
        self.input_type = self._inputs[0]["dtype"] if self._inputs else None
        self.scales = [
            tensors[0]["quantization"] for tensors in (self._inputs, self._outputs) if tensors
        ]

    def files(self, paths: list[str]) -> list[tuple[str, Any]]:
        return [(path, tensor["dtype"]) for path, tensor in zip(paths, self._inputs)]

    def write(self, arrays: list[Any]) -> None:
        for tensor, array in zip(self._inputs, arrays):
            self._interpreter.set_tensor(tensor["index"], array.reshape(tensor["shape"]))

    def run(self) -> None:
        self._interpreter.invoke()

    def read(self) -> Any:
        return self._interpreter.get_tensor(self._outputs[0]["index"])


class Compiled:
    """LiteRT's GPU accelerator, ML Drift; the CPU may take what it leaves.

    `run` brings the output back. The accelerator returns before the GPU is done, so that a clock
    around the call alone shows how long it takes to ask.
    """

    @staticmethod
    def load(job: dict[str, Any]) -> None:
        """Import the runtime, so that it counts as memory in use before the model."""
        import ai_edge_litert.compiled_model  # noqa: F401

    def __init__(self, job: dict[str, Any]) -> None:
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import GpuOptions, Options

        options = Options(
            hardware_accelerators=HardwareAccelerator.GPU | HardwareAccelerator.CPU,
            gpu_options=GpuOptions(enforce_f32=job["precision"] == "fp32"),
        )
        self.runtime = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
        self._model = CompiledModel.from_file(job["model"], options=options)
        self.complete = bool(self._model.is_fully_accelerated())
        (name, *_) = self._model.get_signature_list()
        self._takes = list(self._model.get_input_tensor_details(name).values())
        self._returns = list(self._model.get_output_tensor_details(name).values())
        self.input_shape = self._takes[0]["shape"] if self._takes else None
        self.input_type = np.dtype(self._takes[0]["dtype"]) if self._takes else None
        self.scales = job["scales"]
        self._inputs = self._model.create_input_buffers(0)
        self._outputs = self._model.create_output_buffers(0)
        self._read: Any = None

    def files(self, paths: list[str]) -> list[tuple[str, Any]]:
        return [(path, np.dtype(tensor["dtype"])) for path, tensor in zip(paths, self._takes)]

    def write(self, arrays: list[Any]) -> None:
        for buffer, array in zip(self._inputs, arrays):
            buffer.write(np.ascontiguousarray(array))

    def ask(self) -> None:
        """Start a run and do not wait for its end."""
        self._model.run_by_index(0, self._inputs, self._outputs)

    def run(self) -> None:
        self.ask()
        for buffer, tensor in reversed(list(zip(self._outputs, self._returns))):
            shape = tensor["shape"]
            values = buffer.read(int(np.prod(shape)), np.dtype(tensor["dtype"]))
            self._read = np.asarray(values).reshape(shape)

    def read(self) -> Any:
        return self._read


class Tiles:
    """A whole photo by the tiles of `lpie restore`, from pixels to pixels.

    models: as many as work side by side, each on a tile of its own.
    """

    def __init__(self, job: dict[str, Any], models: list[Any]) -> None:
        width, height = job["size"]
        self._image = np.fromfile(job["inputs"][0], np.uint8).reshape(height, width, 3)
        self._plan, self._workers, self._scale = job["tiles"], len(models), job.get("scale", 1)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for model in models:
            self._idle.put(model)
        self.inference_ms = 0.0  # of the last photo, in each worker
        self.first: Any = None  # the output tensor of the first tile

    def restore(self) -> Any:
        """[H, W, 3] uint8: every step of `lpie restore` between its file in and its file out."""
        height, width, channels = self._image.shape
        out = np.empty((height * self._scale, width * self._scale, channels), np.uint8)
        if self._workers == 1:
            times = [self._tile(part, out) for part in self._plan]
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                times = list(pool.map(lambda part: self._tile(part, out), self._plan))
        self.inference_ms = sum(times) / self._workers
        return out

    def _tile(self, part: Any, out: Any) -> float:
        """Restore one tile into `out`; how long its inference took comes back, in ms."""
        (y, x), (h, w), (y0, x0), (y1, x1) = part
        pixels = self._image[y : y + h, x : x + w].astype(np.float32) / np.float32(255)
        model = self._idle.get()
        model.write([to_levels(pixels[None], model.input_type, *model.scales[0])])
        inference_ms = timed(model.run)
        tensor = model.read()
        if part is self._plan[0] and self.first is None:
            self.first = tensor.copy()
        values = from_levels(tensor[0], *model.scales[1])
        self._idle.put(model)
        y, x, y0, x0, y1, x1 = (self._scale * at for at in (y, x, y0, x0, y1, x1))
        kept = values[y0 - y : y1 - y, x0 - x : x1 - x] * np.float32(255)
        np.rint(kept, out=kept)
        out[y0:y1, x0:x1] = np.clip(kept, 0, 255, out=kept).astype(np.uint8)
        return inference_ms


def to_levels(values: Any, dtype: Any, scale: float, zero: int) -> Any:
    if dtype == np.float32:
        return values
    limits = np.iinfo(dtype)
    levels = np.rint(values / np.float32(scale)) + zero
    return np.clip(levels, limits.min, limits.max).astype(dtype)


def from_levels(levels: Any, scale: float, zero: int) -> Any:
    if levels.dtype == np.float32:
        return levels
    return (levels.astype(np.float32) - zero) * np.float32(scale)


def stable(times_ms: list[float]) -> bool:
    last = times_ms[-3:]
    return len(times_ms) > 3 and max(last) - min(last) < STABLE * min(last)


def timed(run: Any) -> float:
    begin = time.perf_counter()
    run()
    return since(begin)


def since(begin: float) -> float:
    return 1e3 * (time.perf_counter() - begin)


def peak_mb() -> Any:
    """The most resident memory that this process has had, in 10^6 bytes, or None.

    Not `ru_maxrss` on Linux, which carries the parent's over an exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def read_job() -> dict[str, Any]:
    """The first line on stdin."""
    return json.loads(sys.stdin.readline())


def answer_requests(about: dict[str, Any], reply: Any) -> None:
    """Print `about`, then what `reply` makes of each request, until stdin ends."""
    answer = about
    while True:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        answer = reply(json.loads(line))


def main() -> None:
    """Answer one request from a file, or each that comes on stdin."""
    if len(sys.argv) == 1:
        measured = Measured(read_job())
        answer_requests(measured.about, measured.answer)
        return
    with open(sys.argv[1]) as file:
        both = json.load(file)
    measured = Measured(both["job"])
    answer = {**measured.about, **measured.answer(both["request"])}
    sys.stdout.write(f"\n{ANSWER}{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
