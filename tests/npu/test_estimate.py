"""The maker's estimate of a network, and what becomes of it for a phone."""

import json

import pytest
from click.testing import CliRunner

from lpie.benchmarks.predict.npu import fit_npu, predicted_ms
from lpie.cli.benchmark.predict import predict
from lpie.errors import InputError, LpieError
from lpie.npu.chips import npu_chip
from lpie.size import Size
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file
from tests.single_ops import FOLDER


def test_the_estimate_of_a_network():
    from lpie.npu.estimate.vendor import vendor_estimate

    model = TfliteModel.read(tflite_file("denoise-s")).resized(Size(256, 256))
    estimate = vendor_estimate(model)
    assert (estimate.cycles, estimate.unpriced) == (778728, 0)
    assert (estimate.read_bytes, estimate.written_bytes) == (1157120, 524288)
    assert estimate.lower_ms < estimate.ms < estimate.upper_ms


def test_ops_without_a_cost_and_refused_ops_are_named():
    from lpie.npu.estimate.vendor import vendor_estimate

    unpriced = vendor_estimate(TfliteModel.read(FOLDER / "elu-float32.tflite"))
    assert (unpriced.unpriced, unpriced.unpriced_ops) == (1, ("ELU",))
    with pytest.raises(LpieError, match=r"does not take all of .*product-of-channels"):
        vendor_estimate(TfliteModel.read(FOLDER / "product-of-channels-float32.tflite"))


def test_the_command():
    arguments = ["denoise-s", "--phone", "Galaxy S24", "--unit", "npu", "--size", "64x64"]
    text = " ".join(CliRunner().invoke(predict, arguments).output.split())
    assert "Estimated, never measured on a phone" in text
    assert "44 latencies of 25 networks on Samsung Galaxy S24" in text
    report = json.loads(CliRunner().invoke(predict, [*arguments, "--json"]).output)
    fit = fit_npu(npu_chip("SM8650"))
    ms = predicted_ms(fit, report["vendor"]["ms"], 0, floats=True)
    assert report["estimate"]["ms"] == pytest.approx(ms)
    assert report["estimate"]["lower_ms"] == pytest.approx(ms * fit.lower)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--phone", "galaxy-s24", "--precision", "int8"], "--precision must be what the file"),
        (["--phone", "snapdragon-7-gen-4"], "SM7750 (Snapdragon 7 Gen 4) refuses float"),
        (["--phone", "galaxy-s21"], "No latencies of SM8350"),
    ],
)
def test_what_cannot_be_estimated_is_said(arguments: list[str], words: str):
    result = CliRunner().invoke(predict, ["denoise-s", "--unit", "npu", *arguments])
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)
