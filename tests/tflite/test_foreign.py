"""Files that lpie did not write: checked at the door, and run where a crash does no harm."""

import dataclasses
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from lpie import Restorer
from lpie.cli.export.inspect import inspect
from lpie.errors import InputError, LpieError
from lpie.image.image import write_image
from lpie.tflite.foreign import interpreter
from lpie.tflite.foreign.trust import remember_export
from lpie.tflite.interpreter import Session, observable
from lpie.tflite.model import TfliteModel
from lpie.tflite.spec import ModelSpec
from lpie.weights import tflite_file
from tests.conftest import SHARED, assert_one_sentence, run_lpie
from tests.hostile_models import IMAGE, Graph, crash, hang, relu, swell

CASES = SHARED / "cases"
PHOTO = np.random.default_rng(0).random(IMAGE[1:], np.float32)


def parsed(make):
    return TfliteModel.parse(make(), "x.tflite")


@pytest.fixture
def impatient(monkeypatch):
    """Limits as for a far faster computer."""
    monkeypatch.setattr(interpreter, "STARTING_S", 0.5)


def test_it_computes_what_this_process_computes():
    model = TfliteModel.read(tflite_file("denoise-s"))
    stranger = TfliteModel.parse(dataclasses_changed(model), "x.tflite")
    assert model.trusted
    assert not stranger.trusted
    ours, theirs = Session(model, threads=1), Session(stranger, threads=1)
    image = np.random.default_rng(1).random((*model.image, 3), np.float32)
    np.testing.assert_array_equal(ours.run(image), theirs.run(image))
    theirs.set_input(theirs.quantized(image))
    theirs.invoke()
    np.testing.assert_array_equal(ours.run(image), theirs.output())


def dataclasses_changed(model):
    """The bytes of the same network with another note."""
    editor = model.edit()
    editor.write_note(dataclasses.replace(model.spec, network="mine").to_json())
    return editor.to_bytes()


def test_every_tensor_can_be_read_there():
    seen = observable(parsed(relu))
    seen.set_tensor(0, PHOTO[None] - 0.5)
    seen.invoke()
    np.testing.assert_array_equal(seen.get_tensor(1), np.maximum(PHOTO[None] - 0.5, 0))


@pytest.mark.parametrize(
    ("make", "words"),
    [(crash, r"crashed \(SIG"), (hang, "computing time that it is allowed"), (swell, "x.tflite")],
)
def test_what_ends_a_runtime_ends_it_alone(make, words, impatient):
    with pytest.raises(LpieError, match=words):
        Session(parsed(make), threads=1).run(PHOTO)


def test_a_crash_is_one_sentence_of_the_command_line(tmp_path):
    (tmp_path / "x.tflite").write_bytes(crash())
    write_image(tmp_path / "in.png", np.zeros((64, 64, 3), np.uint8))
    ended = run_lpie("restore", tmp_path / "x.tflite", tmp_path / "in.png", tmp_path / "out.png")
    assert_one_sentence(ended, 1)
    assert "crashed (SIG" in ended.stderr
    assert not (tmp_path / "out.png").exists()


def test_known_by_all_its_bytes(tmp_path):
    file = tmp_path / "x.tflite"
    data = dataclasses_changed(TfliteModel.read(tflite_file("denoise-s")))
    file.write_bytes(data)
    assert not TfliteModel.read(file).trusted
    remember_export(TfliteModel.read(file).sha256)
    assert TfliteModel.read(file).trusted
    file.write_bytes(data + b"\0")
    assert not TfliteModel.read(file).trusted


def test_an_export_is_known(tiny_tflite):
    model = TfliteModel.read(tiny_tflite["float32"])
    assert model.trusted
    assert model.edit().finish().trusted


def test_without_a_cache_nothing_is_known(monkeypatch, tmp_path):
    file = tmp_path / "not a folder"
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    remember_export("0" * 64)
    assert not parsed(relu).trusted


def changed(change):
    """The damage that `change` does to a model of one op, as a sentence."""
    g = Graph()
    image, result = g.tensor(), g.tensor()
    g.op("MAX_POOL_2D", [image], [result], "Pool2D", strideH=1, strideW=1, filterHeight=1,
         filterWidth=1)  # fmt: skip
    g.ends([image], [result])
    assert TfliteModel.parse(g.data()).ops
    graph = g.model.subgraphs[0]
    change(g, graph, graph.operators[0])
    with pytest.raises(InputError) as error:
        TfliteModel.parse(g.data(), "x.tflite")
    return str(error.value)


def set_to(part, name, value):
    return lambda g, graph, op: setattr({"graph": graph, "op": op}[part], name, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_to("graph", "inputs", np.array([9], np.int32)), "takes a tensor"),
        (set_to("graph", "outputs", np.array([-1], np.int32)), "returns a tensor"),
        (set_to("op", "inputs", np.array([7], np.int32)), "joined to a tensor"),
        (set_to("op", "inputs", np.array([-1], np.int32)), "inputs instead of 1"),
        (set_to("op", "inputs", np.array([1], np.int32)), "before it is written"),
        (set_to("op", "outputs", np.array([0], np.int32)), "has its values already"),
        (set_to("op", "outputs", None), "without an output"),
        (set_to("op", "opcodeIndex", 4), "of no known kind"),
        (set_to("op", "builtinOptions", None), "without its options"),
        (lambda g, graph, op: setattr(op.builtinOptions, "strideW", 0), "strideW is 0"),
        (lambda g, graph, op: setattr(graph.tensors[0], "buffer", 5), "values lie nowhere"),
        (lambda g, graph, op: setattr(graph.tensors[0], "externalBuffer", 1), "in another file"),
        (lambda g, graph, op: setattr(graph.tensors[1], "shape", None), "of 0 dimensions"),
        (
            lambda g, graph, op: setattr(graph.tensors[0], "shape", np.full(4, 2**30, np.int32)),
            "of the absurd shape",
        ),
        (lambda g, graph, op: setattr(graph.tensors[0], "type", 99), "does not know"),
        (lambda g, graph, op: g.tensor((3,), values=np.zeros(2, np.float32)), "and holds 8"),
        (lambda g, graph, op: g.model.operatorCodes.clear(), "no op code"),
    ],
)  # fmt: skip
def test_damage_is_named_at_the_door(change, words):
    said = changed(change)
    assert words in said
    assert said.startswith("x.tflite is not a complete TFLite model: ")


def test_a_small_file_cannot_claim_more_than_it_holds():
    """A vector of tables that are all the same one."""
    data = bytearray(relu())
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(data)
    place = model._tab.Vector(model._tab.Offset(6))  # of the operator codes
    flatbuffers.encode.Write(flatbuffers.packer.uint32, data, place - 4, 2**30)
    with pytest.raises(InputError, match="truncated or damaged"):
        TfliteModel.parse(bytes(data))


def test_weights_behind_the_flatbuffer_are_weights(tmp_path):
    if not CASES.is_dir():
        pytest.skip("needs ../shared")
    outside = TfliteModel.read(CASES / "tflite" / "outside.tflite")
    inside = TfliteModel.read(CASES / "tflite" / "bare.tflite")
    assert [op.name for op in outside.ops] == [op.name for op in inside.ops]
    for one, other in zip(outside.tensors, inside.tensors, strict=True):
        assert one.stored == other.stored
        if one.constant:
            np.testing.assert_array_equal(outside.array(one), inside.array(other))
    image = np.random.default_rng(0).random((*inside.image, 3), np.float32)
    expected = Session(inside).run(image)
    np.testing.assert_array_equal(Session(outside).run(image), expected)
    np.testing.assert_array_equal(Session(outside.edit().finish()).run(image), expected)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"multiple": ' + "9" * 5000 + "}", "null", "{}", "\ud800", " " * 2**21],
    ids=["deep", "a long number", "null", "empty", "no text", "long"],
)
def test_absurd_notes(text):
    with pytest.raises(InputError, match="the spec is not a model spec"):
        ModelSpec.from_json(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("multiple", 0), ("multiple", True), ("width", -1), ("halo_px", 3), ("network", 3),
        ("versions", {"a": {"b": {"c": {"d": {"e": {}}}}}}), ("signatures", ["1x1", 2]),
        ("value_range", [0]), ("parameters", 1.5),
    ],
)  # fmt: skip
def test_a_note_of_wrong_types(key, value):
    import json

    table = json.loads(TfliteModel.read(tflite_file("denoise-s")).spec.to_json())
    with pytest.raises(InputError, match=f"the spec is damaged: its {key} is"):
        ModelSpec.from_json(json.dumps({**table, "multiple": 8, key: value}))


@pytest.mark.parametrize(
    "case",
    sorted((CASES / "hostile").glob("*.tflite")) or [None],
    ids=lambda path: path.name if path else "absent",
)
def test_hostile_cases(case, impatient):
    if case is None:
        pytest.skip("needs ../shared")
    result = CliRunner().invoke(inspect, [str(case)])
    assert result.exception is None or isinstance(result.exception, (LpieError, SystemExit))
    assert all(char.isprintable() or char == "\n" for char in result.output)
    with pytest.raises(LpieError) as error:
        Restorer(case, threads=1).restore(PHOTO)
    assert str(error.value).count("\n") == 0


def test_shape_of_a_result_that_is_not_the_promised_one():
    g = Graph()
    image, result = g.tensor(), g.tensor()
    begin, size = (g.constant(np.array(v, np.int32)) for v in ([0, 1, 0, 0], [1, 9, 64, 3]))
    g.op("SLICE", [image, begin, size], [result], "Slice").ends([image], [result])
    with pytest.raises(InputError, match=r"promises an output of the shape \[1, 64, 64, 3\]"):
        Session(TfliteModel.parse(g.data())).run(PHOTO)


def test_a_copy_of_a_pretrained_file_is_known(tmp_path):
    copy = shutil.copy(tflite_file("denoise-s"), tmp_path / "mine.tflite")
    assert TfliteModel.read(copy).trusted
