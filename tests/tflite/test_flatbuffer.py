import dataclasses

import numpy as np
import pytest

pytest.importorskip("keras")

from lpie.errors import InputError
from lpie.export.tensorflow_converter import convert
from lpie.size import Size
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from lpie.tflite.spec import ModelSpec, spec_path
from tests.conftest import ROOT


def resized(data, height, width):
    return TfliteModel.parse(data).resized(Size(height, width)).to_bytes()


@pytest.fixture(scope="module", params=["float32", "float16", "int8"])
def recipe(request):
    return request.param


def test_resizing_equals_converting_at_that_size(tiny_model, photos, recipe):
    """Bit for bit, also where the scale is no whole number (64 to 96) and not the same per axis."""
    tiles = [photo[:64, :64].astype(np.float32) / 255 for photo in photos]
    small = convert(tiny_model, recipe, (64, 64), tiles)
    x = photos[0][:32, :96].astype(np.float32) / 255
    after = Session(resized(small, 32, 96)).run(x)
    if recipe == "int8":  # its ranges depend on the size of the tiles: compare with a tile's own
        whole = Session(resized(small, 64, 96)).run(np.concatenate([x, x]))
        np.testing.assert_allclose(whole[:12], after[:12], atol=0.1)
        return
    np.testing.assert_array_equal(Session(convert(tiny_model, recipe, (32, 96), [])).run(x), after)
    back = resized(resized(small, 32, 96), 64, 64)
    square = photos[0][:64, :64].astype(np.float32) / 255
    np.testing.assert_array_equal(Session(back).run(square), Session(small).run(square))


def test_a_size_between_pixels_is_refused(tiny_tflite):
    with pytest.raises(InputError, match="fraction of a pixel"):
        resized(tiny_tflite["float32"].read_bytes(), 65, 96)


def test_the_note_travels_inside(tiny_tflite):
    data = tiny_tflite["float32"].read_bytes()
    editor = TfliteModel.parse(data).edit()
    spec = editor.view().spec
    editor.write_note(dataclasses.replace(spec, network="first").to_json())
    editor.write_note(dataclasses.replace(spec, network="second").to_json())
    again = TfliteModel.parse(editor.to_bytes())
    assert again.spec.network == "second"
    assert [m.name for m in again.edit().schema.metadata].count(b"lpie_spec") == 1


def test_the_spec_inside_is_the_one_beside_but_for_its_digest(tiny_tflite):
    path = tiny_tflite["int8"]
    beside = ModelSpec.from_json(spec_path(path).read_text())
    inside = TfliteModel.read(path).spec
    assert inside is not None
    assert inside.sha256 is None
    assert beside.sha256
    assert beside.file_bytes == path.stat().st_size
    names = set(ModelSpec.__dataclass_fields__) - {"sha256", "file_bytes"}
    assert all(getattr(inside, n) == getattr(beside, n) for n in names)
    assert (beside.width, beside.height, beside.multiple, beside.halo_px) == (96, 64, 2, 30)
    assert beside.input_dtype == "uint8"


def test_damaged_files_are_one_sentence(tiny_tflite):
    data = tiny_tflite["float32"].read_bytes()
    rng = np.random.default_rng(0)
    for size in (0, 7, 100, len(data) // 2, len(data) - 300):
        with pytest.raises(InputError, match=r"not a (complete )?TFLite model"):
            TfliteModel.parse(data[:size])
    for _ in range(40):  # whatever a random change does, it is an InputError or a model
        damaged = bytearray(data)
        for place in rng.integers(8, 4000, 6):
            damaged[place] = rng.integers(256)
        try:
            TfliteModel.parse(bytes(damaged))
        except InputError:
            continue


@pytest.mark.parametrize(
    ("text", "size"), [("fhd", (1080, 1920)), ("4K", (2160, 3840)), ("100X60", (60, 100))]
)
def test_sizes_as_people_say_them(text, size):
    assert Size.parse(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1922x1082", "Nearest: 1920x1080, 1924x1084"),
        ("big", "A size is WIDTHxHEIGHT"),
        ("0x4", "at least 1x1"),
        ("3x2", "Nearest: 4x4, 4x4"),
    ],
)
def test_a_wrong_size_names_the_nearest(text, words):
    with pytest.raises(InputError, match=words):
        Size.parse(text, multiple=4)


def test_only_this_package_works_on_the_objects_of_the_schema():
    own = ("schema_py_generated", "flatbuffer_utils", "lpie.tflite.schema", "tflite import schema")
    for folder in ("lpie", "export", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            if not path.is_relative_to(ROOT / "lpie" / "tflite"):
                assert not [name for name in own if name in path.read_text()], path
