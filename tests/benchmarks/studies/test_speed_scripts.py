"""The two scripts that time training: small sizes, and no time is asserted."""

import dataclasses
import importlib.util
import json
import os
import sys

import pytest

pytest.importorskip("keras")
pytest.importorskip("skimage")

from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.training_speed import (
    Implementation,
    check_equal_work,
    implementations,
    start,
    write_batches,
)
from lpie.config.config import Config
from lpie.errors import LpieError
from lpie.system.child import Child
from tests.conftest import assert_one_sentence, run_study

TORCH = os.environ.get("LPIE_TORCH_PYTHON", sys.executable)
needs_torch = pytest.mark.skipif(
    sys.executable == TORCH and importlib.util.find_spec("torch") is None,
    reason="needs PyTorch, here or in the Python that LPIE_TORCH_PYTHON names",
)


def test_training_speed_without_torch():
    result = run_study(
        *("training_speed", "--patch", 16, "--batch", 1, "--seconds", 0, "--rounds", 2),
        *("--backends", "tensorflow", "--precisions", "float32", "--without-torch", "--json"),
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    (row,) = found["results"]
    assert row["name"] == "tensorflow float32"
    assert len(found["loads"]) == len(row["images_per_s"]) == 2
    assert min(row["images_per_s"]) <= row["median_images_per_s"]
    assert row["peak_mb"] > 100
    assert "ratio" not in row


@needs_torch
def test_pytorch_does_the_same_work(tmp_path):
    found = check_equal_work(["tensorflow", "torch"], tmp_path, TORCH)
    assert set(found) == {"loss", "gradient", "weights"}


@needs_torch
def test_unequal_work_is_told(tmp_path, monkeypatch):
    """PyTorch with more clipping than lpie."""
    from lpie.benchmarks.studies import training_speed

    def unlike(implementation, config, *rest, **options):
        train = dataclasses.replace(config.train, clip_norm=config.train.clip_norm / 10)
        other = dataclasses.replace(config, train=train)
        return start(
            implementation,
            other if implementation.backend == "torch" else config,
            *rest,
            **options,
        )

    monkeypatch.setattr(training_speed, "start", unlike)
    with pytest.raises(LpieError, match=r"its weights differs by .* Nothing was timed"):
        check_equal_work(["tensorflow", "torch"], tmp_path, TORCH)


@needs_torch
@pytest.mark.parametrize("layout", ["default", "channels_last"])
def test_pytorch_knows_what_it_moves(tmp_path, layout):
    batches = write_batches(tmp_path / "b.npy", patch_px=16, batch_size=2)
    implementation = Implementation("torch", layout=layout)
    with start(implementation, Config(), batches, torch_python=TORCH) as child:
        found = child.ask({"limits": True})
        assert child.ask({"steps": 2})["loss"] > 0
    # The first convolution alone: 3 channels in, 16 out, float32.
    assert found["bytes_per_step"] > 3 * 2 * 16 * 16 * (3 + 16) * 4
    assert found["copy_bytes_per_s"] > 0


def test_implementations():
    names = [way.name for way in implementations(["tensorflow", "torch"], batch_size=1)]
    assert names == [
        "tensorflow float32",
        "tensorflow bfloat16",
        "torch float32 default",
        "torch float32 channels_last",
        "torch bfloat16 channels_last",
    ]
    found = implementations(["torch"], precisions=["bfloat16"], batch_size=1, compiled=True)
    assert [way.name for way in found] == [
        "torch bfloat16 channels_last",
        "torch bfloat16 channels_last compiled",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--torch-python", "/bin/false"], "/bin/false -m pip install torch"),
        (["--torch-python", "/gone"], "must be a Python. Received: /gone"),
        (["--backends", "tensorflw"], "Did you mean 'tensorflow'?"),
        (["--precisions", "float16"], "Unknown precision 'float16'"),
        (["--backends", "torch"], "must name tensorflow or jax"),
    ],
)
def test_a_wrong_question_is_one_sentence(arguments, words):
    assert_one_sentence(run_study("training_speed", *arguments), 2, words)


def test_pipeline_speed():
    result = run_study(
        "data_pipeline", "--patch", 16, "--batch", 1, "--seconds", 0, "--step-ms", 50, "--json"
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["step_was_given"]
    cases = {(row["source"], row["kind"], row["workers"]) for row in found["results"]}
    assert {("photos", "jpeg", 1), ("shards", "display_blur", 2)} <= cases
    assert sum(source == "shards of pairs" for source, _, _ in cases) == 2
    for row in found["results"]:
        assert row["to_step"] == pytest.approx(row["batches_per_s"] * 0.05)


def test_networks():
    pytest.importorskip("tensorflow")
    given = ("--network", "LPIENet-RT, s", "--size", "64x64", "--rounds", 2, "--seconds", 0)
    result = run_study("networks", *given, "--json")
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["results"]
    plain, small = row["files"]["float32"], row["files"]["int8"]
    assert plain["parameters"] == 127_956
    assert plain["verified"]["residual_psnr_db"] > 80 > small["verified"]["residual_psnr_db"] > 30
    assert plain["partitions"] == {"gpu": 1, "nnapi-31": 1, "xnnpack": 1}
    assert small["file_bytes"] < plain["file_bytes"]
    for file in (plain, small):
        medians = [each["median_ms"] for each in file["rounds"]]
        assert min(medians) <= file["median_ms"] <= max(medians)
        assert file["peak_mb"] > 40
    assert_one_sentence(run_study("networks", "--network", "LPINet"), 2, "Did you mean 'LPIENet'")


@pytest.mark.parametrize("name", ["training_speed", "data_pipeline"])
def test_help_gives_examples(name):
    result = run_study(name, "--help")
    assert result.returncode == 0
    assert f"python -m lpie.benchmarks.studies.{name} --patch 64" in result.stdout


def test_a_dead_child_leaves_its_last_words():
    program = "import sys; sys.stdin.readline(); sys.exit('out of paper')"
    with pytest.raises(LpieError, match="the printer failed: out of paper"):
        Child("the printer", [sys.executable, "-c", program], {})


def test_markdown_is_aligned():
    assert markdown(["a", "rate"], [["longer", "7"]]).splitlines() == [
        "| a      | rate |",
        "| ------ | ---: |",
        "| longer |    7 |",
    ]
