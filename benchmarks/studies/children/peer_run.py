"""One network on another runtime, for the study `other_runtimes`: run by a Python that has it.

Imports nothing of lpie, which that Python need not have.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[2] / "runners"))  # there is no package to name
from run_tflite import answer_requests, read_job

Run = Callable[[], Any]


def main() -> None:
    """Set up the runtime of the job, save its output, then time it whenever asked."""
    job = read_job()
    image = np.load(job["image"])  # [1, 3, H, W] float32
    model = CONVERTED[job["runtime"]](Path(job["model"]), image)
    start = time.perf_counter()
    run, version = PREPARED[job["runtime"]](model, image, job["threads"])
    setup_ms = 1e3 * (time.perf_counter() - start)
    first, first_ms = _timed(run)
    np.save(job["output"], np.asarray(first, np.float32).reshape(image.shape))
    answer_requests(
        {"version": version, "setup_ms": setup_ms, "first_ms": first_ms},
        lambda request: {"times_ms": [_timed(run)[1] for _ in range(request["runs"])]},
    )


def _onnx(model: Path, image: np.ndarray) -> Path:
    return model


def _mnn(model: Path, image: np.ndarray) -> Path:
    out = model.with_suffix(".mnn")
    if not out.exists():
        _tool("mnnconvert", "-f", "ONNX", "--modelFile", model, "--MNNModel", out, "--bizCode", "x")
    return out


def _ncnn(model: Path, image: np.ndarray) -> Path:
    if not model.with_suffix(".ncnn.param").exists():
        _tool("pnnx", model, "fp16=0")
    return model


def _prepare_onnxruntime(model: Path, image: np.ndarray, threads: int) -> tuple[Run, str]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: image}
    return lambda: session.run(None, feed)[0], onnxruntime.__version__


def _prepare_openvino(model: Path, image: np.ndarray, threads: int) -> tuple[Run, str]:
    import openvino

    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # Else it computes in bfloat16 where the processor can, which is another output.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = openvino.Core().compile_model(model, "CPU", options)
    request = compiled.create_infer_request()

    def run() -> np.ndarray:
        request.infer([image], share_inputs=True)
        return request.get_output_tensor(0).data

    return run, openvino.__version__.split("-")[0]


def _prepare_mnn(model: Path, image: np.ndarray, threads: int) -> tuple[Run, str]:
    import MNN

    network = MNN.Interpreter(str(model))
    session = network.createSession({"numThread": threads, "backend": "CPU", "precision": "high"})
    shape, kind = image.shape, MNN.Tensor_DimensionType_Caffe
    source = MNN.Tensor(shape, MNN.Halide_Type_Float, image, kind)
    output = MNN.Tensor(shape, MNN.Halide_Type_Float, np.zeros(shape, np.float32), kind)

    def run() -> np.ndarray:
        network.getSessionInput(session).copyFrom(source)
        network.runSession(session)
        network.getSessionOutput(session).copyToHostTensor(output)
        return output.getNumpyData()

    return run, MNN.version()


def _prepare_ncnn(model: Path, image: np.ndarray, threads: int) -> tuple[Run, str]:
    import ncnn

    network = ncnn.Net()
    network.opt.num_threads = threads
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        if hasattr(network.opt, f"use_{name}"):  # float32 throughout, as the others compute
            setattr(network.opt, f"use_{name}", False)
    network.load_param(str(model.with_suffix(".ncnn.param")))
    network.load_model(str(model.with_suffix(".ncnn.bin")))
    source = ncnn.Mat(np.ascontiguousarray(image[0]))

    def run() -> np.ndarray:
        extractor = network.create_extractor()
        extractor.input("in0", source)
        return np.array(extractor.extract("out0")[1])

    return run, ncnn.__version__


CONVERTED = {"onnxruntime": _onnx, "openvino": _onnx, "MNN": _mnn, "ncnn": _ncnn}
PREPARED = {
    "onnxruntime": _prepare_onnxruntime,
    "openvino": _prepare_openvino,
    "MNN": _prepare_mnn,
    "ncnn": _prepare_ncnn,
}


def _tool(name: str, *arguments: object) -> None:
    """Run a converter that came with this Python."""
    command = [str(Path(sys.prefix) / "bin" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} could not convert the network: {(done.stderr or done.stdout)[-300:]}")


def _timed(run: Run) -> tuple[Any, float]:
    start = time.perf_counter()
    output = run()
    return output, 1e3 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
