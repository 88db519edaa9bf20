"""`.tflite` files of other people: what their numbers mean, their channels, what is refused."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lpie import Restorer
from lpie.cli.export.inspect import inspect
from lpie.cli.restore import restore as restore_command
from lpie.errors import InputError
from lpie.tflite.model import TfliteModel
from tests.networks import functions
from tests.receptive_fields import path_of

RNG = np.random.default_rng(0)
EIGHT = RNG.integers(0, 256, (40, 50, 3), np.uint8)


def passing_on(folder, dtype, scale):
    """A file that returns its image, of a type and scale (step, zero) of its own."""
    from ai_edge_litert import schema_py_generated as schema

    editor = TfliteModel.read(path_of("conv")).edit()
    graph, kind = editor.graph, getattr(schema.TensorType, dtype.upper())
    image, result = int(graph.inputs[0]), int(graph.outputs[0])
    between = editor.new_tensor(image)
    for i in (image, result):
        graph.tensors[i].type = kind
        if scale is not None:
            editor.set_scale(i, scale)
    graph.operators = [
        editor.new_op("DEQUANTIZE", 2, [image], between),
        editor.new_op("QUANTIZE", 2, [between], result),
    ]
    (folder / "a.tflite").write_bytes(editor.to_bytes())
    return folder / "a.tflite"


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        ("uint8", (1 / 255, 0)),
        ("uint8", (1.0, 0)),
        ("uint8", (2 / 255, 128)),
        ("int8", (1 / 255, -128)),
        ("int8", (1.0, -128)),
        ("int8", (2 / 255, 0)),
    ],
)
def test_integers_stand_for_an_image_in_several_ranges(tmp_path, dtype, scale):
    restorer = Restorer(passing_on(tmp_path, dtype, scale), threads=1)
    np.testing.assert_array_equal(restorer.restore(EIGHT), EIGHT)


@pytest.mark.parametrize(
    ("dtype", "scale"), [("uint8", (0.02, 127)), ("int8", (0.1, -128)), ("int16", (1.0, 0))]
)
def test_numbers_of_an_unknown_meaning_are_refused(tmp_path, dtype, scale):
    with pytest.raises(InputError, match=r"stands for values from .* in \[0, 1\], \[-1, 1\] or"):
        Restorer(passing_on(tmp_path, dtype, scale))


@pytest.mark.parametrize(
    ("factor", "words"), [(1e5, "works in another range of values"), (np.nan, "are no numbers")]
)
def test_results_that_are_no_image_are_refused(tmp_path, factor, words):
    editor = TfliteModel.read(path_of("conv")).edit()
    kernel = int(editor.graph.operators[0].inputs[1])
    values = editor.view().array(editor.view().tensors[kernel])
    editor.replace_values(kernel, np.abs(values) * np.float32(factor))
    (tmp_path / "a.tflite").write_bytes(editor.to_bytes())
    with pytest.raises(InputError, match=words):
        Restorer(tmp_path / "a.tflite", threads=1).restore(EIGHT)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    tf = pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("foreign")
    for name in ("gray", "raw_x2", "two_inputs", "two_outputs"):
        function, inputs = functions(tf)[name]
        specs = [tf.TensorSpec(shape, kind) for shape, kind in inputs]
        concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        (folder / f"{name}.tflite").write_bytes(converter.convert())
    return folder


def run(*words):
    result = CliRunner().invoke(restore_command, [str(word) for word in words])
    return result.exit_code, str(result.exception or result.output)


def test_a_grey_network_restores_grey_photos(foreign, tmp_path):
    Image.fromarray(EIGHT[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(EIGHT).save(tmp_path / "colour.png")
    file, out = foreign / "gray.tflite", tmp_path / "out.png"
    code, words = run(file, tmp_path / "grey.png", out)
    assert code == 0, words
    expected = Restorer(file).restore(EIGHT[..., :1])[..., 0]
    difference = np.asarray(Image.open(out)).astype(int) - expected
    assert np.abs(difference).max() <= 1
    code, words = run(file, tmp_path / "colour.png", tmp_path / "no.png")
    assert code != 0
    assert "takes grey images, and this photo has colours" in words
    assert not (tmp_path / "no.png").exists()


def test_packed_raw_is_enlarged_from_python_and_refused_for_photos(foreign, tmp_path):
    Image.fromarray(EIGHT).save(tmp_path / "colour.png")
    code, words = run(foreign / "raw_x2.tflite", tmp_path / "colour.png")
    assert code != 0
    assert "takes images of 4 channels and returns 3" in words
    restorer = Restorer(foreign / "raw_x2.tflite", threads=1)
    assert (restorer.scale, restorer.channels, restorer.result_channels) == (2, 4, 3)
    assert restorer.restore(RNG.random((33, 45, 4), np.float32)).shape == (66, 90, 3)


@pytest.mark.parametrize(
    ("name", "words"), [("two_inputs", "has 2 inputs"), ("two_outputs", "has 2 outputs")]
)
def test_several_inputs_or_outputs_are_refused(foreign, name, words):
    with pytest.raises(InputError, match=words):
        Restorer(foreign / f"{name}.tflite")


def test_why_tiles_are_blended_is_said(tmp_path):
    Image.fromarray(EIGHT).save(tmp_path / "a.png")
    words = [str(word) for word in (path_of("coordinates"), tmp_path / "a.png")]
    result = CliRunner().invoke(restore_command, words)
    assert result.exit_code == 0
    assert "numbers that differ from place to place: tiles were blended" in result.output


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x2", "exact tiles, halo 2 px, output x2"),
        ("windows", "exact tiles of its own size, halo 4 px, multiples of 4 px"),
        ("mean", "tiles are not exact. MEAN (op 0) reads the whole image."),
    ],
)
def test_inspect_says_how_tiles_are_cut(name, line):
    result = CliRunner().invoke(inspect, [str(path_of(name))])
    assert f"lpie restore: {line}\n" in result.output
    report = json.loads(CliRunner().invoke(inspect, [str(path_of(name)), "--json"]).output)
    assert set(report["tiles"]) == {"scale", "multiple", "halo_px", "resizable", "reason"}
