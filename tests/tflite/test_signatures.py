"""Several sizes in one file: each runs as a file of that size alone, the weights are there once."""

import json

import numpy as np
import pytest

pytest.importorskip("keras")

from ai_edge_litert.interpreter import Interpreter

from lpie.restore.restorer import Restorer
from lpie.size import Size
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from lpie.tflite.signatures import add_size, of_size
from lpie.tflite.spec import ModelSpec
from tests.conftest import assert_one_sentence, run_lpie

SIZES = ["96x64", "64x128", "160x32"]


@pytest.fixture(scope="module", params=["float32", "int8"])
def model(request, tiny_tflite):
    editor = TfliteModel.read(tiny_tflite[request.param]).edit()
    add_size(editor, Size.parse("64x128"))
    add_size(editor, Size.parse("160x32"))
    return editor.finish()


def test_each_signature_runs_as_a_file_of_its_size(model, astronaut):
    assert list(model.sizes) == SIZES
    several = Interpreter(model_content=model.to_bytes())
    for name in SIZES:
        width, height = map(int, name.split("x"))
        image = astronaut[:height, :width].astype(np.float32) / 255
        single = of_size(model, name)
        assert single.image == (height, width)
        session = Session(single.to_bytes())
        runner = several.get_signature_runner(name)
        (key,), (result,) = runner.get_input_details(), runner.get_output_details()
        found = runner(**{key: session.quantized(image)})[result]
        session.set_input(session.quantized(image))
        session.invoke()
        np.testing.assert_array_equal(
            found, session._interpreter.get_tensor(session._output["index"])
        )
        assert found.std() > 0


def test_the_weights_are_there_once(model, tiny_tflite):
    """Of the second size there are shapes, ops and scales, none of the weights."""
    several, single = (
        [len(b.data) for b in file.edit().schema.buffers if b.data is not None and len(b.data) > 64]
        for file in (model, of_size(model, "96x64"))
    )
    assert sorted(several) == sorted(single)


def test_a_file_of_several_sizes_can_be_resized(model):
    copy = TfliteModel.parse(model.to_bytes()).resized(Size(32, 32))
    assert len(copy.edit().schema.subgraphs) == 1
    Session(copy.to_bytes()).run(np.zeros((32, 32, 3), np.float32))


def test_command_line(tiny_run, astronaut, tmp_path):
    file = tmp_path / "several.tflite"
    sizes = [word for size in SIZES for word in ("--size", size)]
    done = run_lpie("export", tiny_run, *sizes, "-o", file)
    assert done.returncode == 0, done.stderr
    assert "96x64, 64x128, 160x32" in done.stdout
    spec = ModelSpec.from_json((tmp_path / "several.spec.json").read_text())
    assert spec.signatures == tuple(SIZES)
    assert (spec.width, spec.height) == (96, 64)
    shown = run_lpie("inspect", file, "--json")
    assert json.loads(shown.stdout)["spec"]["signatures"] == SIZES
    restored = Restorer(file).restore(astronaut[:70, :200])
    np.testing.assert_allclose(restored, Restorer(tiny_run).restore(astronaut[:70, :200]), atol=1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["96x64", "96x65"], "must be multiples of 2"),
        (["96x64", "96x64"], "was given twice"),
        (["96x64", "wide"], "A size is WIDTHxHEIGHT"),
    ],
)
def test_a_wrong_size_is_one_sentence(tiny_run, tmp_path, given, words):
    options = [word for size in given for word in ("--size", size)]
    done = run_lpie("export", tiny_run, *options, "-o", tmp_path / "no.tflite")
    assert_one_sentence(done, 2, words)
    assert not list(tmp_path.iterdir())
