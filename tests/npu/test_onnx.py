"""A `.tflite` written as ONNX computes what TFLite computes."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from lpie.errors import InputError
from lpie.size import Size
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file
from tests.single_ops import FOLDER

ort = pytest.importorskip("onnxruntime", reason="needs the extra npu: pip install 'lpie[npu]'")
# Ops that no network for images on an NPU has; the command names them.
UNWRITTEN = {
    "choice", "floor-of-a-quotient", "gather", "largest-channel", "remainder", "reverse",
    "rows-apart", "running-sum", "space-to-batch", "symmetric-pad", "threshold", "tile",
    "unit-vectors",
}  # fmt: skip


def outputs(model):
    """(TFLite's outputs, ONNX Runtime's) for the same random inputs."""
    from lpie.npu.estimate.onnx_convert import to_onnx

    interpreter = Interpreter(model_content=model.to_bytes())
    interpreter.allocate_tensors()
    rng, feeds = np.random.default_rng(0), {}
    for k, detail in enumerate(interpreter.get_input_details()):
        values = rng.random(detail["shape"], np.float32)
        if detail["dtype"] != np.float32:
            limits = np.iinfo(detail["dtype"])
            values = rng.integers(limits.min, limits.max, detail["shape"]).astype(detail["dtype"])
        interpreter.set_tensor(detail["index"], values)
        feeds[f"input_{k}"] = values
    interpreter.invoke()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(to_onnx(model).SerializeToString(), options)
    expected = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    return expected, session.run(None, feeds)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*-float32.tflite")), ids=lambda p: p.stem)
def test_each_op_in_float(path: Path):
    model = TfliteModel.read(path)
    if path.stem.removesuffix("-float32") in UNWRITTEN:
        from lpie.npu.estimate.onnx_convert import to_onnx

        with pytest.raises(InputError, match=r"cannot write as ONNX|only padding by REFLECT"):
            to_onnx(model)
        return
    for expected, computed in zip(*outputs(model), strict=True):
        np.testing.assert_allclose(computed, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["conv", "depthwise", "concat-of-5", "bilinear", "transpose-conv", "rows", "elu"]
)
def test_ops_in_int8_round_to_the_same_levels(name: str):
    model = TfliteModel.read(FOLDER / f"{name}-int8.tflite")
    (last,) = [scale for tensor in model.ops[-1].inputs[:1] for scale in tensor.scales] or [1]
    for expected, computed in zip(*outputs(model), strict=True):
        # TFLite's kernels multiply by integers of 32 bits, so that they round apart at times.
        assert np.abs(computed - expected).max() <= 2.01 * last


@pytest.mark.parametrize("name", ["denoise-s", "denoise-lpienet"])
def test_whole_networks(name: str):
    model = TfliteModel.read(tflite_file(name)).resized(Size(40, 48))
    ((expected,), (computed,)) = outputs(model)
    np.testing.assert_allclose(computed, expected, atol=2e-5)
    assert np.abs(expected).max() > 0.5
