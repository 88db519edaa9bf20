"""ML Drift's verdicts against LiteRT's own accelerator, on whatever GPU Vulkan finds here."""

import functools

import pytest

from lpie.errors import LpieError
from lpie.export.delegates import check_delegate
from lpie.export.delegates.gpu_run import run_on_gpu
from lpie.models.load import load_pretrained
from lpie.weights import pretrained_file
from tests import soak
from tests.conftest import assert_one_sentence, run_lpie
from tests.conversions import SIDE, convert_keras
from tests.single_ops import ALL_OPS, SINGLE_OPS, op_file

SOME = (*SINGLE_OPS, "rows", "one row", "matmul", "split of rows", "rows apart", "prelu")
# Not by the delegate's table but by its bugs: it says yes, or nothing, and then does it wrong.
WRONG = ("split of channels", "split of rows")


@functools.cache
def missing():
    """Why nothing runs on a GPU here, or ""."""
    try:
        run_on_gpu(op_file("relu"))
    except LpieError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def _gpu():
    if missing():
        pytest.skip(missing())


CASES = [*((n, "float32") for n in ALL_OPS), *((n, "int8") for n in SOME)]


@pytest.mark.soak
@pytest.mark.parametrize(("name", "recipe"), soak.some(CASES, 30))
def test_verdicts_are_those_of_the_accelerator(name, recipe):
    expected = check_delegate(op_file(name, recipe), "mldrift")
    result = run_on_gpu(op_file(name, recipe))
    if recipe == "float32" and name in WRONG:
        assert expected.kills_delegate
        assert result.differences["float32"] > 0.1, "SPLIT is right by now: the rule can go"
        return
    assert result.full == expected.full, (expected, result)
    if result.full:
        # In int8 a step, of outputs up to 8; a threshold may fall to the other side.
        least = 1e-5 if recipe == "float32" else 0.05
        assert name == "threshold" or result.differences["float32"] <= least


# Not LPIENet: its many shapes take a software GPU from two minutes to ten, with what else runs.
@pytest.mark.soak
@pytest.mark.skipif(not soak.FULL, reason="a software GPU takes half a minute: make soak")
def test_a_pretrained_network_runs_whole_and_right():
    """float16 is what phones compute in: no value of its is too large for it."""
    result = run_on_gpu(pretrained_file("denoise-s", ".tflite"))
    assert result.full, result
    assert result.differences["float32"] < 1e-5
    assert result.differences["float16"] < 0.02


@pytest.mark.soak
@pytest.mark.skipif(not soak.FULL, reason="a software GPU takes minutes for it: make soak")
def test_a_network_in_int8_runs_whole(tmp_path):
    keras = pytest.importorskip("keras")
    net = load_pretrained("denoise-s")
    image = keras.Input((SIDE, SIDE, 3), batch_size=1)
    model = keras.Model(image, net(image))
    (tmp_path / "m.tflite").write_bytes(convert_keras(model, "int8"))
    result = run_on_gpu(tmp_path / "m.tflite")
    assert result.full, result
    assert check_delegate(tmp_path / "m.tflite", "mldrift").full


def test_command_line():
    result = run_lpie("inspect", op_file("relu"), "--delegate", "mldrift", "--run-gpu")
    assert result.returncode == 0, result.stderr
    assert "runs all of it, differs from the CPU by at most" in result.stdout.splitlines()[-1]
    result = run_lpie("inspect", op_file("symmetric pad"), "--run-gpu", "--require-full")
    assert_one_sentence(result, 1, "does not run in full on")
    assert "leaves to the CPU: MIRROR_PAD: Only Reflective padding" in result.stdout


def test_without_a_driver_it_says_so(monkeypatch):
    monkeypatch.setenv("VK_DRIVER_FILES", "/nowhere")
    with pytest.raises(LpieError, match="No GPU to run on"):
        run_on_gpu(pretrained_file("denoise-s", ".tflite"))
