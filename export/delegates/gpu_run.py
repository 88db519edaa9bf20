"""A file on this computer's own GPU by LiteRT's accelerator, ML Drift: what it takes, how exactly.

Vulkan is enough, Mesa's lavapipe too, which computes on the CPU: right or wrong, never how fast.
A file that the accelerator dislikes may end the process, so every file has a process of its own.
"""

import importlib.metadata
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import LpieError, last_line
from lpie.system.signals import child

LIMIT_S = 600
# What the child says, among much that the runtime prints.
CPU_RAN, DIFFERENCES = "lpie: the CPU ran it", "lpie: differences "


@dataclass(frozen=True)
class GpuRun:
    """How the accelerator of `runtime` ran a file on `adapter`.

    refused: each op that it leaves to the CPU, and why; failure: why it did not start, or "".
    differences: {"float32": d, "float16": d}, the largest difference of an output from the CPU's
    when it computes in that precision, in units of the output (levels, for integers); empty
    unless it ran the whole file.
    """

    runtime: str
    adapter: str
    refused: tuple[str, ...]
    failure: str
    differences: dict[str, float]

    @property
    def full(self) -> bool:
        """Whether it ran every op."""
        return not self.refused and not self.failure


def run_on_gpu(path: Path, *, name: str = "") -> GpuRun:
    """Run the `.tflite` at `path` once on random inputs, the same on the CPU.

    name: what errors call it, if not by its path. Raises `LpieError` where there is no GPU that
    Vulkan knows, where the CPU cannot run it either, or no end within ten minutes.
    """
    name = name or str(path)
    command = [sys.executable, "-m", __name__, str(path)]
    try:
        with child(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
        ) as process:
            printed, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise LpieError(f"{name} did not end on the GPU within {LIMIT_S} s.") from None
    adapter = re.search(r"Selected adapter: (.*?), arch", printed)
    if CPU_RAN not in printed:
        messages = re.sub(r"^INFO: .*$", "", printed, flags=re.MULTILINE)
        raise LpieError(f"{name} does not run by LiteRT's CompiledModel: {last_line(messages)}")
    if adapter is None:
        raise LpieError(
            "No GPU to run on: LiteRT's accelerator found none by Vulkan. Install its driver; "
            "Mesa's (Debian: mesa-vulkan-drivers, 23 or later) needs no GPU."
        )
    refused = re.search(
        r"not supported by GPU delegate:\n(.*?)\n(?:No|\d+) operations", printed, re.DOTALL
    )
    answer = re.search(rf"^{DIFFERENCES}(.*)$", printed, re.MULTILINE)
    return GpuRun(
        f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}",
        adapter[1],
        tuple(refused[1].splitlines()) if refused else (),
        "" if answer or refused else _failure(printed),
        json.loads(answer[1]) if answer and not refused else {},
    )


def _failure(printed: str) -> str:
    """The accelerator's own words for why it did not start."""
    reason = re.search(r"DelegateKernelLiteRt: (.*)|\.cc:\d+\] (Check failed: .*)", printed)
    return (reason[1] or reason[2]) if reason else last_line(printed)


def _run(path: str, accelerator: Any, gpu: Any = None) -> list[NDArray[Any]]:
    """The outputs for random inputs, between 0 and 1 or over all levels."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.options import Options

    options = Options(hardware_accelerators=accelerator, gpu_options=gpu)
    model = CompiledModel.from_file(path, options=options)
    (name, *_) = model.get_signature_list()
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    rng = np.random.default_rng(0)
    for buffer, tensor in zip(inputs, model.get_input_tensor_details(name).values(), strict=True):
        kind = np.dtype(tensor["dtype"])
        values = rng.random(tensor["shape"])
        if kind.kind in "iu":
            low, high = np.iinfo(kind).min, np.iinfo(kind).max
            values = low + values * (float(high) - float(low))
        buffer.write(np.ascontiguousarray(values.astype(kind)))
    model.run_by_index(0, inputs, outputs)
    tensors = model.get_output_tensor_details(name).values()
    return [
        np.asarray(buffer.read(int(np.prod(tensor["shape"])), np.dtype(tensor["dtype"])))
        for buffer, tensor in zip(outputs, tensors, strict=True)
    ]


def _main(path: str) -> None:
    """Print the differences as one line of JSON, or what the runtime says."""
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import GpuOptions

    expected, differences = _run(path, HardwareAccelerator.CPU), {}
    sys.stdout.write(f"\n{CPU_RAN}\n")
    sys.stdout.flush()  # before what may end the process
    for precision in ("float32", "float16"):
        gpu = GpuOptions(enforce_f32=precision == "float32")
        actual = _run(path, HardwareAccelerator.GPU, gpu)
        differences[precision] = max(
            float(np.abs(a.astype(np.float64) - b).max())
            for a, b in zip(actual, expected, strict=True)
        )
    sys.stdout.write(f"\n{DIFFERENCES}{json.dumps(differences)}\n")


if __name__ == "__main__":
    _main(sys.argv[1])
