import json
import tomllib

import pytest
from click.testing import CliRunner

from lpie.benchmarks.predict.predict import find_phone, predict, published
from lpie.cli.benchmark.predict import predict as command
from lpie.errors import InputError
from lpie.size import Size
from lpie.tflite.cost import OpWork, graph_cost, op_work
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file
from tests.conftest import ROOT, assert_one_sentence, run_lpie


def test_each_op_is_bound_by_the_slowest_of_three():
    phone = find_phone("snapdragon-888")  # 3.44 TFLOPS in fp16, 51.2 GB/s; shares 0.3 and 0.7
    computing = predict([OpWork("CONV_2D", 10**9, 10)], phone)
    assert computing.ms == computing.compute_ms == pytest.approx(2e12 / (3.44e12 * 0.3))
    moving = predict([OpWork("ADD", 0, 10**8)], phone)
    assert moving.ms == moving.memory_ms == pytest.approx(2e11 / (51.2e9 * 0.7))
    assert predict([OpWork("ADD", 0, 10**8)], phone, precision="fp32").ms == 2 * moving.ms
    tiny = predict([OpWork("RESHAPE", 0, 1)] * 7, phone)
    assert tiny.ms == tiny.launch_ms == pytest.approx(0.07)


def test_the_work_of_a_file_is_that_of_its_cost():
    model = TfliteModel.read(tflite_file("denoise-lpienet")).resized(Size.parse("4k"))
    ops, cost = op_work(model), graph_cost(model)
    assert sum(op.macs for op in ops) == cost.macs == 151_629_926_400
    assert "DEQUANTIZE" not in {op.name for op in ops}
    assert 4 * sum(op.values for op in ops) == pytest.approx(1e6 * cost.moved_mb, rel=1e-3)


def test_every_number_of_a_phone_says_where_it_is_from():
    table = tomllib.loads((ROOT / "benchmarks" / "predict" / "phones.toml").read_text())
    for name, facts in table["soc"].items():
        phone = find_phone(name)
        numbers = [key for key in ("gpu_tflops", "npu_tops", "gb_per_s") if key in facts]
        assert len(phone.sources) == len(numbers)
        assert all(len(source) > 12 for source in phone.sources)
        for alias in facts["phones"]:
            assert find_phone(alias).peaks == phone.peaks


def test_the_errors_against_published_measurements_are_shown_as_they_are():
    rows = {(row.name, row.phone): row for row in published()}
    assert len(rows) == 6
    lpienet = rows["LPIENet, 3840x2160", "snapdragon-888"]
    assert (lpienet.measured_ms, lpienet.error) == (1561, pytest.approx(-0.17, abs=0.005))
    nafnet = rows["NAFNet width 32 for GoPro, 256x256", "pixel-8a"]
    assert (nafnet.measured_ms, nafnet.error) == (42, pytest.approx(0.76, abs=0.01))
    mobileie = rows["MobileIE, 600x400", "snapdragon-8-gen-3"]
    assert mobileie.error == pytest.approx(-0.32, abs=0.005)
    assert max(abs(row.error) for row in rows.values()) > 0.8


def test_what_is_not_known_of_a_phone_is_said():
    with pytest.raises(InputError, match=r"Did you mean 'pixel-8"):
        find_phone("pixle-8a")
    with pytest.raises(InputError, match=r"only the gpu is known"):
        predict([], find_phone("pixel-8a"), unit="npu")
    with pytest.raises(InputError, match=r"only the npu is known"):
        predict([], find_phone("dimensity-9500"))


def test_the_command_prints_an_estimate_and_its_errors():
    given = ["denoise-s", "--phone", "pixel-8a", "--size", "fhd"]
    text = CliRunner().invoke(command, given).output
    assert "an estimate, not a measurement" in " ".join(text.split())
    assert "NAFNet width 32 for GoPro, 256x256, pixel-8a GPU" in text
    report = json.loads(CliRunner().invoke(command, [*given, "--json"]).output)
    larger = json.loads(CliRunner().invoke(command, [*given[:-1], "4k", "--json"]).output)
    assert 3.5 < larger["estimate"]["ms"] / report["estimate"]["ms"] < 4.5
    assert len(report["published"]) == 6
    assert "arXiv" in CliRunner().invoke(command, ["--errors"]).output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give FILE and --phone NAME, or --errors alone"),
        (["denoise"], "Give FILE and --phone NAME"),
        (["denoise", "--phone", "x", "--errors"], "Give FILE and --phone NAME"),
        (["gone.tflite", "--phone", "pixel-8a"], "gone.tflite does not exist"),
        (["denoise", "--phone", "pixel-8a", "--size", "9"], "A size is WIDTHxHEIGHT"),
    ],
)
def test_a_wrong_question_is_one_sentence(arguments, words):
    assert_one_sentence(run_lpie("predict", *arguments), 2, words)
