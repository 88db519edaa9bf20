"""Each recipe on networks of three kinds: what is computed in integers, and in how many pieces."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("export needs Keras on TensorFlow", allow_module_level=True)

from lpie.benchmarks.studies.networks import opened_network  # noqa: E402
from lpie.errors import InputError, LpieError  # noqa: E402
from lpie.export.delegates import check_delegate  # noqa: E402
from lpie.export.int8.diagnosis import float_ops  # noqa: E402
from lpie.export.int8.unsigned_activations import make_unsigned  # noqa: E402
from lpie.export.pipeline import export_tflite  # noqa: E402
from lpie.export.recipes import RECIPES, find_recipe  # noqa: E402
from lpie.export.rewrites.layers import shuffle_by_convolution  # noqa: E402
from lpie.image.image import to_float  # noqa: E402
from lpie.restore.keras_network import forward  # noqa: E402
from lpie.tflite.interpreter import Session  # noqa: E402
from lpie.tflite.model import TfliteModel  # noqa: E402

OPTIONS = {
    "lpienet": {"encoder_widths": (8, 12), "decoder_widths": (8,)},
    "lpienet_rt": {"widths": (8, 16), "encoder_blocks": (1,), "middle_blocks": 1},
}


def small(network):
    return opened_network(network, OPTIONS[network])


@pytest.mark.parametrize("network", ["lpienet", "lpienet_rt"])
def test_int16_activations(network, photos, tmp_path):
    given = {"recipe": "static_wi8_ai16", "size": (64, 64), "photos": photos}
    spec = export_tflite(small(network), tmp_path / "a.tflite", **given)
    assert spec.input_dtype == spec.output_dtype == "int16"
    graph = TfliteModel.read(tmp_path / "a.tflite")
    # No runtime has an int16 ELU.
    assert float_ops(graph) == ({"ELU": 13} if network == "lpienet" else {})
    assert int8_kernels(graph) > 10
    if network == "lpienet_rt":
        assert_made_unsigned(graph)
    else:
        with pytest.raises(LpieError, match="ELU has no form with 16-bit activations"):
            make_unsigned(graph.edit())


def test_unsigned_activations_for_npus(photos, tmp_path):
    request = {"recipe": "npu", "size": (64, 64), "photos": photos}
    spec = export_tflite(small("lpienet_rt"), tmp_path / "npu.tflite", **request)
    assert (spec.recipe, spec.input_dtype, spec.output_dtype) == ("npu", "uint16", "uint16")
    assert spec.verified["passed"]
    types = {tensor.dtype for tensor in TfliteModel.read(tmp_path / "npu.tflite").tensors}
    assert not types & {"int16", "int64", "float32"}


def assert_made_unsigned(model):
    """As uint16 the same values, 32768 levels further up, and the same weights and biases."""
    editor = model.edit()
    make_unsigned(editor)
    types = {"int16": "uint16", "int64": "int32"}
    changed = editor.finish()
    for signed, unsigned in zip(model.tensors, changed.tensors, strict=True):
        assert unsigned.dtype == types.get(signed.dtype, signed.dtype)
        assert unsigned.scales == signed.scales
        zeros = (32768,) if unsigned.dtype == "uint16" else signed.zero_points
        assert unsigned.zero_points == zeros
        if signed.constant:
            np.testing.assert_array_equal(model.array(signed), changed.array(unsigned))


def test_float_activations_and_int8_weights(tmp_path):
    recipe = "dynamic_wi8_afp32"
    model = opened_network("lpienet_rt", {"size": "s"})
    export_tflite(model, tmp_path / "a.tflite", recipe=recipe, size=(64, 64))
    graph = TfliteModel.read(tmp_path / "a.tflite")
    assert int8_kernels(graph) > 2  # small ones stay in float
    assert check_delegate(graph, "xnnpack").partitions == 1


def int8_kernels(model):
    kernels = {op.inputs[1] for op in model.ops if "CONV_2D" in op.name}
    return sum(kernel.dtype == "int8" for kernel in kernels)


def test_int8_files_take_and_return_what_one_asks(tmp_path, photos, astronaut):
    model, found = small("lpienet_rt"), {}
    given = {"recipe": "int8", "size": (64, 64), "photos": photos}
    for io in ("uint8", "int8", "float32"):
        path = tmp_path / f"{io}.tflite"
        spec = export_tflite(model, path, io=io, **given)
        assert spec.input_dtype == spec.output_dtype == io
        assert check_delegate(TfliteModel.read(path), "xnnpack").partitions == 1
        found[io] = Session(path.read_bytes()).run(to_float(astronaut[:64, :64]))
    np.testing.assert_array_equal(found["int8"], found["uint8"])
    np.testing.assert_array_equal(found["float32"], found["uint8"])
    with pytest.raises(
        InputError, match="Only the recipes static_wi8_ai8, int8, qat_int8 take `io`"
    ):
        export_tflite(model, tmp_path / "a.tflite", io="int8")
    with pytest.raises(InputError, match="Did you mean 'uint8'"):
        export_tflite(model, tmp_path / "a.tflite", recipe="int8", io="uint")


def test_shuffles_by_convolution_are_exact():
    model = small("lpienet_rt")
    image = np.random.default_rng(0).random((2, 24, 40, 3), np.float32)
    rewritten = shuffle_by_convolution(model)
    names = {type(layer).__name__ for layer in rewritten.layers}
    assert not names & {"PixelShuffle", "PixelUnshuffle"}
    np.testing.assert_allclose(forward(rewritten, image), forward(model, image), atol=1e-6)


def test_names():
    assert find_recipe("static_wi8_ai8") is RECIPES["int8"]
    with pytest.raises(InputError, match="Did you mean 'static_wi8_ai16'"):
        find_recipe("static_wi8_ai1")
