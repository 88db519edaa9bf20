import json

import pytest

pytest.importorskip("keras")

from lpie.benchmarks import benchmark
from lpie.benchmarks.measure import measure, peak_mb, photo_like
from tests.conftest import assert_one_sentence, run_lpie


def test_records_hold_what_was_measured(tiny_tflite):
    result = benchmark(
        [tiny_tflite["float32"], tiny_tflite["int8"]],
        sizes=["128x96"],
        threads=1,
        min_runs=7,
        seconds=0,
    )
    assert [row["recipe"] for row in result["results"]] == ["float32", "int8"]
    assert result["machine"]["runtime"].startswith("ai-edge-litert 2.")
    for row in result["results"]:
        assert row["refused"] is None
        assert row["runs"] == 7
        assert row["threads"] == 1
        assert row["size"] == "128x96"
        assert 0 < row["min_ms"] <= row["p10_ms"] <= row["median_ms"] <= row["p90_ms"]
        assert row["first_ms"] > 0
        assert row["init_ms"] > 0
        assert row["warmup_runs"] >= 1
        assert row["baseline_mb"] < row["peak_mb"] < 1000
    assert result["results"][0]["verified"] is True


def test_tiles_restore_the_whole_image(tiny_tflite):
    (row,) = benchmark(
        [tiny_tflite["float32"]], sizes=["400x200"], tiles=True, tile_px=160, min_runs=2, seconds=0
    )["results"]
    assert row["mode"] == "tiles"
    assert 140 <= max(row["plan"]["tile"]) <= 160
    assert row["median_ms"] > 0


def test_memory_is_that_of_the_process_alone(tiny_tflite):
    """This process has TensorFlow in memory; the child must not be charged for it."""
    (row,) = benchmark([tiny_tflite["int8"]], sizes=["96x64"], min_runs=1, seconds=0)["results"]
    assert row["peak_mb"] < 0.5 * peak_mb()


def test_a_larger_image_takes_longer(tiny_tflite):
    job = {
        "model": str(tiny_tflite["float32"]), "mode": "whole", "threads": 1, "min_runs": 3,
        "seconds": 0, "runtime": "ai-edge-litert",
    }  # fmt: skip
    small, large = (measure({**job, "size": size})["min_ms"] for size in ("96x64", "960x640"))
    assert large > 10 * small  # a hundred times the pixels


def test_the_image_looks_like_one():
    image = photo_like(64, 96)
    assert image.shape == (64, 96, 3)
    assert image.min() >= 0
    assert image.max() <= 1
    assert 0.3 < image.mean() < 0.7


def test_command_line_and_refusal(tiny_tflite, tmp_path):
    result = run_lpie(
        "bench", tiny_tflite["float32"], "--size", "256x256", "--size", "4k", "--max-memory", 400,
        "--min-runs", 1, "--seconds", 0, "--json", "-o", tmp_path / "bench.json",
    )  # fmt: skip
    assert result.returncode == 1, result.stderr  # one was refused
    table = json.loads(result.stdout)
    assert table == json.loads((tmp_path / "bench.json").read_text())
    small, large = table["results"]
    assert small["refused"] is None
    assert "3840x2160 would need about" in large["refused"]
    assert "400 MB may be used. Run it by tiles: --tiles." in large["refused"]
    assert "median_ms" not in large
    text = run_lpie(
        "bench", tiny_tflite["float32"], "--size", "256x256", "--min-runs", 1, "--seconds", 0
    )
    assert "256x256 whole" in text.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.tflite"], "gone.tflite does not exist"),
        (["text.tflite"], "text.tflite is not a TFLite model"),
        (["M", "--size", "1922x1082"], "Nearest: 1920x1080"),
        (["M", "--runtime", "tflight"], "Unknown runtime"),
    ],
)
def test_a_wrong_question_is_one_sentence(tiny_tflite, tmp_path, arguments, words):
    (tmp_path / "text.tflite").write_text("not a model at all")
    arguments = [str(tiny_tflite["float32"]) if a == "M" else a for a in arguments]
    assert_one_sentence(run_lpie("bench", *arguments, cwd=tmp_path), 2, words)
