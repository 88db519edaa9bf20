import importlib
import json
import signal
import time

import numpy as np
import pytest

pytest.importorskip("keras")

from lpie.backend import keras
from lpie.errors import LpieError
from lpie.export import export_tflite, verify
from lpie.export import pipeline as convert_module
from lpie.export.calibration import calibration_tiles
from lpie.export.recipes import RECIPES
from lpie.export.rewrites.layers import detach_channel_max
from lpie.export.tensorflow_converter import convert
from lpie.export.verification.parity import compare
from lpie.image.image import write_image
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from lpie.tflite.spec import spec_path
from tests import soak
from tests.conftest import assert_one_sentence, run_lpie, wait_until
from tests.forked import Forked

DISTINCT = sorted(set(RECIPES) - {"static_wi8_ai8", "qat_int8", "mixed"})  # converted as int8 is


@pytest.fixture(scope="module")
def files(tiny_model, photos):
    """Each recipe's bytes for 128x128."""
    tiles = calibration_tiles(photos, 128, 128)
    return {recipe: convert(tiny_model, recipe, (128, 128), tiles) for recipe in DISTINCT}


def damaged(data):
    """`data` with the weights of one 3x3 convolution of the decoder mirrored."""
    editor = TfliteModel.parse(data).edit()
    ops = editor.graph.operators
    kernels = [op.inputs[1] for op in ops if editor.op_name(op) == "CONV_2D"]
    kernel = next(i for i in kernels if editor.shape(i) == (8, 3, 3, 12))
    if not editor.is_constant(kernel):  # float16: behind a DEQUANTIZE
        kernel = next(op.inputs[0] for op in ops if op.outputs[0] == kernel)
    data = editor.schema.buffers[editor.graph.tensors[kernel].buffer].data
    width = len(data) // (8 * 3 * 3 * 12)
    editor.replace_values(kernel, np.array(data).reshape(-1, width)[::-1].reshape(-1))
    return editor.to_bytes()


@pytest.mark.parametrize("recipe", DISTINCT)
def test_a_good_export_passes_and_a_damaged_one_fails(tiny_model, files, photos, recipe):
    good = verify(tiny_model, files[recipe], photos, recipe=recipe)
    assert good.passed, good.sentence()
    assert good.photos == 3
    bad = verify(tiny_model, damaged(files[recipe]), photos, recipe=recipe)
    assert not bad.passed, bad.sentence()


def test_builtin_ops_only_batch_one_and_a_fixed_shape(files):
    for data in files.values():
        model = TfliteModel.parse(data)
        assert {op.name for op in model.ops} <= {
            "CONV_2D", "DEPTHWISE_CONV_2D", "ELU", "ADD", "MEAN", "REDUCE_MAX", "CONCATENATION",
            "LOGISTIC", "MUL", "MAX_POOL_2D", "RESIZE_BILINEAR", "QUANTIZE", "DEQUANTIZE",
        }  # fmt: skip
        assert model.image == (128, 128)


def test_compare_by_hand():
    image = np.full((1, 2, 2, 3), 0.5)
    wanted = image + np.array([0.1, -0.1, 0.0])
    same = compare(image, wanted, wanted)
    assert same["output_psnr_db"] == float("inf")
    assert same["residual_correlation"] == pytest.approx(1)
    # An output that is its input: fine by output PSNR, nothing by residual correlation.
    lazy = compare(image, wanted, image)
    assert lazy["output_psnr_db"] == pytest.approx(10 * np.log10(1 / (0.02 / 3)))
    assert lazy["residual_psnr_db"] == pytest.approx(10 * np.log10(0.01 / (0.02 / 3)))
    assert lazy["residual_correlation"] == 0
    assert compare(image, wanted, image - (wanted - image))["residual_correlation"] == (
        pytest.approx(-1)
    )


def test_detaching_the_maximum_is_exact_and_saves_int8(tiny_model, files, photos):
    x = photos[0][None, :128, :128].astype(np.float32) / 255
    both = [keras.ops.convert_to_numpy(m(x)) for m in (tiny_model, detach_channel_max(tiny_model))]
    np.testing.assert_array_equal(*both)


def test_calibration_is_deterministic_and_covers_black_and_white(photos):
    one, two = (calibration_tiles(photos, 64, 64, tiles=8) for _ in range(2))
    assert len(one) == 8
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.shape == (64, 64, 3)
    assert one[0].min() == 0
    assert one[0].max() == 1
    means = [tile.mean() for tile in one]
    assert means == sorted(means)


def test_int8_takes_8_bit_photos_unchanged(files):
    session = Session(files["int8"])
    every = np.arange(128 * 128 * 3).reshape(128, 128, 3) % 256
    tensor = session.quantized((every / 255).astype(np.float32))
    assert tensor.dtype == np.uint8
    np.testing.assert_array_equal(tensor[0], every)


def test_python_defaults_are_built_in_photos(tiny_model, tmp_path):
    path = tmp_path / "m.tflite"
    spec = export_tflite(tiny_model, str(path), size=(96, 64))
    assert (spec.width, spec.height) == (96, 64)
    assert verify(tiny_model, str(path)).passed


def test_an_export_over_budget_writes_nothing(tiny_model, files, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(convert_module, "convert", lambda *_: damaged(files["float32"]))
    path = tmp_path / "m.tflite"
    with pytest.raises(LpieError, match=r"not written: output_psnr_db \d+.* \(at least 90\)") as e:
        export_tflite(tiny_model, path, size="128x128", photos=photos)
    assert e.value.exit_code == 1
    assert not list(tmp_path.iterdir())
    spec = export_tflite(tiny_model, path, size="128x128", photos=photos, verified=False)
    assert spec.verified is None
    assert json.loads(spec_path(path).read_text())["verified"] is None


def test_command_line(tiny_run, tmp_path):
    path = tmp_path / "out" / "m.tflite"
    arguments = ["export", tiny_run, "--recipe", "float16", "--size", "96x64", "-o", path]
    result = run_lpie(*arguments, "--json")
    assert result.returncode == 0, result.stderr
    spec = json.loads(result.stdout)
    assert spec["verified"]["passed"] is True
    assert {p.name for p in path.parent.iterdir()} == {"m.tflite", "m.spec.json"}
    before = path.read_bytes()
    assert_one_sentence(run_lpie(*arguments), 2, "exists already", "--force")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--size", "1921x1081"], 2, "Nearest: 1920x1080, 1922x1082"),
        (["--size", "huge"], 2, "A size is WIDTHxHEIGHT"),
        (["--recipe", "int9"], 2, "Did you mean 'int8'"),
        (["-o", "m.onnx"], 2, "must end in .tflite"),
        (["--photos", "gone"], 2, "gone does not exist"),
        (["--recipe", "int8", "--photos", "EMPTY"], 2, "EMPTY holds no image"),
        (["--recipe", "int8", "--photos", "SMALL"], 2, "have 9 pixels together, fewer than"),
    ],
)
def test_a_wrong_question_is_one_sentence(tiny_run, tmp_path, arguments, code, words):
    where = [] if "-o" in arguments else ["-o", "m.tflite"]
    write_image(tmp_path / "SMALL" / "small.png", np.zeros((3, 3, 3), np.uint8))
    (tmp_path / "EMPTY").mkdir()
    result = run_lpie("export", tiny_run, *arguments, *where, cwd=tmp_path)
    assert_one_sentence(result, code, words)
    assert {path.name for path in tmp_path.iterdir()} == {"EMPTY", "SMALL"}


def test_a_wrong_model_comes_before_a_wrong_output(tmp_path):
    for output in ("m.onnx", "there.tflite"):
        (tmp_path / output).write_text("")
        result = run_lpie("export", "denoize", "-o", output, "--into-app", "no", cwd=tmp_path)
        assert_one_sentence(result, 2, "denoize does not exist")


VERIFIED, WRITTEN = "lpie.export.pipeline.verify", "os.fsync"
ALL_STOPS = [(signal.SIGINT, WRITTEN), (signal.SIGTERM, VERIFIED)]
STOPS = [(signal.SIGINT, VERIFIED), (signal.SIGTERM, WRITTEN), *(ALL_STOPS if soak.FULL else ())]


def export_and_wait(moment, arguments, reached):
    """`lpie export`, which writes the file `reached` where it would call `moment`, and waits."""
    from lpie.cli.main import main

    def wait(*_, **__):
        reached.touch()
        time.sleep(1000)

    module, _, function = moment.rpartition(".")
    setattr(importlib.import_module(module), function, wait)
    main(["export", *arguments])


@pytest.mark.soak
@pytest.mark.parametrize(("stop", "moment"), STOPS)
def test_an_interrupted_export_leaves_nothing(tiny_run, tmp_path, stop, moment):
    """Stopped while it is verified, and when the file is written but not yet renamed."""
    reached, folder = tmp_path / "reached", tmp_path / "out"
    folder.mkdir()
    arguments = [str(tiny_run), "-o", str(folder / "m.tflite")]
    process = Forked(export_and_wait, moment, arguments, reached)
    wait_until(reached.exists, process)
    process.send_signal(stop)
    result = process.completed(timeout=800)
    assert result.returncode == 128 + stop, result.stderr
    assert "Traceback" not in result.stderr
    assert not list(folder.iterdir())
