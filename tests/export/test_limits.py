"""What an export says about ops that stay in float, lose to 8 bits, or are refused."""

import json

import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("export needs Keras on TensorFlow", allow_module_level=True)

from lpie.errors import LpieError  # noqa: E402
from lpie.export.int8.diagnosis import float_ops  # noqa: E402
from lpie.export.pipeline import export_tflite  # noqa: E402
from lpie.tflite.model import TfliteModel  # noqa: E402
from tests.conftest import run_lpie  # noqa: E402
from tests.conversions import network  # noqa: E402
from tests.models.test_zoo import SMALL, TINY, random_model  # noqa: E402


def test_ops_left_in_float(tiny_tflite):
    assert float_ops(TfliteModel.parse(network("int8"))) == {"ELU": 21}  # as converted
    assert float_ops(TfliteModel.read(tiny_tflite["int8"])) == {}  # as we export it


# Three ops with what each loses, then what helps.
WORST = r"lose most .*: (\w+ in \S+ \(\d+\.\d dB\)(, |\. )){3}What helps: `--recipe mixed`"


def test_an_int8_export_that_fails_names_its_worst_ops(tmp_path):
    model = random_model("nafftnet", TINY)
    with pytest.raises(LpieError, match=WORST):
        export_tflite(model, tmp_path / "model.tflite", recipe="int8", size=(64, 64))
    assert not any(tmp_path.iterdir())


def test_the_command_names_what_delegates_refuse(tmp_path):
    random_model("nafftnet", TINY).save(tmp_path / "model.keras")
    given = ("export", tmp_path / "model.keras", "--size", "32x32", "-o", tmp_path / "a.tflite")
    shown = run_lpie(*given).stdout
    assert "xnnpack: takes all" in shown
    assert "24 BATCH_MATMUL" in next(x for x in shown.splitlines() if x.startswith("gpu:"))
    result = json.loads(run_lpie(*given, "--force", "--json").stdout)
    assert result["float_ops"] == {}
    assert {each["delegate"]: each["full"] for each in result["delegates"]}["xnnpack"]


def test_mirnet_is_one_piece_on_every_delegate_but_opengl(tmp_path):
    from lpie.export.delegates import check_delegate

    path = tmp_path / "mirnet.tflite"
    export_tflite(random_model(*SMALL["mirnet"]), path, size=(32, 32))
    for delegate in ("gpu", "mldrift", "nnapi-31", "xnnpack"):
        assert check_delegate(path, delegate).partitions == 1
