"""Times a `.tflite` with whatever Python starts it: on this machine or on a board behind adb.

    python run_tflite.py JOB.json

JOB: see `lpie.benchmarks.runners.python`. Prints what the runtime prints, and one line `lpie-run: `
with JSON. Needs numpy and ai-edge-litert or tflite-runtime, not lpie: a board has no more.
"""

import importlib.metadata
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

# Relative spread of the last three warm-up runs at which warm-up ends early.
STABLE = 0.05


def main(job: dict[str, Any]) -> dict[str, Any]:
    """What was measured: `times_ms` of each run, and of each the `inference_ms` in it."""
    begin = time.perf_counter()
    model = Compiled(job) if job["delegate"] == "gpu" else Interpreted(job)
    init_ms = since(begin)
    tiles = Tiles(job, model) if job["tiles"] else None
    if tiles is None:
        tensor = np.fromfile(job["input"], model.input_type).reshape(model.input_shape)
        model.write(tensor)
    once = tiles.restore if tiles else model.run
    warmups = [timed(once)]
    while sum(warmups) < 1e3 * job["warmup_s"] and not stable(warmups):
        warmups.append(timed(once))
    times: list[float] = []
    inference: list[float] = []
    most_ms, least_ms = 1e3 * job["most_s"], 1e3 * job["seconds"]
    while (len(times) < job["runs"] or sum(times) < least_ms) and sum(times) < most_ms:
        if tiles:
            tiles.inference_ms = 0.0
        times.append(timed(once))
        inference.append(tiles.inference_ms if tiles else times[-1])
    if job["output"]:
        (tiles.first if tiles else model.read()).tofile(job["output"])
    return {
        "runtime": model.runtime,
        "machine": platform.machine(),
        "complete": model.complete,
        "init_ms": init_ms,
        "first_ms": warmups[0],
        "warmups": len(warmups),
        "warmup_ms": sum(warmups) / len(warmups),
        "times_ms": times,
        "inference_ms": inference,
        "peak_mb": peak_mb(),
    }


class Interpreted:
    """By the interpreter: XNNPACK, or TFLite's own kernels."""

    complete = None

    def __init__(self, job: dict[str, Any]) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType

            package = "ai-edge-litert"
        except ImportError:
            from tflite_runtime.interpreter import Interpreter, OpResolverType

            package = "tflite-runtime"
        own = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self.runtime = f"{package} {importlib.metadata.version(package)}"
        self._interpreter = Interpreter(
            model_path=job["model"],
            num_threads=job["threads"],
            experimental_op_resolver_type=own if job["delegate"] == "cpu" else OpResolverType.AUTO,
        )
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self.input_shape, self.input_type = self._input["shape"], self._input["dtype"]
        self.scales = self._input["quantization"], self._output["quantization"]

    def write(self, tensor: Any) -> None:
        self._interpreter.set_tensor(self._input["index"], tensor)

    def run(self) -> None:
        self._interpreter.invoke()

    def read(self) -> Any:
        return self._interpreter.get_tensor(self._output["index"])


class Compiled:
    """By LiteRT's GPU accelerator, ML Drift; the CPU may take what it leaves.

    `run` brings the output back. The accelerator returns before the GPU is done, so that a clock
    around the call alone shows how long it takes to ask.
    """

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
        (given,) = self._model.get_input_tensor_details(name).values()
        (self._output,) = self._model.get_output_tensor_details(name).values()
        self.input_shape, self.input_type = given["shape"], np.dtype(given["dtype"])
        self.scales = job["scales"]
        self._inputs = self._model.create_input_buffers(0)
        self._outputs = self._model.create_output_buffers(0)
        self._read: Any = None

    def write(self, tensor: Any) -> None:
        self._inputs[0].write(np.ascontiguousarray(tensor))

    def ask(self) -> None:
        """Without waiting for the answer."""
        self._model.run_by_index(0, self._inputs, self._outputs)

    def run(self) -> None:
        self.ask()
        shape = self._output["shape"]
        values = self._outputs[0].read(int(np.prod(shape)), np.dtype(self._output["dtype"]))
        self._read = np.asarray(values).reshape(shape)

    def read(self) -> Any:
        return self._read


class Tiles:
    """A whole photo by tiles, from pixels to pixels."""

    def __init__(self, job: dict[str, Any], model: Any) -> None:
        width, height = job["size"]
        self._image = np.fromfile(job["input"], np.uint8).reshape(height, width, 3)
        self._plan, self._model = job["tiles"], model
        self.inference_ms = 0.0
        self.first: Any = None  # the output tensor of the first tile

    def restore(self) -> Any:
        """[H, W, 3] uint8: every step of `lpie restore` between its file in and its file out."""
        model, out = self._model, np.empty_like(self._image)
        for (y, x), (h, w), (y0, x0), (y1, x1) in self._plan:
            pixels = self._image[y : y + h, x : x + w].astype(np.float32) / np.float32(255)
            model.write(to_levels(pixels[None], model.input_type, *model.scales[0]))
            self.inference_ms += timed(model.run)
            tensor = model.read()
            if self.first is None:
                self.first = tensor.copy()
            values = from_levels(tensor[0], *model.scales[1])
            kept = values[y0 - y : y1 - y, x0 - x : x1 - x]
            out[y0:y1, x0:x1] = np.clip(np.rint(kept * 255), 0, 255).astype(np.uint8)
        return out


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
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")]
    return found[0] if found else None


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        found = main(json.load(file))
    sys.stdout.write(f"\nlpie-run: {json.dumps(found)}\n")
