"""A file beside its network in several places: kernels, runtimes, GPU, Arm."""

import json
import os
import shutil
import sys

import numpy as np
import pytest

pytest.importorskip("keras")

import lpie
from lpie.errors import InputError, LpieError
from lpie.export import export_tflite
from lpie.export.verification.runtimes import CPU, GPU, Place, also, compare_places, run_in
from lpie.image.image import read_image, to_float
from lpie.restore.restorer import Restorer
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from tests.conftest import assert_one_sentence, run_lpie
from tests.export.test_gpu_run import missing

GONE = Place("gone", python=("/nowhere/python",))


@pytest.fixture(scope="module")
def images(astronaut):
    return np.stack([to_float(astronaut[y : y + 64, 200:296]) for y in (0, 100)])


def test_one_place_computes_what_a_session_does(tiny_tflite, images):
    for file in tiny_tflite.values():
        runtime, found = run_in(CPU[0], TfliteModel.read(file), images)
        assert runtime.startswith("ai-edge-litert ")
        session = Session(file.read_bytes())
        expected = [session.run(image) for image in images]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_each_place_has_its_row(tiny_model, tiny_tflite, astronaut):
    places = [*CPU, GONE]
    found, worst = compare_places(
        tiny_model, TfliteModel.read(tiny_tflite["float32"]), [astronaut], places
    )
    assert [each.place for each in found] == [place.name for place in places]
    xnnpack, builtin, reference, gone = found
    for each in (xnnpack, builtin):
        assert each.output_psnr_db > 100
        assert each.worst_tile_psnr_db > 90
        assert each.ramp_levels == each.network_levels > 20
        assert each.within({"output_psnr_db": 90})
        assert not each.within({"output_psnr_db": 900})
    assert xnnpack.largest_difference == 0
    assert 0 < builtin.largest_difference < 0.01
    assert "Didn't find op" in reference.failure  # ELU
    assert reference.within({})
    assert "cannot be started" in gone.failure
    assert not gone.within({})
    assert worst.shape == (256, 3 * 256, 3)


def test_the_worst_tile_is_where_the_fault_is(tiny_model, tiny_tflite, astronaut, monkeypatch):
    """One spoilt pixel, which no mean over the picture shows, and a map that shows it."""
    spoilt = (40, 70)

    def spoiling(place, tflite, images):
        restorer = Restorer(tiny_model)
        outputs = np.stack([restorer.restore(image) for image in images])
        outputs[0][spoilt] = 1 - outputs[0][spoilt]
        return "a test", outputs

    monkeypatch.setattr("lpie.export.verification.runtimes.run_in", spoiling)
    data = TfliteModel.read(tiny_tflite["float32"])
    (found,), worst = compare_places(tiny_model, data, [astronaut], CPU[:1])
    assert found.worst_tile_psnr_db < found.output_psnr_db - 5
    heat = worst[:, 512:].astype(int).sum(axis=-1)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert (y // 8, x // 8) == (spoilt[0] % 32, spoilt[1] % 32)


def test_banding_is_counted(tiny_model, tiny_tflite, astronaut, monkeypatch):
    def banding(place, tflite, images):
        return "a test", np.rint(images * 8) / 8

    monkeypatch.setattr("lpie.export.verification.runtimes.run_in", banding)
    data = TfliteModel.read(tiny_tflite["float32"])
    (found,), _ = compare_places(tiny_model, data, [astronaut], CPU[:1])
    assert found.ramp_levels == 9 < found.network_levels


@pytest.mark.parametrize("given", ["python", "=python", "old=", "old=  ", "old=''", "old='abc"])
def test_a_place_that_is_none(given):
    with pytest.raises(InputError, match="--also takes NAME=COMMAND"):
        also(given)


def test_a_place_of_the_command_line():
    assert also("Arm=qemu -L 'a b' python").python == ("qemu", "-L", "a b", "python")


def test_a_python_without_a_runtime(tiny_tflite, images):
    bare = Place("bare", python=(sys.executable, "-S", "-I"))
    with pytest.raises(LpieError, match="No module named"):
        run_in(bare, TfliteModel.read(tiny_tflite["float32"]), images)


def test_on_a_gpu(tmp_path, images):
    """A small network: a software GPU compiles each layer of LPIENet for a second."""
    if missing():
        pytest.skip(missing())
    small = lpie.build_model("lpienet_rt", widths=(8, 8), encoder_blocks=(1,), middle_blocks=1)
    export_tflite(small, tmp_path / "a.tflite", size="96x64", verified=False)
    data = TfliteModel.read(tmp_path / "a.tflite")
    _, found = run_in(GPU[1], data, images)
    _, expected = run_in(CPU[0], data, images)
    assert 1e-5 < np.abs(found - expected).max() < 0.03  # float16


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_on_arm(recipe, tiny_tflite, images):
    command = os.environ.get("LPIE_ARM", "")
    if not command or not shutil.which(command.split()[0]):
        pytest.skip("LPIE_ARM names no Arm Python (see .ci/arm)")
    data = TfliteModel.read(tiny_tflite[recipe])
    runtime, found = run_in(also(f"Arm={command}"), data, images)
    assert runtime.endswith("on aarch64")
    _, expected = run_in(CPU[0], data, images)
    np.testing.assert_allclose(found, expected, atol=1e-5 if recipe == "float32" else 1.01 / 255)


def test_command_line(tiny_run, tiny_tflite, tmp_path):
    heat = tmp_path / "worst.png"
    done = run_lpie("verify", tiny_run, tiny_tflite["int8"], "--heat-map", heat, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["places"]
    assert [row["place"] for row in rows] == ["XNNPACK", "built-in", "reference"]
    assert rows[0]["runtime"].startswith("ai-edge-litert")
    assert read_image(heat).shape == (256, 768, 3)
    text = run_lpie("verify", tiny_run, tiny_tflite["int8"], "--also", "old=/nowhere/python")
    assert "worst tile" in text.stdout
    assert_one_sentence(text, 1, "is not what its recipe promises on: old")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["MODEL", "missing.tflite"], 2, "missing.tflite does not exist"),
        (["denoize", "FILE"], 2, "denoize does not exist"),
        (["MODEL", "FILE", "--heat-map", "map.jpg"], 2, "--heat-map must end in .png"),
        (["denoize", "FILE", "--heat-map", "map.jpg"], 2, "denoize does not exist"),
        (["MODEL", "missing.tflite", "--heat-map", "map.jpg"], 2, "missing.tflite does not exist"),
        (["MODEL", "FILE", "--also", "python"], 2, "--also takes NAME=COMMAND"),
        (["MODEL", "FILE", "--photos", "missing"], 2, "missing"),
    ],
)
def test_a_wrong_question_is_one_sentence(tiny_run, tiny_tflite, arguments, code, words):
    real = {"MODEL": tiny_run, "FILE": tiny_tflite["float32"]}
    done = run_lpie("verify", *[real.get(word, word) for word in arguments])
    assert_one_sentence(done, code, words)
