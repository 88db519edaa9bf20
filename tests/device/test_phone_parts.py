"""What is read from phones, asked of tools and written in suites, without any phone."""

import base64
import json

import numpy as np
import pytest

from lpie.benchmarks.adb.state import (
    State,
    battery_state,
    clock_state,
    properties,
    thermal_state,
    zone_temperatures,
)
from lpie.benchmarks.harness.delegate import parse_delegate
from lpie.benchmarks.harness.job import make_job
from lpie.benchmarks.harness.quality import Picture, correlation, scores
from lpie.benchmarks.harness.settings import Settings
from lpie.benchmarks.harness.suite import Suite, read_suite
from lpie.benchmarks.runners.benchmark_model import BinaryRunner, tool_flags
from lpie.benchmarks.runners.lpie_app import read_record
from lpie.benchmarks.runners.outcome import failed, read_log
from lpie.errors import InputError
from lpie.image.image import to_float
from lpie.restore.restorer import Restorer
from lpie.restore.tile_policy import DEFAULT_TILE_PX
from lpie.weights import pretrained_file
from tests.conftest import ROOT, assert_one_sentence, run_lpie

MODEL = pretrained_file("denoise-s", ".tflite")
LOG = """INFO: Graph: [/data/local/tmp/m.tflite]
INFO: Initialized session in 12.5ms.
INFO: count=2 first=9000 curr=5000 min=5000 max=9000 avg=7000 std=2000 p5=5000 median=5000 p95=9000
INFO: count=4 first=4000 curr=4100 min=3900 max=4200 avg=4050 std=110 p5=3900 median=4000 p95=4200
INFO: Inference timings in us: Init: 12500, First inference: 9000, Warmup (avg): 7000, \
Inference (avg): 4050
"""


def test_properties_may_span_lines():
    assert properties("[a]: [1]\n[b.c]: [two\nlines]\n[d]: []\nnoise\n") == {
        "a": "1",
        "b.c": "two\nlines",
        "d": "",
    }


def test_thermal_state_is_the_hardware_s():
    text = (
        "Thermal Status: 1\nCached temperatures:\n\tTemperature{mValue=80.0, mType=3, mName=s}\n"
        "Current temperatures from HAL:\n\tTemperature{mValue=26.274, mType=3, mName=skin}\n"
        "\tTemperature{mValue=31.5, mType=0, mName=cpu0}\n"
        "\tTemperature{mValue=33.5, mType=0, mName=cpu1}\n"
        "\tTemperature{mValue=0.0, mType=1, mName=gpu}\n"
        "\tTemperature{mValue=41.0, mType=6, mName=vbat}\n"
        "Current cooling devices from HAL:\n\tCoolingDevice{mValue=0, mType=2, mName=x}\n"
    )
    assert thermal_state(text) == (1, {"skin": 26.274, "cpu": 33.5})
    assert thermal_state("Can't find service: thermalservice\n") == (None, {})
    assert thermal_state("HAL Ready: false\nThermal Status: 9\n") == (None, {})


def test_zones_of_every_scale():
    text = "cpu-0 41500\nskin 335\nbattery 29\nbroken 0\nlmh -273000\n"
    assert zone_temperatures(text) == {"cpu-0": 41.5, "skin": 33.5, "battery": 29.0}


@pytest.mark.parametrize(
    ("powered", "status", "charging"), [("true", 2, True), ("false", 3, False), ("true", 3, True)]
)
def test_the_battery_s_first_block_counts(powered, status, charging):
    text = (
        f"  AC powered: false\n  USB powered: {powered}\n  level: 75\n  status: {status}\n"
        "  voltage: 4156\n  temperature: 357\n  Charge counter: 3000\n"
        "[EventLogBuffer]\n  level: 1\n  temperature: 600\n"
    )
    assert battery_state(text) == {
        "battery_percent": 75,
        "battery_c": 35.7,
        "voltage_mv": 4156,
        "charge_uah": 3000,
        "charging": charging,
    }
    assert battery_state("Can't find service: battery") == {}


def test_clocks_of_processors_and_gpu():
    cpu = "/sys/devices/system/cpu/cpu4/cpufreq"
    text = (
        f"{cpu}/scaling_cur_freq:1800000\n{cpu}/cpuinfo_max_freq:2400000\n"
        f"{cpu}/scaling_governor:schedutil\n/sys/class/kgsl/kgsl-3d0/gpuclk:585000000\n"
    )
    assert clock_state(text) == {
        "frequencies_mhz": {"cpu4": 1800.0, "cpu4 max": 2400.0, "gpu": 585.0},
        "governors": {"cpu4": "schedutil"},
    }


def test_skin_and_battery_decide_how_hot_it_is():
    assert State(temperatures_c={"cpu": 80.0, "skin": 33.0}, battery_c=35.0).hottest_c() == 35.0
    assert State(temperatures_c={"cpu": 60.0}).hottest_c() == 60.0
    assert State().hottest_c() is None


@pytest.mark.parametrize(
    ("text", "classic", "litert"),
    [
        ("cpu", ["--use_xnnpack=false", "--num_threads=4"], None),
        ("xnnpack", ["--use_xnnpack=true", "--num_threads=4"],
         ["--use_cpu=true", "--num_threads=4"]),
        ("gpu", ["--use_gpu=true", "--gpu_precision_loss_allowed=true"],
         ["--use_gpu=true", "--gpu-precision=fp16"]),
        ("gpu-cl-fp32",
         ["--use_gpu=true", "--gpu_precision_loss_allowed=false", "--gpu_backend=cl"], None),
        ("gpu-gl",
         ["--use_gpu=true", "--gpu_precision_loss_allowed=true", "--gpu_backend=gl"],
         ["--use_gpu=true", "--gpu-precision=fp16", "--gpu_backend=opengl"]),
        ("nnapi:google-edgetpu",
         ["--use_nnapi=true", "--disable_nnapi_cpu=true",
          "--nnapi_accelerator_name=google-edgetpu"], None),
        ("npu", None, ["--use_npu=true", "--dispatch_library_path=/data/x"]),
    ],
)  # fmt: skip
def test_flags_of_both_builds(text, classic, litert):
    delegate = parse_delegate(text)
    threads = 4 if text in ("cpu", "xnnpack") else None
    for build, expected in ((False, classic), (True, litert)):
        if expected is None:
            with pytest.raises(InputError, match="build"):
                tool_flags(delegate, threads, litert=build, folder="/data/x")
        else:
            assert tool_flags(delegate, threads, litert=build, folder="/data/x") == expected


@pytest.mark.parametrize("text", ["gpu-metal", "cpu-fp16", "gpu:x", "nnapi:a b", "nnapi:$(id)", ""])
def test_a_wrong_delegate_lists_the_valid_ones(text):
    with pytest.raises(InputError, match="Valid: cpu, xnnpack, gpu, gpu-cl, gpu-gl, nnapi, npu"):
        parse_delegate(text)


@pytest.mark.parametrize("size", ["fhd", "4k"])
def test_tiles_are_those_of_restore(size, monkeypatch):
    """Every call that `lpie restore` makes to its network, and where it keeps the result."""
    job = make_job(MODEL, size, parse_delegate("gpu"), 4).tiled(DEFAULT_TILE_PX)
    height, width = job.size
    seen = []

    class Network:
        multiple, halo_px, fixed = job.multiple, job.halo_px, None

        def run(self, image):
            seen.append(image[0, 0, :2].astype(int).tolist() + list(image.shape[:2]))
            return image

    rows, columns = np.indices((height, width), np.float32)
    Restorer(Network()).restore(np.stack([rows, columns, 0 * rows], -1))
    assert seen == [[*tile.origin, *tile.size] for tile in job.plan()]
    assert len(job.plan()) > 1
    asked = job.requested()
    assert asked["mode"] == "tiles"
    assert asked["tiles"]["count"] == len(seen)


def test_a_tool_that_times_a_tile_gives_an_image_s_time():
    job = make_job(MODEL, "fhd", parse_delegate("xnnpack"), 4)
    (whole,) = read_log(LOG, 0, job).rounds
    assert whole["median_ms"] == 4.0
    assert whole["p95_ms"] == 4.2
    tiled = read_log(LOG, 0, job.tiled(DEFAULT_TILE_PX))
    tiles = len(job.tiled(DEFAULT_TILE_PX).plan())
    assert tiled.rounds[0]["median_ms"] == 4.0 * tiles
    assert tiled.rounds[0]["count"] == 4
    assert tiled.rounds[0]["p95_ms"] is None
    assert tiled.rounds[0]["std_ms"] is None
    assert tiled.summary["parts_ms"] == {
        "tile (measured)": 4.0,
        "inference (tiles x tile)": 4.0 * tiles,
    }


@pytest.mark.parametrize(
    ("log", "code", "memory", "words"),
    [
        ("INFO: STARTING!\n", 139, False, "SIGSEGV"),
        ("INFO: STARTING!\n", 134, False, "SIGABRT"),
        ("INFO: STARTING!\n", 137, True, "Out of memory at 256x256"),
        (
            "ERROR: Failed to allocate tensors!\nERROR: Benchmarking failed.\n",
            1,
            True,
            "Out of mem",
        ),
        ("sh: benchmark_model: not found\n", 127, False, "not found"),
        ("what is this\n", 3, False, "exit code 3"),
    ],
)
def test_how_it_ended(log, code, memory, words):
    outcome = read_log(log, code, make_job(MODEL, "256x256", parse_delegate("xnnpack"), 4))
    assert outcome.out_of_memory is memory
    assert words in outcome.failed
    assert outcome.rounds == []


def test_a_cut_log_has_no_number():
    job = make_job(MODEL, "256x256", parse_delegate("xnnpack"), 4)
    outcome = read_log(LOG[: LOG.index("count=4")], None, job)
    assert outcome.incomplete
    assert outcome.rounds == []
    assert failed("", 1, job).failed.endswith(".")


def test_scores_of_a_right_and_a_wrong_output():
    rng = np.random.default_rng(0)
    given = rng.random((32, 32, 3), np.float32)
    expected = given + rng.normal(0, 0.02, given.shape).astype(np.float32)
    assert scores(expected, expected, given, None)["identical"]
    off = scores(expected + np.float32(0.01), expected, given, None)
    assert off["psnr_db"] == pytest.approx(40, abs=0.01)
    assert off["residual_correlation"] == pytest.approx(1)
    # The input handed through is close to the output, and has nothing of what was to be added.
    idle = scores(given, expected, given, None)
    assert idle["psnr_db"] > 30
    assert idle["residual_correlation"] is None
    other = scores(
        given + rng.normal(0, 0.02, given.shape).astype(np.float32), expected, given, None
    )
    assert abs(other["residual_correlation"]) < 0.1
    broken = scores(np.full_like(given, np.nan), expected, given, given)
    assert (broken["psnr_db"], broken["target_psnr_db"]) == (None, None)
    assert correlation(given, given) == pytest.approx(1)


def test_the_picture_of_a_job(tmp_path):
    job = make_job(MODEL, "320x200", parse_delegate("xnnpack"), 4).tiled(168)
    picture = Picture(job, None, None)
    assert picture.image.shape == (200, 320, 3)
    given = np.frombuffer(picture.tensors()[0], np.float32).reshape(168, 168, 3)
    assert np.array_equal(given, to_float(picture.image[:168, :168]))
    right = Restorer(MODEL).restore(given)
    found = picture.score(right.tobytes())
    assert found["identical"]
    assert found["target_psnr_db"] > 28
    assert "168x168" in found["reference"]
    assert picture.score(right.tobytes()[:-4]) is None


def test_the_app_s_record_comes_in_parts():
    record = {"schema": "lpie-bench/1", "verdict": "valid", "why": "", "runner": {"name": "app"}}
    text = base64.b64encode(json.dumps(record).encode()).decode()
    when = "11-28 12:00:00.000  123  123 I lpie    : lpie-record"
    parts = [text[:40], text[40:80], text[80:]]
    lines = [f"{when} a1 {number}/3 {part}" for number, part in enumerate(parts, 1)]
    noise = [f"{when} b2 1/1 AAAA"]
    found = read_record("\n".join([*noise, *lines[::-1], lines[0]]), "a1")
    assert found["runner"]["name"] == "app"
    assert found["rounds"] == []
    assert "2 have come" in read_record("\n".join(lines[:2]), "a1")
    assert "0 have come" in read_record("", "a1")
    broken = lines[0].replace("1/3", "1/1")
    assert "cannot be read" in read_record(broken, "a1")
    lying = base64.b64encode(b'{"schema": "other"}').decode()
    assert "cannot be read" in read_record(f"lpie-record a1 1/1 {lying}", "a1")
    assert "have come" in read_record("lpie-record a1 1/99999 AAAA", "a1")


def test_a_binary_for_another_machine_is_not_pushed(tmp_path):
    elf = tmp_path / "benchmark_model"
    elf.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + (62).to_bytes(2, "little") + bytes(40))
    with pytest.raises(InputError, match="built for x86_64, the device runs arm64-v8a"):
        BinaryRunner(None, "/data/x", binary=elf, abi="arm64-v8a")
    with pytest.raises(InputError, match="does not exist"):
        BinaryRunner(None, "/data/x", binary=tmp_path / "gone", abi="arm64-v8a")


def test_the_built_in_suite():
    suite = read_suite(ROOT / "benchmarks/suites/phone.toml")
    assert suite.settings.rounds == Settings().rounds
    groups = suite.groups()
    assert [len(jobs) for jobs in groups] == [6, 6, 6]
    assert {str(job.size) for job in groups[1]} == {"1920x1080"}


def test_threads_are_for_processors_alone():
    suite = Suite(("denoise-s",), ("96x64",), ("cpu", "xnnpack", "gpu", "nnapi"), (1, 2, 4))
    (jobs,) = suite.groups()
    assert [str(job.delegate) + str(job.threads or "") for job in jobs] == [
        "cpu1",
        "cpu2",
        "cpu4",
        "xnnpack1",
        "xnnpack2",
        "xnnpack4",
        "gpu",
        "nnapi",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must list `models`"),
        ("models = [", "is not valid TOML"),
        ('models = "denoise"', "`models` in"),
        ("models = []", "`models` in"),
        ('models = ["denoise"]\nsize = ["fhd"]', "Did you mean 'sizes'"),
        ('models = ["denoise"]\nsizes = ["huge"]', "A size is WIDTHxHEIGHT"),
        ('models = ["denoise"]\nsizes = ["33x33"]', "multiples of"),
        ('models = ["denoise"]\ndelegates = ["gup"]', "Unknown delegate 'gup'"),
        ('models = ["denoise"]\nthreads = [0]', "whole numbers from 1 to 64"),
        ('models = ["denoise"]\nthreads = [true]', "whole numbers from 1 to 64"),
        ('models = ["denoise"]\nrounds = "five"', "`rounds` in"),
        ('models = ["denoise"]\nrounds = 0', "`rounds` must be a number from 1"),
        ('models = ["denoise"]\nmode = "half"', "auto, whole or tiles"),
        ('models = ["denoise"]\ncool_to_c = 0', "`cool_to_c` must be"),
        ('models = ["denoise"]\ntile_px = "half"', r"`tile_px` in .* must be of type int"),
        ('models = ["denoise"]\ntile_px = 100', "Use tiles of at least|multiples of"),
        ('models = ["nosuch"]', "Unknown pretrained network 'nosuch'"),
        ('models = ["gone.tflite"]', "gone.tflite does not exist"),
    ],
)
def test_a_wrong_suite_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "suite.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_suite(path).groups()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["denoise", "--runner", "apk"], "--runner has no effect on this computer"),
        (["--device", "host"], "Give at least one .tflite"),
        (["denoise", "--device", "host", "--tiles", "--whole"], "one of --tiles and --whole"),
        (["denoise", "--suite", "S"], "A suite lists its models"),
        (["denoise", "--device", "host", "--runner", "x"], "Unknown runner 'x'"),
        (
            ["denoise", "--device", "host", "--delegate", "npu", "--size", "96x64"],
            "The Python runner has no delegate npu",
        ),
        (["--suite", "gone.toml"], "gone.toml does not exist"),
        (["denoise", "--device", "host", "--cool-to", "30"], "--cool-to has no effect on"),
        (["denoise", "--device", "host", "-o", "."], "is not empty"),
        (
            ["denoise", "--device", "host", "--photo", "gone.jpg", "--size", "96x64"],
            "gone.jpg does not exist",
        ),
        (["denoise", "--device", "host", "--python", "/nowhere/python"], "/nowhere/python"),
    ],
)
def test_a_wrong_question_is_one_sentence(tmp_path, arguments, words):
    (tmp_path / "S").write_text('models = ["denoise"]\n')
    assert_one_sentence(run_lpie("bench", *arguments, cwd=tmp_path), 2, words)
