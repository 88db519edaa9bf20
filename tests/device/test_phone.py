"""`lpie bench --device` over real adb: push, run, parse, pull and score, and everything that fails.

The phones are Debian's adbd with scripts for tools (tests/phone); their benchmark_model runs the
pushed model here and prints the real format.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lpie.benchmarks.harness.delegate import parse_delegate
from lpie.benchmarks.harness.job import make_job
from lpie.benchmarks.records.record import read_records
from lpie.benchmarks.records.verdict import MEASURED
from lpie.weights import pretrained_file
from tests.conftest import assert_one_sentence, run_lpie, wait_until
from tests.device import phones
from tests.networks import write_networks

pytestmark = pytest.mark.skipif(bool(phones.unavailable()), reason=phones.unavailable() or "-")
QUICK = ["--rounds", 2, "--min-runs", 3, "--seconds", 0, "--warm-up", 0]
STAY_ON = "stay_on_while_plugged_in"


@pytest.fixture(scope="module")
def two(network, tmp_path_factory):
    return [network.phone(tmp_path_factory.mktemp("phone")) for _ in range(2)]


@pytest.fixture
def phone(two):
    """A phone as it lies on the table."""
    two[0].reset()
    return two[0]


@pytest.fixture(scope="module")
def binaries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("binaries")
    return {kind: phones.binary(folder, kind) for kind in ("classic", "litert")}


@pytest.fixture
def bench(phone, binaries):
    """Runs `lpie bench` on the phone; gives (exit code, records, what it said)."""

    def run(*arguments, kind="classic", quick=True, device=phone.serial):
        program = () if "--runner" in arguments else ("--binary", binaries[kind])
        few = ["--rounds", 2, "--seconds", 0] if "app" in arguments else QUICK
        result = phone.network.lpie(
            *("bench", *arguments, "--device", device, *program, *(few if quick else ()), "--json"),
        )
        assert "Traceback" not in result.stderr, result.stderr
        assert result.stdout, result.stderr
        found = json.loads(result.stdout)
        return result.returncode, found.get("records", [found]), result.stderr

    return run


def key(name, size, delegate="xnnpack"):
    """What stands in the command line of a job: its file on the phone."""
    job = make_job(pretrained_file(name, ".tflite"), size, parse_delegate(delegate), 4)
    return f"{job.key()}.tflite"


def test_the_record_of_a_run(phone, bench):
    phone.write("wakefulness", "Asleep\n")
    (phone.state / "settings" / STAY_ON).write_text("3\n")
    code, (record,), _ = bench("denoise-s", "--size", "96x64", "--threads", 2)
    assert record["verdict"] in MEASURED, record["why"]
    assert code == (record["verdict"] not in ("valid", "too_few"))
    assert record["device"] | {"cores": 0} == {
        "serial": phone.serial,
        "manufacturer": "Lpie",
        "model": "Papphone 1",
        "soc": "Debian SM0001",
        "abi": "arm64-v8a",
        "android": "14",
        "sdk": 34,
        "cpu": None,
        "fingerprint": "lpie/papphone/papphone:14/AA1A.000000.001/1:user/release-keys",
        "cores": 0,
        "memory_mb": 8000,
        "system": f"Linux {os.uname().machine}",
    }
    before = record["state"]["before"]
    assert before["thermal_status"] == 0
    assert before["temperatures_c"] == {"skin": 30.5, "cpu": 41.5}  # none of the cache, none of BCL
    assert before["frequencies_mhz"] == {"cpu0": 1803.0, "cpu0 max": 2400.0, "gpu": 585.0}
    assert before["battery"]["temperature_c"] == 30.1  # the first block's, not the log's
    assert record["runner"]["name"] == "benchmark_model"
    assert record["runner"]["flags"] == ["--use_xnnpack=true", "--num_threads=2"]
    assert len(record["runner"]["binary_sha256"]) == 64
    assert record["executed"]["delegate"] == "xnnpack"
    assert record["executed"]["full"] is True
    assert [each["count"] for each in record["rounds"]] == [3, 3]
    assert 0 < record["summary"]["min_ms"] <= record["summary"]["median_ms"]
    assert record["summary"]["init_ms"] > 0
    assert record["memory"]["peak_mb"] > 10
    assert record["energy"]["joules"] is None
    assert record["energy"]["unavailable"]
    assert "count=3 first=" in record["log"]["text"]
    # The phone's own output came back, and is this machine's.
    assert record["quality"]["psnr_db"] is None or record["quality"]["psnr_db"] > 100
    assert record["quality"]["residual_correlation"] > 0.999
    assert record["quality"]["target_psnr_db"] > 25
    # As it was found: the setting, the screen, the folder.
    assert phone.setting(STAY_ON) == "3"
    assert "input keyevent KEYCODE_WAKEUP" in phone.calls()
    assert (phone.state / "wakefulness").read_text() == "Asleep\n"
    assert phone.left() == []
    assert "governor" not in phone.calls()


def test_a_wrong_output_shows_in_the_quality(phone, bench):
    """What came back is what is scored: the phone's runtime adds something of its own."""
    phone.faults({"when": ["--output_filepath"], "what": "wrong"})
    _, (record,), _ = bench("denoise-s", "--size", "96x64")
    assert record["quality"]["psnr_db"] < 40
    assert record["quality"]["residual_correlation"] < 0.9


def test_networks_of_any_kind(phone, bench, tmp_path):
    """Several inputs, integers, other channels: at their own sizes, without a quality."""
    files = write_networks(tmp_path)
    names = ("raw_x2", "two_inputs", "two_outputs", "int16", "int32")
    _, records, _ = bench(*(files[name] for name in names))
    assert [record["model"]["file"] for record in records] == [f"{n}.tflite" for n in names]
    for record in records:
        assert record["verdict"] in MEASURED, record["why"]
        assert record["quality"] is None
        assert "The quality is left out" in record["notes"][-1]
    _, (small, large), _ = bench(files["open_x2"], "--size", "32x16", "--size", "64x32")
    assert "--input_layer_shape=1,32,64,3" in large["log"]["text"]
    assert small["verdict"] in MEASURED, small["why"]


@pytest.mark.parametrize(
    ("fault", "verdict", "words"),
    [
        ("fall back", "fell_back", "Asked for gpu"),
        ("half", "fell_back", "of 85 nodes"),
        ("crash", "failed", "SIGSEGV"),
        ("no memory", "failed", "Out of memory at 96x64"),
        ("kill", "failed", "Out of memory at 96x64"),
    ],
)
def test_what_goes_wrong_on_the_gpu(phone, bench, fault, verdict, words):
    """The other model of the same bench is measured all the same."""
    phone.faults({"when": ["--use_gpu=true"], "what": fault})
    code, records, _ = bench(
        "denoise-s", "--size", "96x64", "--delegate", "gpu", "--delegate", "xnnpack", "--whole"
    )
    assert code == 1
    gpu, cpu = records
    assert gpu["verdict"] == verdict, gpu["why"]
    assert words in gpu["why"]
    assert len(gpu["executed"]["reasons"]) <= 3  # what was refused, not the rest of the log
    if verdict == "failed":
        assert gpu["summary"]["median_ms"] is None
        assert gpu["rounds"] == []
    assert cpu["verdict"] in MEASURED, cpu["why"]
    assert len(cpu["rounds"]) == 2
    assert phone.left() == []


def test_it_stops_when_the_phone_grows_hot(phone, bench):
    """Its own rounds stand as far as they go; what comes after waits for the phone to cool."""
    phone.faults({"when": ["--use_gpu=true"], "what": "heat", "after": 2})
    code, (gpu, cpu), _ = bench(
        *("denoise-s", "--size", "96x64", "--delegate", "gpu", "--delegate", "xnnpack"),
        *("--rounds", 4, "--cool-limit", 0),
    )
    assert code == 1
    assert gpu["verdict"] == "throttled"
    assert "The thermal status" in gpu["why"]
    assert [each["state"]["thermal_status"] for each in gpu["rounds"]] == [0, 2]
    assert gpu["state"]["after"]["temperatures_c"]["skin"] == 47.5
    assert cpu["verdict"] == "incomplete"
    assert "did not cool down to 38 °C" in cpu["why"]
    assert "raise --cool-to" in cpu["why"]


def test_it_waits_for_a_hot_phone(phone, network, binaries):
    phone.heat(0, 45.0)
    process = network.start(
        *(sys.executable, "-m", "lpie", "bench", "denoise-s", "--size", "96x64"),
        *("--device", phone.serial, "--binary", binaries["classic"], *QUICK, "--json"),
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: phone.running("benchmark_model --graph"), process)
    time.sleep(2)  # the check is over; the rounds would have begun
    phone.heat(0, 33.0)
    record = json.loads(process.communicate()[0])
    assert record["rounds"][0]["state"]["temperatures_c"]["skin"] == 33.0


def test_a_fall_back_is_never_shown_as_a_number(phone, network, binaries):
    phone.faults({"when": ["--use_gpu=true"], "what": "fall back"})
    result = network.lpie(
        *("bench", "denoise-s", "--size", "96x64", "--device", phone.serial, "--delegate", "gpu"),
        *("--binary", binaries["classic"], *QUICK),
    )
    row = result.stdout.splitlines()[1].split()
    assert result.returncode == 1
    assert row[row.index("gpu") :][:6] == ["gpu", "fp16", "xnnpack", "fell", "back", "-"]
    assert "Asked for gpu" in result.stderr


def test_one_that_hangs_is_stopped_there_too(phone, bench):
    phone.faults({"when": ["--use_gpu=true"], "what": "hang"})
    _, (record,), _ = bench("denoise-s", "--size", "96x64", "--delegate", "gpu", "--limit", 3)
    assert record["verdict"] == "failed"
    assert "did not end within 3 s" in record["why"]
    assert phone.running("benchmark_model --graph") == ""


def test_one_that_is_unplugged_does_not_stop_the_other(two, bench, tmp_path):
    first, second = two
    second.reset()
    second.faults({"when": ["--use_gpu=true"], "what": "unplug", "after": 1})
    try:
        code, records, _ = bench(
            *("denoise-s", "--size", "96x64", "--delegate", "gpu", "--delegate", "xnnpack"),
            device="all",
        )
    finally:
        second.off()
        second.on()
    assert code == 1
    there, gone = ([r for r in records if r["device"]["serial"] == p.serial] for p in two)
    assert [r["verdict"] in MEASURED for r in there] == [True, True]
    assert [r["verdict"] for r in gone] == ["incomplete", "incomplete"]
    assert "went away in the middle" in gone[0]["why"] or "is offline" in gone[0]["why"]
    assert all(r["summary"]["median_ms"] is None for r in gone)
    assert first.left() == []


def test_an_offline_one_is_named(two, network, binaries):
    two[1].off()
    try:
        result = network.lpie(
            "bench", "denoise-s", "--device", two[1].serial, "--binary", binaries["classic"]
        )
        listed = network.lpie("bench", "--devices")
    finally:
        two[1].on()
    assert_one_sentence(result, 1, two[1].serial, "is offline")
    assert "offline" in listed.stdout
    assert_one_sentence(
        network.lpie("bench", "denoise-s", "--device", "nosuch"), 2, "Unknown device 'nosuch'"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_leaves_the_phone_as_it_was(phone, network, binaries, number):
    phone.faults({"when": ["--use_xnnpack"], "what": "hang"})
    process = network.start(
        *(sys.executable, "-m", "lpie", "bench", "denoise-s", "--size", "96x64"),
        *("--device", phone.serial, "--binary", binaries["classic"]),
    )
    wait_until(lambda: phone.running("benchmark_model --graph"), process)
    assert phone.setting(STAY_ON) == "7"
    assert len(phone.left()) == 1
    process.send_signal(number)
    assert process.wait() == 128 + number
    assert phone.setting(STAY_ON) is None
    assert (phone.state / "wakefulness").read_text() == "Asleep\n"
    assert phone.left() == []
    assert phone.running("benchmark_model --graph") == ""


def test_what_does_not_fit_is_done_by_tiles(phone, bench, tmp_path):
    """Killed at the whole image; then the plan of `lpie restore`, and what is measured is said."""
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'models = ["denoise-s"]\nsizes = ["320x200"]\ndelegates = ["xnnpack"]\nthreads = [1]\n'
        "rounds = 2\nruns = 2\nseconds = 0\nwarmup_s = 0\ntile_px = 168\n"
    )
    phone.faults({"when": [key("denoise-s", "320x200")], "what": "kill"})
    _, (whole, tiles), _ = bench("--suite", suite, quick=False)
    assert whole["verdict"] == "failed"
    assert "Out of memory at 320x200" in whole["why"]
    assert "Run it by tiles: --tiles." in whole["why"]
    assert tiles["requested"]["mode"] == "tiles"
    assert tiles["requested"]["tiles"] == {"tile": "168x168", "count": 10, "halo_px": 64}
    parts = tiles["summary"]["parts_ms"]
    assert parts["inference (tiles x tile)"] == pytest.approx(
        10 * parts["tile (measured)"], rel=0.3
    )
    assert tiles["rounds"][0]["p90_ms"] is None  # a sum's percentile cannot be told
    # By the estimate alone, before it could be killed.
    phone.reset()
    phone.write("proc-meminfo", "MemTotal: 7812500 kB\nMemAvailable: 20000 kB\n")
    _, (alone,), _ = bench("--suite", suite, quick=False)
    assert alone["requested"]["mode"] == "tiles"


def test_the_build_of_litert(phone, bench):
    _, (gpu, cpu), _ = bench(
        *("denoise-s", "--size", "96x64", "--delegate", "gpu-fp32", "--delegate", "xnnpack"),
        kind="litert",
    )
    assert gpu["runner"]["name"] == "litert_benchmark_model"
    assert gpu["runner"]["flags"] == ["--use_gpu=true", "--gpu-precision=fp32"]
    assert gpu["requested"]["precision"] == "fp32"
    assert gpu["executed"]["full"] is True
    assert gpu["quality"] is None  # this build takes no input and gives no output
    assert gpu["memory"]["gpu_mb"] is None or gpu["memory"]["gpu_mb"] > 0
    assert cpu["executed"]["delegate"] == "xnnpack"


def test_graphics_memory_is_the_system_s(phone, bench):
    _, (record,), _ = bench("denoise-lpienet", "--size", "256x256", "--delegate", "gpu")
    assert record["memory"]["gpu_mb"] == pytest.approx(3072 * 1024 / 1e6)


def test_a_curve_of_minutes_and_its_energy(phone, bench):
    phone.charge("false", 3)
    phone.faults({"when": ["--num_runs=1", "--warmup_min_secs=0"], "what": "drain", "after": 1})
    _, records, _ = bench("denoise-s", "--size", "96x64", "--sustained", 0.05)
    plain, curve = records
    assert plain["energy"]["unavailable"].startswith("Only a sustained run")
    assert len(curve["rounds"]) >= 2
    assert curve["rounds"][-1]["at_s"] > curve["rounds"][0]["at_s"]
    images = curve["summary"]["count"] + len(curve["rounds"])  # each call warms up once
    assert curve["energy"]["joules"] == pytest.approx(1000 * 3.6e-3 * 4.156 / images, rel=0.2)
    phone.charge("true", 2)
    _, (_, curve), _ = bench("denoise-s", "--size", "96x64", "--sustained", 0.005)
    assert "charging" in curve["energy"]["unavailable"]


def test_ops_are_timed_in_a_pass_of_their_own(phone, bench):
    _, (record,), _ = bench("denoise-s", "--size", "96x64", "--profile")
    assert record["profile"][0]["type"] == "TfLiteXNNPackDelegate"
    calls = record["log"]["text"].split("$ ")
    assert sum("--enable_op_profiling" in call for call in calls) == 1


def test_the_python_runner_times_the_way_from_pixels_to_pixels(phone, bench, tmp_path):
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'models = ["denoise-s"]\nsizes = ["320x168"]\ndelegates = ["xnnpack"]\nthreads = [1]\n'
        'rounds = 1\nruns = 2\nseconds = 0\nwarmup_s = 0\ntile_px = 168\nmode = "tiles"\n'
    )
    _, (record,), _ = bench(
        "--suite", suite, "--runner", "python", "--python", sys.executable, quick=False
    )
    assert record["verdict"] in MEASURED, record["why"]
    assert record["runner"]["name"] == "python_arm"
    assert len(record["rounds"][0]["times_ms"]) == 2
    parts = record["summary"]["parts_ms"]
    assert parts["inference"] + parts["tiling, copies and conversion"] == pytest.approx(
        record["summary"]["mean_ms"]
    )
    assert record["quality"]["identical"] or record["quality"]["psnr_db"] > 90


def test_a_board_without_a_runtime_says_what_it_needs(phone, network):
    result = network.lpie(
        *("bench", "denoise-s", "--size", "96x64", "--device", phone.serial, "--runner", "python"),
        *("--python", "python-of-nobody"),
    )
    assert_one_sentence(result, 2, "needs numpy and ai-edge-litert", "python-of-nobody")
    assert phone.left() == []


def test_an_arm_board(phone, bench):
    """Real Arm code, by an emulator."""
    command = os.environ.get("LPIE_ARM")
    if not command:
        pytest.skip("no Arm Python (LPIE_ARM, which .ci/arm makes)")
    _, (record,), _ = bench(
        *("denoise-s", "--size", "32x32", "--runner", "python", "--python", command, "--rounds", 1),
        *("--min-runs", 1, "--threads", 1),
    )
    assert record["verdict"] in MEASURED, record["why"]
    assert record["runner"]["version"].endswith("aarch64")
    assert record["executed"]["delegate"] == "xnnpack"
    assert record["quality"]["identical"] or record["quality"]["psnr_db"] > 90


def test_tflite_s_app(phone, bench):
    _, (record,), _ = bench(
        "denoise-s", "--size", "96x64", "--delegate", "xnnpack", "--runner", "apk"
    )
    assert record["runner"]["name"] == "benchmark_apk"
    assert record["verdict"] in MEASURED, record["why"]
    assert len(record["rounds"]) == 2
    assert record["executed"]["delegate"] == "xnnpack"


def test_our_app(phone, bench):
    _, (record,), _ = bench("denoise-s", "--size", "96x64", "--delegate", "gpu", "--runner", "app")
    assert record["runner"]["name"] == "app"
    assert record["runner"]["version"] == "0.1.0"
    assert record["verdict"] in MEASURED, record["why"]
    assert len(record["rounds"]) == 2
    assert record["device"]["fingerprint"].startswith("lpie/papphone")


@pytest.mark.parametrize(
    ("fault", "verdict", "words"),
    [
        ("refused", "failed", "The GPU delegate is not in this build."),
        ("lost", "incomplete", "have come through logcat"),
        ("crash", "failed", "crashed"),
    ],
)
def test_what_goes_wrong_in_our_app(phone, bench, fault, verdict, words):
    phone.write("app-fault", fault)
    try:
        _, (record,), _ = bench(
            "denoise-s", "--size", "96x64", "--delegate", "gpu", "--runner", "app"
        )
    finally:
        (phone.state / "app-fault").unlink()
    assert record["verdict"] == verdict
    assert words in record["why"]
    assert record["rounds"] == []


def test_an_app_that_is_not_there(phone, bench):
    phone.write("packages", "")
    _, (record,), _ = bench("denoise-s", "--size", "96x64", "--runner", "app")
    assert record["verdict"] == "incomplete"
    assert "org.lpie.demo is not installed" in record["why"]


def test_a_suite_survives_all_of_it(phone, bench, tmp_path):
    """Three models x two sizes x two delegates; each fault gets its own verdict."""
    suite = tmp_path / "suite.toml"
    sizes = ["64x64", "96x64"]
    suite.write_text(
        'models = ["denoise", "denoise-s", "deblur-s"]\n'
        f"sizes = {json.dumps(sizes)}\n"
        'delegates = ["xnnpack", "gpu"]\nthreads = [2]\n'
        'rounds = 2\nruns = 3\nseconds = 0\nwarmup_s = 0\nmode = "whole"\nlimit_s = 10\n'
    )
    faults = {
        ("denoise", "64x64", "gpu"): ("fall back", "fell_back"),
        ("denoise-s", "64x64", "gpu"): ("crash", "failed"),
        ("deblur-s", "96x64", "xnnpack"): ("kill", "failed"),
        ("denoise", "96x64", "gpu"): ("hang", "failed"),
        ("deblur-s", "64x64", "gpu"): ("half", "fell_back"),
    }
    phone.faults(
        *(
            {"when": [key(name, size), f"--use_{delegate}=true"], "what": what}
            for (name, size, delegate), (what, _) in faults.items()
        )
    )
    out = tmp_path / "results"
    code, records, _ = bench("--suite", suite, "-o", out, quick=False)
    assert code == 1
    assert len(records) == 12
    for record in records:
        asked = record["requested"]
        name = record["model"]["file"].removesuffix(".tflite")
        _, verdict = faults.get((name, asked["size"], asked["delegate"]), ("", ""))
        if verdict:
            assert record["verdict"] == verdict, record["why"]
        else:
            assert record["verdict"] in MEASURED, record["why"]
            assert len(record["rounds"]) == 2
    assert len({r["run"] for r in records}) == 2
    for size in sizes:  # those of a size took turns: no second round before the last first one
        turns = [r["rounds"] for r in records if r["requested"]["size"] == size and r["rounds"]]
        assert max(first["at_s"] for first, _ in turns) < min(last["at_s"] for _, last in turns)
    assert {r["run"] + r["model"]["file"] for r in read_records(out)} == {
        r["run"] + r["model"]["file"] for r in records
    }
    assert len(list(out.glob("*.json"))) == 12
    page = tmp_path / "page.html"
    result = run_lpie("report", out, "-o", page)
    assert result.returncode == 0, result.stderr
    text = page.read_text()
    assert "Papphone 1" in text
    assert "SIGSEGV" in text
    assert "Out of memory at 96x64" in text
    again = phone.network.lpie("bench", "--suite", suite, "--device", phone.serial, "-o", out)
    assert_one_sentence(again, 2, "is not empty")
