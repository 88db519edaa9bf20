"""The table of all recipes, of one network by two of them."""

import json
import subprocess
import sys

import pytest

from lpie.benchmarks.exports import DELEGATES, table
from lpie.image import write_image
from tests.conftest import ROOT, assert_one_sentence


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lpie.benchmarks.exports", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_int8_loses(tmp_path, astronaut):
    pytest.importorskip("tensorflow")
    write_image(tmp_path / "astronaut.png", astronaut[:128, :128])
    given = ["denoise-s", "--clean", tmp_path, "--size", "64x64"]
    result = run(*given, "--recipe", "float32", "--recipe", "int8", "--json")
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
    assert_one_sentence(run("gone", "--clean", tmp_path), 1, "gone does not exist")
