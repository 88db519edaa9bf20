"""Run a `.tflite` on tensors from a file, for `lpie verify`: with whatever Python starts it.

    python run_file.py MODEL.tflite INPUTS.npy OUTPUTS.npy KERNELS

INPUTS: [N, ...] for N runs, in the model's own type. KERNELS: default, builtin, reference, or
gpu-float32 and gpu-float16 for LiteRT's GPU accelerator. Prints the runtime's name. Needs numpy and
ai-edge-litert or tflite-runtime, not lpie: an old runtime or an Arm emulator has no more.
"""

import importlib.metadata
import platform
import sys
from typing import Any

import numpy as np


def main(model: str, inputs: str, outputs: str, kernels: str) -> None:
    run = on_gpu if kernels.startswith("gpu") else on_cpu
    name, results = run(model, np.load(inputs), kernels)
    np.save(outputs, np.stack(results))
    sys.stdout.write(f"\nlpie: {name} on {platform.machine()}\n")


def on_cpu(model: str, inputs: Any, kernels: str) -> tuple[str, list[Any]]:
    """(the runtime, outputs) by its interpreter."""
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        package = "ai-edge-litert"
    except ImportError:
        from tflite_runtime.interpreter import Interpreter, OpResolverType

        package = "tflite-runtime"
    resolver = {
        "default": OpResolverType.AUTO,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": OpResolverType.BUILTIN_REF,
    }[kernels]
    interpreter = Interpreter(model_path=model, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for tensor in inputs:
        interpreter.set_tensor(source["index"], tensor)
        interpreter.invoke()
        results.append(interpreter.get_tensor(result["index"]))
    return f"{package} {importlib.metadata.version(package)}", results


def on_gpu(model: str, inputs: Any, kernels: str) -> tuple[str, list[Any]]:
    """(the runtime, outputs) by the accelerator, which must take the whole file."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import GpuOptions, Options

    options = Options(
        hardware_accelerators=HardwareAccelerator.GPU,
        gpu_options=GpuOptions(enforce_f32=kernels == "gpu-float32"),
    )
    compiled = CompiledModel.from_file(model, options=options)
    (name, *_) = compiled.get_signature_list()
    (detail,) = compiled.get_output_tensor_details(name).values()
    sources, results = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    arrays = []
    for tensor in inputs:
        sources[0].write(np.ascontiguousarray(tensor))
        compiled.run_by_index(0, sources, results)
        values = results[0].read(int(np.prod(detail["shape"])), np.dtype(detail["dtype"]))
        arrays.append(np.asarray(values).reshape(detail["shape"]))
    return f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}", arrays


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ImportError, RuntimeError, ValueError) as error:
        sys.exit(" ".join(str(error).split())[:300] or type(error).__name__)
