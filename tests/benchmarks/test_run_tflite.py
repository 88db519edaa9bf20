"""The program that times on boards and GPUs: it waits for the output, then looks at the clock."""

import json
import statistics
import subprocess
import sys

import numpy as np
import pytest

from lpie.benchmarks.harness.delegate import parse_delegate
from lpie.benchmarks.harness.job import make_job
from lpie.benchmarks.records.verdict import MEASURED
from lpie.benchmarks.runners import run_tflite
from lpie.restore.restorer import Restorer
from lpie.weights import pretrained_file
from tests.conftest import run_lpie
from tests.conversions import graph_of

# Few kernels, as each takes the software driver seconds to compile, and much work in each.
GPU_SIZE = (160, 160)
NAIVE = """
import json, sys
from lpie.benchmarks.runners import run_tflite as program
model = program.Compiled(json.load(open(sys.argv[1])))
model.write([program.np.zeros(model.input_shape, program.np.float32)])
model.run()
naive, true = [], []
for _ in range(5):
    naive.append(program.timed(model.ask))
    model.run()  # lets what was asked for end
    true.append(program.timed(model.run))
print("\\nfound:" + json.dumps([model.complete, naive, true]))
"""


@pytest.fixture(scope="module")
def two_layers(tmp_path_factory):
    """A `.tflite` of two convolutions, for a GPU."""
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(0, 0.1, (3, 3, 3, 32)), rng.normal(0, 0.1, (3, 3, 32, 3))

    def function(x):
        y = tf.nn.relu(tf.nn.conv2d(x, tf.constant(wide, tf.float32), 1, "SAME"))
        return tf.nn.conv2d(y, tf.constant(narrow, tf.float32), 1, "SAME")

    path = tmp_path_factory.mktemp("gpu") / "two_layers.tflite"
    path.write_bytes(graph_of(function, shape=(1, *GPU_SIZE, 3)))
    result = on_host(path, "gpu-fp32")
    if "Selected adapter" not in result["log"]["text"]:
        pytest.skip("LiteRT's accelerator finds no GPU by Vulkan (.ci/vulkan installs one)")
    return path


def on_host(path, delegate, **env):
    """The record of a short run on this machine."""
    result = run_lpie(
        *("bench", path, "--device", "host", "--size", "160x160", "--delegate", delegate),
        *("--rounds", 1, "--min-runs", 2, "--seconds", 0, "--warm-up", 0, "--json"),
        env=env,
    )
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def told(tmp_path):
    """A job of `run_tflite.py` for the first tile of 192x128."""
    job = make_job(pretrained_file("denoise-s", ".tflite"), "192x128", parse_delegate("gpu"), 1)
    (tmp_path / "m.tflite").write_bytes(job.data())
    pixels = np.random.default_rng(0).random((1, 128, 192, 3), np.float32)
    pixels.tofile(tmp_path / "in.raw")
    return {
        "model": str(tmp_path / "m.tflite"),
        "inputs": [str(tmp_path / "in.raw")],
        "size": [192, 128],
        "tiles": [],
        "threads": 1,
        "workers": 1,
        "shapes": [],
        "precision": "fp32",
        "delegate": "xnnpack",
        "runtime": "",
        "scales": [[1.0, 0], [1.0, 0]],
    }


def test_what_it_prints(told, tmp_path):
    request = {
        "runs": 5,
        "seconds": 0,
        "warmup_s": 0,
        "most_s": 60,
        "cold": False,
        "output": str(tmp_path / "out.raw"),
    }
    (tmp_path / "job.json").write_text(json.dumps({"job": told, "request": request}))
    result = subprocess.run(
        [sys.executable, run_tflite.__file__, tmp_path / "job.json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(result.stdout.rpartition("lpie-run: ")[2])
    assert len(found["times_ms"]) == 5
    assert found["times_ms"] == found["inference_ms"]
    assert found["runtime"].startswith("ai-edge-litert")
    given = np.fromfile(told["inputs"][0], np.float32).reshape(128, 192, 3)
    expected = Restorer(pretrained_file("denoise-s", ".tflite")).restore(given)
    output = np.fromfile(request["output"], np.float32).reshape(128, 192, 3)
    assert np.abs(output - expected).max() < 1e-5


def test_tiles_make_the_picture_of_the_restorer(told, tmp_path):
    job = make_job(pretrained_file("denoise-s", ".tflite"), "320x168", parse_delegate("cpu"), 1)
    job = job.tiled(168)
    image = np.random.default_rng(0).integers(0, 256, (168, 320, 3), np.uint8)
    (tmp_path / "m.tflite").write_bytes(job.data())
    image.tofile(told["inputs"][0])
    job_told = {**told, "size": [320, 168], "tiles": [list(tile) for tile in job.plan()]}
    model = run_tflite.Interpreted(job_told)
    restored = run_tflite.Tiles(job_told, [model]).restore()
    expected = Restorer(job.model, tile_px=168).restore(image)
    assert np.abs(restored.astype(int) - expected).max() <= 1
    assert (restored != expected).mean() < 1e-3


def test_the_clock_around_the_call_alone_is_wrong_on_a_gpu(told, two_layers, tmp_path):
    """The accelerator returns before it is done: only who waits for the output sees the time.

    A ratio within one run, of the same work on the same machine.
    """
    job = {**told, "model": str(two_layers), "delegate": "gpu"}
    (tmp_path / "job.json").write_text(json.dumps(job))
    words = [sys.executable, "-c", NAIVE, str(tmp_path / "job.json")]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    complete, naive, true = json.loads(printed.rpartition("found:")[2].partition("\n")[0])
    assert complete
    assert statistics.median(naive) < 0.2 * statistics.median(true), (naive, true)


def test_the_gpu_of_this_machine_by_the_command(two_layers):
    record = on_host(two_layers, "gpu-fp32")
    assert record["verdict"] in MEASURED, record["why"]
    assert record["executed"]["delegate"] == "gpu"
    assert record["quality"]["psnr_db"] > 80


def test_without_a_gpu_there_is_no_number(two_layers):
    record = on_host(two_layers, "gpu", VK_DRIVER_FILES="/nowhere")
    assert record["verdict"] == "failed"
    assert "No adapters found" in record["why"]
    assert record["summary"]["median_ms"] is None
