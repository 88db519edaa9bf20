import json

import pytest

pytest.importorskip("keras")

from lpie.benchmarks import benchmark
from lpie.benchmarks.records.record import read_records
from lpie.benchmarks.records.verdict import MEASURED
from lpie.benchmarks.runners.run_tflite import peak_mb
from lpie.benchmarks.studies.study import photo_like
from lpie.restore.restorer import Restorer
from tests.conftest import ROOT, assert_one_sentence, run_lpie

GOOD = MEASURED


def test_records_hold_what_was_measured(tiny_tflite):
    records = benchmark(
        [tiny_tflite["float32"], tiny_tflite["int8"]],
        sizes=["128x96"],
        threads=1,
        min_runs=2,
        seconds=0,
        rounds=3,
    )
    assert [r["model"]["spec"]["recipe"] for r in records] == ["float32", "int8"]
    for record in records:
        assert record["verdict"] in GOOD
        assert record["runner"]["version"].startswith("ai-edge-litert 2.")
        assert [each["count"] for each in record["rounds"]] == [2, 2, 2]
        assert record["requested"]["threads"] == 1
        assert record["requested"]["size"] == "128x96"
        assert record["executed"]["delegate"] == "xnnpack"
        summary = record["summary"]
        assert summary["count"] == 6
        assert (
            0 < summary["min_ms"] <= summary["p5_ms"] <= summary["median_ms"] <= summary["p90_ms"]
        )
        assert summary["first_ms"] > 0
        assert summary["init_ms"] > 0
        assert summary["warmup_runs"] >= 1
        assert record["memory"]["baseline_mb"] < record["memory"]["peak_mb"] < 1000
        assert record["quality"]["residual_correlation"] > 0.99
        # The times are in the rounds, and not in the log again.
        assert "times_ms" not in record["log"]["text"]
    assert records[0]["model"]["spec"]["verified"]["passed"] is True


def test_plain_bench_is_the_bench_of_the_device_host(tiny_tflite, tmp_path):
    """One measurement by one code: the same record, but for the times; compare pairs them."""
    files = [tiny_tflite["float32"], tiny_tflite["int8"]]
    few = ("--size", "96x64", "--rounds", 3, "--seconds", 0.2, "--max-memory", 3000)
    for name, device in (("plain", ()), ("host", ("--device", "host"))):
        result = run_lpie("bench", *files, *few, *device, "-o", tmp_path / f"{name}.json")
        assert result.returncode in (0, 1), result.stderr  # 1 where a busy machine is unstable
    plain, host = (read_records(tmp_path / f"{name}.json") for name in ("plain", "host"))
    for a, b in zip(plain, host, strict=True):
        for section in ("model", "device", "runner", "requested", "executed", "quality", "notes"):
            assert a[section] == b[section]
        assert a["log"] == b["log"]
        assert a["verdict"] in GOOD
        assert b["verdict"] in GOOD
        assert a["memory"]["peak_mb"] == pytest.approx(b["memory"]["peak_mb"], rel=0.2)
        assert set(a["summary"]) == set(b["summary"])
    compared = run_lpie("compare", tmp_path / "plain.json", tmp_path / "host.json", "--json")
    assert len(json.loads(compared.stdout)["results"]) == 2


def test_models_of_one_size_take_turns(tiny_tflite):
    first, second = benchmark(
        [tiny_tflite["float32"], tiny_tflite["int8"]],
        sizes=["96x64"],
        min_runs=1,
        seconds=0.05,
        rounds=3,
    )
    begun = [[each["at_s"] for each in record["rounds"]] for record in (first, second)]
    in_turns = [at for pair in zip(*begun, strict=True) for at in pair]
    assert in_turns == sorted(in_turns)
    assert first["run"] == second["run"]


def test_models_that_do_not_fit_together_are_measured_one_by_one(tiny_tflite):
    files = [tiny_tflite["float32"], tiny_tflite["int8"]]
    alone = benchmark(files, sizes=["96x64"], min_runs=1, seconds=0, max_memory_mb=80)
    assert [record["verdict"] == "failed" for record in alone] == [False, False]
    assert alone[0]["run"] != alone[1]["run"]


def test_tiles_restore_the_whole_image(tiny_tflite):
    (record,) = benchmark(
        [tiny_tflite["float32"]], sizes=["400x200"], tiles=True, tile_px=160, min_runs=2, seconds=0
    )
    assert record["requested"]["mode"] == "tiles"
    plan = Restorer(tiny_tflite["float32"], tile_px=160).plan(200, 400)
    tiles = record["requested"]["tiles"]
    assert tiles["tile"] == f"{plan.tile[1]}x{plan.tile[0]}"
    assert tiles["count"] == len(plan.tiles()) > 1
    assert record["summary"]["median_ms"] > 0
    assert set(record["summary"]["parts_ms"]) == {"inference", "tiling, copies and conversion"}
    assert record["quality"]["identical"] or record["quality"]["psnr_db"] > 80


def test_memory_is_that_of_the_process_alone(tiny_tflite):
    """This process has TensorFlow in memory; the child must not be charged for it, nor for lpie."""
    (record,) = benchmark([tiny_tflite["int8"]], sizes=["96x64"], min_runs=1, seconds=0)
    assert record["memory"]["peak_mb"] < 0.5 * peak_mb()


def test_a_larger_image_takes_longer(tiny_tflite):
    records = benchmark(
        [tiny_tflite["float32"]],
        sizes=["96x64", "960x640"],
        threads=1,
        min_runs=5,
        seconds=0,
        rounds=1,
    )
    small, large = (record["summary"]["min_ms"] for record in records)
    assert large > 10 * small  # a hundred times the pixels


def test_the_image_looks_like_one():
    image = photo_like(64, 96)
    assert image.shape == (64, 96, 3)
    assert image.min() >= 0
    assert image.max() <= 1
    assert 0.3 < image.mean() < 0.7


def test_command_line_and_refusal(tiny_tflite, tmp_path):
    result = run_lpie(
        *("bench", tiny_tflite["float32"], "--size", "256x256", "--size", "4k"),
        *("--max-memory", 400, "--min-runs", 1, "--seconds", 0, "--json"),
        *("-o", tmp_path / "bench.json"),
    )
    assert result.returncode == 1, result.stderr  # one was refused
    table = json.loads(result.stdout)
    assert table == json.loads((tmp_path / "bench.json").read_text())
    small, large = table["records"]
    assert small["summary"]["median_ms"] > 0
    assert table["verdict"] == large["verdict"] == "failed"
    assert "3840x2160 would need about" in large["why"]
    assert "400 MB may be used. Run it by tiles: --tiles." in large["why"]
    assert large["summary"]["median_ms"] is None
    text = run_lpie(
        "bench", tiny_tflite["float32"], "--size", "256x256", "--min-runs", 1, "--seconds", 0
    )
    assert "256x256 whole" in text.stdout


def test_a_log_is_parsed(tmp_path):
    logs = ROOT / "tests" / "data" / "logs"
    valid = run_lpie("bench", "--parse", logs / "tflite_2024_gpu.txt", "--json")
    assert valid.returncode == 0
    record = json.loads(valid.stdout)
    assert (record["verdict"], record["summary"]["median_ms"]) == ("valid", 121.111)
    fallen = run_lpie("bench", "--parse", logs / "fallback_gpu.txt", "-o", tmp_path / "a.json")
    assert fallen.returncode == 1
    assert "300" not in fallen.stdout
    assert "fell_back. Asked for gpu; the graph ran on xnnpack." in fallen.stderr
    assert read_records(tmp_path / "a.json")[0]["verdict"] == "fell_back"
    options = run_lpie("bench", "--parse", logs / "performance_options.txt", "--json")
    assert len(json.loads(options.stdout)["records"]) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name MODELS to time, or the log"),
        (["M", "--parse", "text.tflite"], "Name MODELS to time, or the log"),
        (["--parse", "gone.log"], "gone.log is not a file"),
        (["--parse", "M"], "neither a log nor a result"),
        (["--parse", "M", "--size", "fhd"], "--parse measures nothing: omit --size"),
        (["--list-devices", "--tiles"], "--list-devices measures nothing: omit --tiles"),
        (["gone.tflite"], "gone.tflite does not exist"),
        (["gone.tflite", "-o", "text.tflite"], "gone.tflite does not exist"),
        (["text.tflite"], "text.tflite is not a TFLite model"),
        (["M", "--size", "1921x1081"], "Nearest: 1920x1080"),
        (["M", "--runtime", "tflight"], "Unknown runtime"),
        (["M", "--max-memory", "0"], "--max-memory must be a number from 1"),
        (["M", "--min-runs", "200000"], "--min-runs must be a number from 1"),
    ],
)
def test_a_wrong_question_is_one_sentence(tiny_tflite, tmp_path, arguments, words):
    (tmp_path / "text.tflite").write_text("not a model at all")
    arguments = [str(tiny_tflite["float32"]) if a == "M" else a for a in arguments]
    assert_one_sentence(run_lpie("bench", *arguments, cwd=tmp_path), 2, words)
