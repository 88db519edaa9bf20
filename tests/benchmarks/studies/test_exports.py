"""The table of all recipes, of one network by two of them."""

import json

import pytest

from lpie.benchmarks.studies.export.recipes import DELEGATES, table
from lpie.image.image import write_image
from tests.conftest import assert_one_sentence, run_study


def test_what_int8_loses(tmp_path, astronaut):
    pytest.importorskip("tensorflow")
    write_image(tmp_path / "astronaut.png", astronaut[:128, :128])
    given = ["denoise-s", "--clean", tmp_path, "--size", "64x64"]
    result = run_study(
        "export.recipes", *given, "--recipe", "float32", "--recipe", "int8", "--json"
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    exact, coarse = found["results"]
    assert exact["file_bytes"] > coarse["file_bytes"]
    assert exact["psnr_db"] > coarse["psnr_db"] > exact["psnr_db"] - 0.5
    assert exact["residual_correlation"] > coarse["residual_correlation"] > 0.99
    assert coarse["partitions"] == dict.fromkeys(DELEGATES, 1)
    assert coarse["float_ops"] == {}
    lost = exact["psnr_db"] - coarse["psnr_db"]
    assert f"{lost:.2f} | {coarse['residual_correlation']:.5f}" in " ".join(table(found).split())


def test_a_network_that_is_not_there(tmp_path, astronaut):
    write_image(tmp_path / "astronaut.png", astronaut)
    assert_one_sentence(
        run_study("export.recipes", "gone", "--clean", tmp_path), 2, "gone does not exist"
    )


def test_a_4k_export_needs_no_more_memory_than_a_small_one():
    pytest.importorskip("tensorflow")
    sizes = ["--size", "256x256", "--size", "4k", "--rounds", 1, "--json"]
    result = run_study("export.export_cost", "denoise-s", *sizes)
    assert result.returncode == 0, result.stderr
    small, large = json.loads(result.stdout)["results"]
    assert small["seconds"] > 0
    assert small["peak_mb"] > 100
    # Computing at that size would take the picture and its result in float32, and far more.
    assert large["peak_mb"] < small["peak_mb"] + 2 * (3840 * 2160 * 3 * 4 / 1e6)


def test_a_size_that_cannot_be_exported():
    result = run_study("export.export_cost", "denoise-s", "--size", "1922x1082")
    assert_one_sentence(result, 1, "multiples of 8")
