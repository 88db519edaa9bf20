import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from lpie.cli.export.inspect import inspect
from lpie.errors import InputError, LpieError
from lpie.export.delegates import DELEGATES
from lpie.tflite.model import TfliteModel
from lpie.tflite.spec import ModelSpec
from tests.conftest import assert_one_sentence, run_lpie
from tests.conversions import graph_of, network


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(network("float32"))
    return path


def run(*arguments):
    result = CliRunner().invoke(inspect, [str(a) for a in arguments])
    if isinstance(result.exception, LpieError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_text_says_what_is_inside(model):
    text = run(model)
    assert "input: float32 [1, 32, 32, 3]" in text
    assert "gpu: takes all 178 ops, 1 partition" in text
    assert "gpu-gl: refused 10 of 178 ops, the delegate fails" in text
    assert "channel MEAN (only height and width): 5 MEAN" in text
    assert all(f"\n{name}: " in text for name in DELEGATES)
    assert "CONV_2D" in text


def test_json_is_one_object(model):
    table = json.loads(run(model, "--json", "--delegate", "gpu-gl", "--delegate", "nnapi-29"))
    assert table["file_bytes"] == model.stat().st_size
    assert table["op_counts"]["ELU"] == 21
    assert table["inputs"][0] == {
        "name": table["inputs"][0]["name"],
        "shape": [1, 32, 32, 3],
        "dtype": "float32",
        "scale": None,
        "zero_point": None,
    }
    gl, nnapi = table["delegates"]
    assert (gl["delegate"], gl["kills_delegate"], gl["full"]) == ("gpu-gl", True, False)
    assert len(nnapi["refused"]) == 23
    assert nnapi["refused"][0]["source"].startswith("tflite/delegates/nnapi")


def test_size_changes_the_cost_and_not_the_file(model):
    before = model.read_bytes()
    small, large = (json.loads(run(model, "--json", *s)) for s in ((), ("--size", "64x64")))
    assert large["macs"] == 4 * small["macs"]
    assert large["macs_per_pixel"] == small["macs_per_pixel"]
    assert model.read_bytes() == before


def test_quantised_inputs_show_their_scale(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(network("uint8"))
    assert "input: uint8 [1, 32, 32, 3], scale 0.00392" in run(path, "--delegate", "gpu")


def test_spec_inside_is_shown(model):
    spec = ModelSpec(
        network="lpienet",
        recipe="float32",
        width=32,
        height=32,
        multiple=4,
        halo_px=64,
        parameters=9,
        input_dtype="float32",
        output_dtype="float32",
        source_sha256="ab" * 32,
        versions={},
    )
    editor = TfliteModel.read(model).edit()
    editor.write_note(spec.to_json())
    model.write_bytes(editor.to_bytes())
    assert "lpienet, float32, 32x32, sides in multiples of 4 px, halo 64 px" in run(model)
    assert json.loads(run(model, "--json"))["spec"]["halo_px"] == 64


def test_require_full_passes_and_fails(model):
    run(model, "--delegate", "gpu", "--require-full")
    with pytest.raises(LpieError, match="does not run in full on: gpu-gl") as error:
        run(model, "--delegate", "gpu-gl", "--require-full")
    assert error.value.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--delegate", "nnapy"], "Unknown delegate 'nnapy'. Did you mean 'nnapi'"),
        (["--delegate", "npu"], "lpie has no rules for the delegate npu"),
        (["--size", "big"], "A size is WIDTHxHEIGHT"),
        (["--size", "33x32"], "cannot take that size"),
    ],
)
def test_wrong_requests_are_sentences(model, arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        run(model, *arguments)


def test_delegates_are_called_as_in_bench(model):
    for name, same in (("gpu-cl", "gpu"), ("nnapi", "nnapi-31"), ("xnnpack", "xnnpack")):
        (verdict,) = json.loads(run(model, "--json", "--delegate", name))["delegates"]
        assert verdict["delegate"] == same


def test_a_wrong_file_comes_before_a_wrong_delegate(tmp_path):
    with pytest.raises(InputError, match=r"gone\.tflite does not exist"):
        run(tmp_path / "gone.tflite", "--delegate", "nobody")


def test_unreadable_files_are_sentences(tmp_path, model):
    data = model.read_bytes()
    for content in (None, b"", b"x" * 999, data[: len(data) // 2]):
        path = tmp_path / "bad.tflite"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.tflite"):
            run(path)


def test_help_ends_with_examples():
    assert "Examples:\n    lpie inspect" in run("--help")


def test_neither_tensorflow_nor_keras_is_imported(model):
    code = (
        "import sys; from lpie.cli.export.inspect import inspect\n"
        f"inspect.main([{str(model)!r}], standalone_mode=False)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), 'heavy import'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.fixture
def flex(model):
    """The network with one op that only TensorFlow has."""
    from ai_edge_litert import schema_py_generated as schema

    editor = TfliteModel.read(model).edit()
    codes = editor.schema.operatorCodes
    code = next(c for c in codes if c.builtinCode == schema.BuiltinOperator.LOGISTIC)
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = b"FlexErf"
    model.write_bytes(editor.to_bytes())
    return model


def test_an_op_of_tensorflow_alone(flex):
    text = run(flex)
    assert text.count("CUSTOM FlexErf") > len(DELEGATES)
    with pytest.raises(LpieError, match="does not run in full on: gpu, "):
        run(flex, "--require-full")
    assert_one_sentence(run_lpie("verify", "denoise-s", flex), 1)
    timed = run_lpie("bench", flex, "--size", "32x32")
    assert timed.returncode == 1
    assert "net.tflite 32x32 whole: failed. " in timed.stderr
    assert "Traceback" not in timed.stderr


def test_a_size_that_is_not_fixed(tmp_path):
    tf = pytest.importorskip("tensorflow")
    kernel = tf.ones((3, 3, 3, 3)) / 27
    path = tmp_path / "dynamic.tflite"
    path.write_bytes(
        graph_of(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"), shape=(1, None, None, 3))
    )
    text = run(path)
    assert text.count("shape not fixed in the file: 1 CONV_2D") == len(DELEGATES)
    assert "takes all 1 ops" in run(path, "--size", "128x96")
