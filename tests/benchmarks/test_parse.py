import json
import random
import re
import struct
from pathlib import Path

import pytest

from lpie.benchmarks.logs.read import log_record, parse_log, parse_results, read_log
from lpie.benchmarks.logs.result_proto import decode_result
from lpie.errors import InputError
from tests import soak

LOGS = Path(__file__).parents[1] / "data" / "logs"
NAMES = sorted(path.stem for path in LOGS.glob("*.txt"))

# name: (verdict, median ms, mean ms, count, init ms, asked, ran)
EXPECTED = {
    "tensorflow_2017": ("valid", None, 182.555, 55, None, "cpu", None),
    "tflite_2018": ("valid", None, 87.6545, 50, 3.21, "cpu", None),
    "tflite_2019_grep": ("valid", None, 65.4321, None, 2.345, None, None),
    "tflite_2020_gpu": ("valid", None, 16.3218, 62, 931.51, "gpu", "gpu"),
    "tflite_2022_xnnpack": ("valid", None, 1240.17, 50, 102.32, "xnnpack", "xnnpack"),
    "tflite_2024_gpu": ("valid", 121.111, 121.234, 20, 1843.77, "gpu-cl", "gpu-cl"),
    "logcat_apk": ("fell_back", None, 43.2222, 58, 800.321, "gpu", "gpu-cl"),
    "fallback_gpu": ("fell_back", 300.777, 300.987, 50, 55.5, "gpu", "xnnpack"),
    "fallback_nnapi": ("fell_back", None, 150.987, 50, 9.876, "nnapi", "cpu"),
    "litert_cpp": ("valid", None, 888.77, 50, 23744.73, "gpu", "gpu-cl"),
    "litert_python": ("valid", 15.11, 15.23, 20, 41.32, "cpu", "cpu"),
    "profile_csv": ("valid", 6.23, 6.2345, 150, 7.111, "cpu", "xnnpack"),
    "failed_gpu": ("failed", None, None, None, None, "gpu-gl", "gpu"),
    "failed_version": ("failed", None, None, None, None, "cpu", None),
    "crashed": ("failed", None, None, None, None, "cpu", None),
    "killed_logcat": ("failed", None, None, None, None, "cpu", None),
}


def text_of(name):
    return (LOGS / f"{name}.txt").read_text()


def record_of(text):
    return log_record(parse_log(text), text=text)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_family_of_logs_is_read(name):
    verdict, median, mean, count, init, asked, ran = EXPECTED[name]
    record = record_of(text_of(name))
    assert record["verdict"] == verdict, record["why"]
    summary = record["summary"]
    assert (summary["median_ms"], summary["mean_ms"]) == (median, mean)
    assert (summary["count"], summary["init_ms"]) == (count, init)
    assert record["requested"]["delegate"] == asked
    assert record["executed"]["delegate"] == ran
    assert record["log"]["text"] == text_of(name)


def test_all_fixtures_are_used():
    assert set(NAMES) == {*EXPECTED, "performance_options"}


def test_statistics_of_the_runs_not_of_the_warm_up_or_the_profile():
    summary = record_of(text_of("tflite_2024_gpu"))["summary"]
    assert (summary["min_ms"], summary["max_ms"], summary["std_ms"]) == (119.765, 124.654, 1.043)
    assert (summary["p5_ms"], summary["p95_ms"], summary["p90_ms"]) == (119.8, 123.444, None)
    assert (summary["first_ms"], summary["warmup_ms"], summary["warmup_runs"]) == (
        131.415,
        123.321,
        5,
    )


def test_one_run_and_equal_runs():
    tail = "Inference timings in us: Init: 5, Warmup (avg): 7, Inference (avg): 900\n"
    one = record_of("count=1 curr=7\ncount=1 curr=900\n" + tail)["summary"]
    same = record_of("count=1 curr=7\ncount=5 curr=900(all same)\n" + tail)["summary"]
    assert (one["count"], one["median_ms"], one["std_ms"]) == (1, 0.9, None)
    assert (same["count"], same["median_ms"], same["max_ms"]) == (5, 0.9, 0.9)
    assert record_of("count=1 curr=7\ncount=0\n")["verdict"] == "incomplete"


def test_what_was_asked_for_is_read_from_flags_and_their_echo():
    gpu = record_of(text_of("tflite_2024_gpu"))
    assert gpu["requested"]["precision"] == "fp32"
    assert gpu["requested"]["size"] == "1920x1080"
    assert gpu["requested"]["min_runs"] == 20
    assert "--gpu_backend=cl" in gpu["runner"]["flags"]
    assert gpu["model"]["file"] == "denoise_1920x1080.tflite"
    assert record_of(text_of("tflite_2020_gpu"))["requested"]["precision"] == "fp16"
    assert record_of(text_of("logcat_apk"))["requested"]["threads"] == 4
    assert record_of(text_of("litert_cpp"))["model"]["file"] == "denoise_4k.tflite"


def test_where_it_ran_is_read_from_the_runtime():
    record = record_of(text_of("logcat_apk"))
    reasons = record["executed"].pop("reasons")
    assert record["executed"] == {
        "delegate": "gpu-cl",
        "full": False,
        "nodes_total": 60,
        "nodes_delegated": 54,
        "partitions": 3,
    }
    assert reasons[0] == "GATHER_ND: Operation is not supported."
    assert reasons[1] == "SPLIT: OP is supported, but tensor type/shape isn't compatible."
    assert reasons[2].startswith("54 operations will run on the GPU, and the remaining 6 ")
    assert record["why"].startswith("gpu took 54 of 60 nodes; the CPU ran the others. GATHER_ND")
    assert record_of(text_of("tflite_2022_xnnpack"))["executed"]["nodes_total"] == 685
    assert record_of(text_of("tflite_2020_gpu"))["executed"]["full"] is True
    fallen = record_of(text_of("fallback_nnapi"))
    assert "reference driver" in fallen["why"]


def test_a_gpu_that_no_line_mentions_did_not_run():
    whole = text_of("tflite_2024_gpu")
    text = "".join(
        line
        for line in whole[: whole.index("INFO: Profiling Info")].splitlines(keepends=True)
        if "elegate" not in line and "OpenCL" not in line
    )
    record = record_of(text)
    assert record["executed"]["delegate"] is None
    assert record["verdict"] == "fell_back"


def test_memory_and_profile():
    gpu = record_of(text_of("tflite_2024_gpu"))
    assert gpu["memory"]["init_mb"] == 211.5
    assert gpu["memory"]["overall_mb"] == 212.75
    assert gpu["memory"]["peak_mb"] == 233.1875
    assert record_of(text_of("litert_cpp"))["memory"]["peak_mb"] == 566.43
    old = record_of(text_of("tflite_2020_gpu"))["profile"]
    assert [op["mean_ms"] for op in old] == [16.124, 0.202]
    assert old[0]["name"] == "[model/add, model/out;with, commas]:77"
    csv = record_of(text_of("profile_csv"))["profile"]
    assert csv[1] == {
        "type": "Convolution (NHWC, QC8) IGEMM",
        "mean_ms": 5.407,
        "percent": 86.73,
        "count": 13,
        "memory_kb": 0,
        "name": "Delegate/Convolution (NHWC, QC8) IGEMM:1",
    }
    assert csv[2]["name"] == "[out, 0]:2"
    assert record_of(text_of("tflite_2018"))["profile"] is None


def test_a_pasted_profile_with_spaces_is_the_same():
    tabs = text_of("tflite_2020_gpu")
    spaces = re.sub("\t", "    ", tabs)
    assert record_of(spaces)["profile"] == record_of(tabs)["profile"]


def test_every_option_of_a_summary_is_a_record():
    records = [log_record(each) for each in parse_results(text_of("performance_options"))]
    told = [
        (
            r["verdict"],
            r["requested"]["delegate"],
            r["requested"]["precision"],
            r["summary"]["mean_ms"],
            r["summary"]["init_ms"],
        )
        for r in records
    ]
    assert told == [
        ("valid", "gpu", "fp16", 11.6664, 912.111),
        ("valid", "cpu", None, 33.7777, 2.111),
        ("fell_back", "gpu", "fp32", 34.8888, 31.111),
        ("failed", "nnapi", None, None, None),
    ]
    assert records[1]["requested"]["threads"] == 4
    assert records[3]["requested"]["accelerator"] == "google-edgetpu"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("failed_gpu", "TfLiteGpuDelegate Init: MAXIMUM: Not enough memory for the textures."),
        ("failed_version", "Didn't find op for builtin opcode 'CONV_2D' version '99'."),
        ("crashed", "It crashed: Segmentation fault."),
        ("killed_logcat", "Kill 'org.tensorflow.lite.benchmark'"),
    ],
)
def test_failures_are_named(name, why):
    assert record_of(text_of(name))["why"].startswith(why)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (139, "SIGSEGV"),
        (134, "SIGABRT"),
        (137, "out of memory"),
        (126, "another machine"),
        (127, "missing"),
        (1, "exit code 1"),
        (124, "time limit"),
    ],
)
def test_a_crash_that_prints_nothing_is_known_by_its_exit_code(code, why):
    text = text_of("crashed").replace("Segmentation fault\n", "")
    assert parse_log(text).incomplete
    assert why in parse_log(text, exit_code=code).failed
    assert parse_log(text_of("tflite_2018"), exit_code=0).failed == ""


@pytest.mark.parametrize(
    "line",
    [
        "terminating due to uncaught exception of type std::bad_alloc: std::bad_alloc",
        "ERROR: Failed to enqueue: CL_OUT_OF_RESOURCES",
        "java.lang.OutOfMemoryError: Failed to allocate a 99532816 byte allocation",
    ],
)
def test_out_of_memory_is_named(line):
    text = text_of("crashed").replace("Segmentation fault", line)
    assert record_of(text)["why"].startswith("It ran out of memory: ")


def test_errors_that_are_none_do_not_fail_a_run():
    assert "ERROR: " in text_of("litert_cpp")
    assert record_of(text_of("litert_cpp"))["verdict"] == "valid"


def test_a_stale_result_is_not_that_of_a_run_that_was_cut():
    text = text_of("logcat_apk")
    cut = text[: text.index("05-01 08:10:02.000")]
    record = record_of(cut)
    assert record["verdict"] == "incomplete"
    assert record["model"]["file"] == "restore_768x512.tflite"
    assert record["rounds"] == []


@pytest.mark.parametrize("name", [name for name in NAMES if "profile" not in name])
def test_a_cut_log_is_incomplete_and_without_a_number(name):
    text = text_of(name)
    last = max(text.rfind("Inference timings"), text.rfind("Average inference"))
    last = max(last, text.find("Inference (std)"), text.find("=Summary of All"), 0)
    start, end = max(text.rfind("Log parameter values"), 0), last or len(text)
    for place in range(start, end, max((end - start) // 40, 1)):
        record = record_of(text[:place])
        assert record["verdict"] in ("incomplete", "failed"), text[:place][-200:]
        assert latencies(record) == []


@pytest.mark.parametrize("name", ["tflite_2018", "tflite_2019_grep", "tflite_2024_gpu"])
def test_a_number_cut_in_the_middle_is_not_believed(name):
    text = text_of(name)
    end = text.index("\n", max(text.find("Inference timings"), text.find("Average inference")))
    for cut in range(1, 9):
        record = record_of(text[: end - cut])
        whole = EXPECTED[name][2]
        assert record["summary"]["mean_ms"] in (None, whole)


def test_a_result_in_binary_form(tmp_path):
    data = result_proto(12.5)
    assert decode_result(data)["round"]["median_ms"] == 12.5
    (tmp_path / "result.pb").write_bytes(data)
    (record,) = read_log(tmp_path / "result.pb")
    assert record["verdict"] == "valid"
    assert record["summary"]["mean_ms"] == 8.68033
    assert record["summary"]["init_ms"] == 1.25
    assert record["memory"]["init_mb"] == 2.0
    assert record["memory"]["peak_mb"] == 99.5
    assert record["model"]["file"] == "denoise"
    assert (record["summary"]["count"], record["summary"]["warmup_runs"]) == (50, 3)
    for end in range(len(data)):
        cut = decode_result(data[:end])
        assert cut is None or cut["round"]["mean_ms"] == 8.68033
    (tmp_path / "cut.pb").write_bytes(data[:50])
    (record,) = read_log(tmp_path / "cut.pb")
    assert record["verdict"] == "incomplete"


def test_a_log_from_powershell_is_read(tmp_path):
    (tmp_path / "log.txt").write_text(text_of("tflite_2018").replace("\n", "\r\n"), "utf-16")
    (record,) = read_log(tmp_path / "log.txt")
    assert record["summary"]["mean_ms"] == 87.6545


def test_what_litert_benchmark_writes_is_read(tmp_path):
    written = {
        "model": "/tmp/denoise.tflite", "accelerators": "GPU", "fully_accelerated": True,
        "num_threads": 2,
        "latency": {
            "init_ms": 900.5, "warmup_first_ms": 20.5, "warmup_avg_ms": 18.5, "num_warmup_runs": 5,
            "avg_ms": 15.25, "min_ms": 14.5, "max_ms": 17.75, "median_ms": 15.0, "std_ms": 0.5,
            "p5_ms": 14.75, "p95_ms": 17.0, "num_runs": 50,
        },
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(written))
    (record,) = read_log(tmp_path / "a.json")
    assert (record["verdict"], record["executed"]["delegate"]) == ("valid", "gpu")
    assert (record["summary"]["median_ms"], record["summary"]["mean_ms"]) == (15.0, 15.25)
    assert "does not wait for a GPU" in record["executed"]["reasons"][0]
    (tmp_path / "b.json").write_text(json.dumps({**written, "fully_accelerated": False}))
    assert read_log(tmp_path / "b.json")[0]["verdict"] == "fell_back"


@pytest.mark.parametrize(
    "prefix",
    [
        "05-01 08:00:00.100  1111  1111 I tflite  : ",
        "2024-05-01 08:00:00.100 +0200  1111  1111 I tflite  : ",
        "05-01 08:00:00.100 I/tflite  ( 1111): ",
        "I/tflite  ( 1111): ",
        "I/tflite: ",
        "2024-05-01 08:00:00.100  1111-1111  tflite   org.tensorflow.lite.benchmark   I  ",
        "2021-05-01 08:00:00.100 1111-1111/org.tensorflow.lite.benchmark I/tflite: ",
        "\x1b[38;5;40m05-01 08:00:00.100  1111  1111 I tflite  : ",
        "INFO: ",
    ],
)
def test_every_kind_of_prefix_is_taken_away(prefix):
    text = "".join(prefix + line for line in text_of("tflite_2020_gpu").splitlines(keepends=True))
    plain, prefixed = (record_of(each) for each in (text_of("tflite_2020_gpu"), text))
    for section in ("summary", "memory", "profile", "executed", "verdict"):
        assert prefixed[section] == plain[section]


def test_a_log_that_ends_after_its_result_is_cut_too():
    text = text_of("tflite_2024_gpu")
    for end in (
        "INFO: Memory footprint",
        "INFO: Operator-wise",
        "\t                     TfLiteGpu",
    ):
        record = record_of(text[: text.index(end)])
        assert record["verdict"] == "incomplete", end
        assert latencies(record) == []
    options = text_of("performance_options")
    cut = parse_results(options[: options.index("INFO:                gpu-default")])
    assert [bool(each.incomplete) for each in cut] == [False, False, True]


def test_nothing_in_a_log_reaches_a_terminal():
    text = text_of("failed_gpu").replace("MAXIMUM", "\x1b]0;title\x07MAXIMUM")
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", record_of(text)["why"])


def test_a_hostile_line_takes_no_time(tmp_path):
    lines = [
        "count=" + "1" * 10**6,
        " " * 10**6,
        "pplied " * 10**5,
        "[node type] [avg ms] [Name]",
        "x" + " " * 10**6 + "1",
        "Inference timings in us: " + "A: 1, " * 10**5,
    ]
    assert record_of("\n".join(lines * 3))["verdict"] == "incomplete"


def test_what_is_no_log_is_refused(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(500))
    with pytest.raises(InputError, match="neither a log nor a result"):
        read_log(tmp_path / "model.tflite")
    with pytest.raises(InputError, match="is not a file"):
        read_log(tmp_path)


@pytest.mark.soak
def test_mutated_logs_raise_nothing_and_invent_no_number():
    rng = random.Random(soak.seed())
    for turn in range(soak.amount(1000, 250)):
        text = mutated(text_of(NAMES[turn % len(NAMES)]), rng)
        known = {float(n) for n in re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)}
        for parsed in parse_results(text):
            record = log_record(parsed)
            for number in numbers(record):
                assert any(close(number, n) or close(number * 1e3, n) for n in known), text


def mutated(text, rng):
    for _ in range(rng.randint(1, 3)):
        lines = text.splitlines(keepends=True) or [""]
        place = rng.randrange(len(lines))
        kind = rng.choice(["cut", "flip", "drop", "double", "swap"])
        if kind == "cut":
            text = text[: rng.randrange(len(text) + 1)]
        elif kind == "flip" and text:
            at = rng.randrange(len(text))
            text = text[:at] + chr(ord(text[at]) ^ (1 << rng.randrange(7))) + text[at + 1 :]
        elif kind in ("drop", "double"):
            lines[place : place + 1] = lines[place : place + 1] * (2 if kind == "double" else 0)
            text = "".join(lines)
        else:
            found = list(re.finditer(r"\d+(?:\.\d+)?", text))
            if len(found) > 1:
                a, b = sorted(rng.sample(found, 2), key=lambda m: m.start())
                text = text[: a.start()] + b[0] + text[a.end() : b.start()] + a[0] + text[b.end() :]
    return text


def numbers(record):
    """Every number that a record tells of a log."""
    requested = {k: v for k, v in record["requested"].items() if k != "rounds"}
    places = [
        record["rounds"],
        record["summary"],
        record["memory"],
        record["profile"],
        record["executed"],
        requested,
    ]
    while places:
        place = places.pop()
        if isinstance(place, dict | list):
            places += list(place.values()) if isinstance(place, dict) else place
        elif isinstance(place, int | float) and not isinstance(place, bool):
            yield place


def latencies(record):
    return [v for k, v in record["summary"].items() if isinstance(v, int | float)]


def close(a, b):
    return abs(a - b) <= 1e-9 * max(abs(a), abs(b))


def result_proto(median):
    def fixed(number, value):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)

    def nested(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    latency = [8.68033, 7.5, 20.25, 0.5, median, 7.75, 15.0, 1.25, 11.0, 10.0]
    times = b"".join(fixed(n, v) for n, v in enumerate(latency, start=1))
    memory = b"\x08\x80\x10" + b"\x10\x80\x18" + fixed(3, 99.5)
    misc = fixed(1, 0.6) + b"\x10\x32" + b"\x18\x03" + fixed(4, 12.0)
    return nested(1, b"denoise") + nested(2, times) + nested(3, memory) + nested(4, misc)
