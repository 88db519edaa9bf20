"""The scripts that time restoring: small sizes, and no time is asserted."""

import json
import sys

import pytest

from lpie.benchmarks.studies.programs import Program, ratio, time_programs, too_large
from lpie.weights import tflite_file
from tests.conftest import assert_one_sentence, run_study


def test_restoring_by_tiles_and_whole():
    given = ["denoise-s", "--size", "256x256", "--size", "320x256", "--rounds", 2, "--runs", 1]
    result = run_study("tiles_or_whole", *given, "--json")
    assert result.returncode == 0, result.stderr
    first, second = json.loads(result.stdout)["results"]
    assert (first["to_first_size"], second["width"]) == (1, 320)
    for row in (first, second):
        for program in (row["tiles"], row["whole"]):
            assert len(program["rounds"]) == 2
            assert program["peak_mb"] > 50
            assert program["ready_ms"] > program["setup_ms"] > 0
        assert set(row["ratios"]) == {"run_ms", "ready_ms", "peak_mb"}
    shown = run_study("tiles_or_whole", "denoise-s", "--size", "64x64", "--rounds", 1, "--runs", 0)
    assert "| denoise-s 64x64 |" in shown.stdout
    assert "LiteRT, whole" in shown.stdout


def test_ratios_are_of_the_same_round():
    ours, theirs = ({"rounds": [{"ms": n} for n in times]} for times in ((1, 2, 9), (2, 4, 9)))
    assert ratio(ours, theirs, "ms") == 0.5
    assert ratio({"rounds": []}, theirs, "ms") is None


def test_who_cannot_run_is_told():
    refused = Program("huge", refused="needs 11,698 MB")
    (row,) = time_programs([refused], rounds=2, runs=1)
    assert row == {"name": "huge", "refused": "needs 11,698 MB", "rounds": []}
    assert "are free" in too_large(tflite_file("denoise-lpienet"), 40_000, 40_000)
    assert not too_large(tflite_file("denoise-lpienet"), 256, 256)


def test_peers_that_are_not_there():
    pytest.importorskip("tensorflow")
    result = run_study("other_runtimes", "denoise-s", "--peer-python", sys.executable)
    assert_one_sentence(result, 2, "tf2onnx could not convert the network")
