"""Why a phone's NPU did not run all of a file, as its record tells."""

import pytest

from lpie.benchmarks.harness.delegate import parse_delegate
from lpie.benchmarks.harness.job import make_job
from lpie.benchmarks.harness.measurement import Measurement
from lpie.benchmarks.harness.settings import Settings
from lpie.npu.explain import npu_note
from lpie.weights import tflite_file
from tests.conversions import network


def notes_of(delegate, facts, model):
    measurement = Measurement(make_job(model, "64x64", parse_delegate(delegate), 1))
    measurement.stop("")
    record = measurement.record(facts, {"name": "test"}, Settings(), "run")
    return [note for note in record["notes"] if "Qualcomm" in note]


def test_the_record_of_an_npu_carries_what_the_compiler_said():
    (note,) = notes_of("npu", {"serial": "p", "soc": "QTI SM8650"}, tflite_file("denoise-s"))
    assert note.startswith(
        "Qualcomm's compiler on a computer takes 37 of 37 ops for SM8650 (Snapdragon 8 Gen 3), "
        "1 partition"
    )
    (note,) = notes_of("npu", {"serial": "p", "soc": "QTI SM7675"}, tflite_file("denoise-s"))
    assert "computes no floats" in note


@pytest.mark.parametrize(
    ("delegate", "soc"), [("gpu", "QTI SM8650"), ("npu", "Google Tensor G4"), ("npu", None)]
)
def test_other_records_do_not(delegate, soc):
    assert not notes_of(delegate, {"serial": "p", "soc": soc}, tflite_file("denoise-s"))


def test_the_first_refused_ops_are_named(tmp_path):
    file = tmp_path / "net.tflite"
    file.write_bytes(network("int16", "relu"))
    note = npu_note(file, None, "Qualcomm SM8650")
    assert (
        "12 partitions; 11 DEPTHWISE_CONV_2D stay on the CPU (encoder0_block1_depthwise, " in note
    )
    assert "it does not take int16, int8, int64 in and int16 out together." in note
