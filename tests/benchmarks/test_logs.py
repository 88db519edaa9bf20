"""Logs as people have them: stamped, quoted, several runs in one, damaged, or no logs at all."""

import math
import random
import re
from pathlib import Path

import pytest

from lpie.benchmarks.logs.lines import runs
from lpie.benchmarks.logs.read import log_record, parse_log, parse_results, read_log
from lpie.errors import InputError
from tests import soak

LOGS = Path(__file__).parents[1] / "data" / "logs"
CASES = Path(__file__).parents[3] / "shared" / "cases"
cases = pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")

PLAIN = """STARTING!
Log parameter values verbosely: [0]
Min num runs: [50]
Num threads: [4]
Graph: [/data/local/tmp/net.tflite]
Use gpu: [1]
Loaded model /data/local/tmp/net.tflite
Replacing 60 out of 60 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions.
Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
Initialized session in 17.851ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150.
count=12 first=52104 curr=41210 min=41011 max=52104 avg=42100.2 std=630

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150.
count=50 first=41503 curr=41203 min=40303 max=42703 avg=41203.5 std=220

Inference timings in us: Init: 17851, First inference: 52104, Warmup (avg): 42100.2, Inference (avg): 41203.5
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual
Memory footprint delta from the start of the tool (MB): init=2.5 overall=12.8672
"""  # noqa: E501
RESULT = "count=50 first=41503 curr=41203 min=40303 max=42703 avg=41203.5 std=220"
SECTIONS = ("summary", "memory", "executed", "requested", "model", "verdict")

# Format strings of a line's number `i` and text `t`.
STAMPS = {
    "GitHub": "2024-05-01T12:00:{i:02}.1234567Z {t}",
    "GitLab": "2024-05-01T12:00:{i:02}.123456Z 00O {t}",
    "Jenkins pipeline": "[2024-05-01T12:00:{i:02}.123Z] {t}",
    "Jenkins timestamper": "12:00:{i:02}  {t}",
    "ts": "May 01 12:00:{i:02} {t}",
    "ts, a single digit": "May  1 12:00:{i:02} {t}",
    "ts -s": "00:00:{i:02} {t}",
    "ts with date": "2024-05-01 12:00:{i:02} {t}",
    "ts in seconds": "17145576{i:02}.123456 {t}",
    "date": "Wed May  1 12:00:{i:02} 2024 {t}",
    "kubectl": "2024-05-01T12:00:{i:02}.123456789+02:00 {t}",
    "docker compose": "bench-1  | {t}",
    "NSLog": "2024-05-01 12:00:{i:02}.123 Bench[1234:5678] {t}",
    "NSLog with a zone": "2024-05-01 12:00:{i:02}.123456+0200 My Bench[1234:56789] {t}",
    "syslog": "May  1 12:00:{i:02} raspberrypi benchmark_model[1234]: {t}",
    "iOS syslog": "May  1 12:00:{i:02} iPhone Bench(libtensorflow)[1234] <Notice>: {t}",
    "mail": "> {t}",
    "mail of mail": "> > {t}",
    "tight quote": ">{t}",
    "indent": "    {t}",
    "tab": "\t{t}",
    "grep": "phone/log.txt:{i}:{t}",
    "a script's own": "[phone-7] {t}",
    "adb shell": "adb shell: {t}",
    "a script's own with numbers": "pixel 8 (run {i}) -> {t}",
    "a table": "| {t} |",
    "CSV": '"{t}"',
    "a numbered listing": "  {i}: {t}",
    "TeamCity": "[12:00:{i:02}]i: \t [exec] {t}",
    "Buildkite": "\x1b_bk;t=17145576{i:02}123\x07{t}",
    "Xcode": "2024-05-01 12:00:{i:02}.123456+0200 Bench[123:456] [default] {t}",
    "dmesg": "[ 1234.{i:06}] {t}",
    "level": "INFO: {t}",
    "Python logging": "2024-05-01 12:00:{i:02},123 INFO bench: {t}",
    "threadtime": "05-01 12:00:{i:02}.123  3380  3381 I tflite  : {t}",
    "year": "2024-05-01 12:00:{i:02}.123  3380  3381 I tflite  : {t}",
    "zone": "2024-05-01 12:00:{i:02}.123 +0200  3380  3381 I tflite  : {t}",
    "uid": "05-01 12:00:{i:02}.123 shell  3380  3381 I tflite  : {t}",
    "usec": "05-01 12:00:{i:02}.123456  3380  3381 I tflite  : {t}",
    "epoch": "         17145576{i:02}.123  3380  3381 I tflite  : {t}",
    "monotonic": "      123{i:02}.123  3380  3381 I tflite  : {t}",
    "time": "05-01 12:00:{i:02}.123 I/tflite  ( 3380): {t}",
    "brief": "I/tflite  ( 3380): {t}",
    "tag": "I/tflite  : {t}",
    "process": "I( 3380) {t}  (tflite)",
    "thread": "I( 3380: 3381) {t}",
    "long": "[ 05-01 12:00:{i:02}.123  3380: 3381 I/tflite   ]\n{t}\n",
    "Android Studio": "2024-05-01 12:00:{i:02}.123  3380-3381  tflite   org.lite   I  {t}",
    "colours": "\x1b[32m05-01 12:00:{i:02}.123 I/tflite ( 3380): {t}\x1b[0m",
    "GitHub of logcat": "2024-05-01T12:00:{i:02}.12345Z 05-01 12:00:00.123  8  9 I tflite  : {t}",
    "a mail of GitHub": "> 2024-05-01T12:00:{i:02}.1234567Z INFO: {t}",
    "indent of a quote": "  > {t}",
}


def stamped(form, text=PLAIN):
    lines = (form.format(i=i % 60, t=line) for i, line in enumerate(text.splitlines()))
    return "\n".join(lines) + "\n"


def record_of(text):
    (parsed,) = parse_results(text)
    return log_record(parsed, text=text)


@pytest.mark.parametrize("kind", STAMPS)
def test_every_stamp_is_taken_away(kind):
    plain, read = record_of(PLAIN), record_of(stamped(STAMPS[kind]))
    assert plain["verdict"] == "valid"
    for section in SECTIONS:
        assert read[section] == plain[section]


@pytest.mark.parametrize("kind", [kind for kind in STAMPS if kind != "long"])
@pytest.mark.parametrize("name", ["tflite_2024_gpu", "litert_cpp", "fallback_nnapi"])
def test_every_stamp_of_every_family(kind, name):
    text = (LOGS / f"{name}.txt").read_text()
    plain, read = record_of(text), record_of(stamped(STAMPS[kind], text))
    for section in (*SECTIONS, "profile"):
        assert read[section] == plain[section]


@pytest.mark.parametrize(
    "encoded",
    [
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\r\n").encode("utf-16"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        b"\xff\xfe\xfa caf\xe9\n" + PLAIN.encode(),
        ("\x1b]0;title\x07" + PLAIN).encode(),
    ],
    ids=["CRLF", "UTF-16", "UTF-16 CRLF", "UTF-16 BE", "UTF-16 cut", "BOM", "Latin-1", "title"],
)
def test_every_encoding(encoded, tmp_path):
    if encoded.startswith(b"\xff\xfe\xfa"):
        encoded = encoded[2:]
    (tmp_path / "log").write_bytes(encoded)
    (record,) = read_log(tmp_path / "log")
    assert (record["verdict"], record["summary"]["mean_ms"]) == ("valid", 41.2035)


@cases
@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("three", [81.2035, 51.2035, 31.2035]),
        ("two_models", [81.2035, 31.2035]),
        ("gha", [41.2035]),
        ("ts", [41.2035]),
        ("quote", [41.2035]),
        ("indent4", [41.2035]),
        ("lc_process", [41.2035]),
        ("lc_thread", [41.2035]),
        ("nolastnl", [41.2035]),
        ("runmodel2", [3.78]),
    ],
)
def test_the_cases_are_read(name, means):
    records = read_log(CASES / "logs" / f"{name}.log")
    assert [record["summary"]["mean_ms"] for record in records] == means
    assert {record["verdict"] for record in records} == {"valid"}


@cases
def test_the_hostile_cases():
    (record,) = read_log(CASES / "hostile" / "h_inf.log")
    assert (record["verdict"], record["rounds"]) == ("incomplete", [])
    with pytest.raises(InputError, match="no benchmark log"):
        read_log(CASES / "hostile" / "report_157_log.jsonl")


@pytest.mark.parametrize("kind", ["level", "threadtime", "mail", "GitHub"])
def test_every_run_is_a_record(kind, tmp_path):
    second = PLAIN.replace("net.tflite", "b.tflite").replace("41203.5", "41303.5")
    cut = PLAIN[: PLAIN.index("count=50")]
    (tmp_path / "log").write_text(stamped(STAMPS[kind], PLAIN + second + cut + PLAIN))
    records = read_log(tmp_path / "log")
    assert [record["verdict"] for record in records] == ["valid", "valid", "incomplete", "valid"]
    assert [record["model"]["file"] for record in records] == ["net.tflite", "b.tflite"] + [
        "net.tflite"
    ] * 2
    assert records[1]["summary"]["mean_ms"] == 41.3035
    texts = [record["log"]["text"] for record in records]
    assert "41303.5" in texts[1]
    assert "41303.5" not in texts[0] + texts[2]


@pytest.mark.parametrize("name", sorted(path.stem for path in LOGS.glob("*.txt")))
@pytest.mark.parametrize("between", ["", "\nSome words.\n$ adb shell ls\n"])
def test_two_logs_in_one_file(name, between):
    text = (LOGS / f"{name}.txt").read_text()
    once, twice = parse_results(text), parse_results(text + between + text)
    assert [p.round for p in twice] == [p.round for p in once] * 2
    assert [p.requested for p in twice] == [p.requested for p in once] * 2


def test_a_log_for_the_harness_is_still_its_last_run():
    cut = PLAIN[: PLAIN.index("count=50")]
    assert parse_log(PLAIN + cut).incomplete
    assert parse_log(cut + PLAIN).round["mean_ms"] == 41.2035


def test_several_summaries_of_options():
    text = (LOGS / "performance_options.txt").read_text()
    once = [(p.requested, p.round, p.failed) for p in parse_results(text)]
    twice = [(p.requested, p.round, p.failed) for p in parse_results(text + text)]
    assert twice == once + once
    assert len(parse_results(text + PLAIN)) == len(once) + 1


def test_what_run_model_prints():
    text = """I0000 00:00:17.1 5 run_model.cc:1] First run took 6739 microseconds
Slowest run took 7000 microseconds
Fastest run took 3611 microseconds
All runs took average 3780 microseconds
Model run completed
"""
    records = [log_record(parsed) for parsed in parse_results(text + text)]
    assert [record["runner"]["name"] for record in records] == ["run_model"] * 2
    summary = records[0]["summary"]
    assert (summary["mean_ms"], summary["min_ms"], summary["max_ms"]) == (3.78, 3.611, 7.0)
    assert summary["first_ms"] == 6.739
    for end in (text.index("All runs"), text.index("Model run")):
        assert record_of(text[:end])["verdict"] == "incomplete"


WRONG = {
    "infinite": ("avg=41203.5", "avg=1e309"),
    "not a number": ("avg=41203.5", "avg=nan"),
    "negative": ("avg=41203.5", "avg=-41203.5"),
    "no run": ("count=50 ", "count=0 "),
    "no statistics": (RESULT, "count=0"),
    "negative count": ("count=50 ", "count=-50 "),
    "zero": (RESULT, "count=50 first=0 curr=0 min=0 max=0 avg=0 std=0"),
    "contradiction": ("min=40303", "min=41303"),
    "gone": (RESULT + "\n", ""),
    "garbled": ("avg=41203.5", "avg=4120"),
    "the mean of the warm-up": (RESULT, RESULT.replace("41203.5", "1e309")),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("with_end", [True, False])
def test_a_number_that_no_run_can_have_is_no_result(kind, with_end):
    old, new = WRONG[kind]
    assert old in PLAIN
    text = PLAIN.replace(old, new)
    if with_end and "avg=" in new and "std" not in new:
        text = text.replace("(avg): 41203.5", f"(avg): {new[4:]}")
    if kind == "zero":
        text = text.replace("(avg): 41203.5", "(avg): 0")
    record = record_of(text)
    assert record["verdict"] == "incomplete", record["summary"]
    assert record["rounds"] == []
    assert record["summary"]["mean_ms"] is None


ABSURD = {
    "init=2.5": "init=1e300",
    "overall=12.8672": "overall=1e309",
    "Init: 17851": "Init: 1e99",
    "curr=41203": "curr=9e99",
    "(avg): 42100.2": "(avg): 1e200",
    "Num threads: [4]": "Num threads: [99999999999]",
    "60 out of 60": "60 out of 9999999999",
}


@pytest.mark.parametrize("old", ABSURD)
def test_absurd_numbers_are_left_out_or_make_it_incomplete(old):
    assert old in PLAIN
    record = record_of(PLAIN.replace(old, ABSURD[old]))
    assert record["verdict"] in ("valid", "incomplete", "fell_back")


@pytest.mark.parametrize("mean", ["1e309", "nan", "-5", "inf", "0"])
def test_wrong_means_of_litert(mean):
    text = (LOGS / "litert_cpp.txt").read_text().replace("888.77 ms", f"{mean} ms")
    assert record_of(text)["verdict"] == "incomplete"


def test_a_warm_up_alone_is_no_result():
    tail = "Inference timings in us: Init: 5, Warmup (avg): 42100.2, Inference (avg): 1e309\n"
    start = PLAIN[: PLAIN.index("\nRunning benchmark for at least 50")]
    assert record_of(start + "\n" + tail)["verdict"] == "incomplete"
    assert record_of(start + "\n")["verdict"] == "incomplete"


def test_a_log_without_its_last_line_end():
    record = record_of(PLAIN.rstrip("\n"))
    assert (record["verdict"], record["memory"]["init_mb"]) == ("valid", 2.5)
    assert record["memory"]["overall_mb"] is None  # its last digits may be cut


NO_LOGS = {
    "empty": b"",
    "prose": b"My phone ran out of memory yesterday. ERROR: out of memory, killed.\n",
    "a training log": b'{"step": 50, "loss": 0.78}\n' * 20,
    "lines": b"\n" * 5000,
    "a page": b"<html><body>benchmark: std::bad_alloc</body></html>",
    "another program": b"05-01 08:00:00.100  1111  1111 I chatty  : count=5 curr=7\n",
}


@pytest.mark.parametrize("kind", NO_LOGS)
def test_a_text_that_is_no_log(kind, tmp_path):
    (tmp_path / "a.txt").write_bytes(NO_LOGS[kind])
    with pytest.raises(InputError, match="no benchmark log"):
        read_log(tmp_path / "a.txt")


def test_a_tool_that_did_not_start_is_a_failure(tmp_path):
    (tmp_path / "a.txt").write_text("sh: /data/local/tmp/benchmark_model: not found\n")
    (record,) = read_log(tmp_path / "a.txt")
    assert record["verdict"] == "failed"


def test_long_lines_and_many_lines_are_bounded(tmp_path):
    noise = "A line of a build that has nothing to do with it, number 12345.\n"
    middle = PLAIN.index("count=50")
    text = noise * 30_000 + PLAIN[:middle] + noise * 60_000 + PLAIN[middle:] + "x" * 10**6
    (run,) = runs(text)
    assert len(run) < 45_000
    assert record_of(text)["summary"]["mean_ms"] == 41.2035
    (tmp_path / "a").write_bytes(b"a\n" * 2_000_001)
    with pytest.raises(InputError, match="more than 2,000,000 lines"):
        read_log(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"STARTING!\n" * 6000)
    with pytest.raises(InputError, match="more than 5,000 runs"):
        read_log(tmp_path / "a")
    with (tmp_path / "a").open("wb") as file:
        file.truncate(70_000_000)
    with pytest.raises(InputError, match="larger than 64 MB"):
        read_log(tmp_path / "a")


@pytest.mark.soak
def test_mutated_stamped_logs_invent_no_number():
    rng = random.Random(soak.seed())
    kinds = sorted(STAMPS)
    for turn in range(soak.amount(2000, 100)):
        letters = list(stamped(STAMPS[kinds[turn % len(kinds)]]))
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(letters))
            letters[place] = rng.choice(["", "\n", "9", "-", "e", "\x1b", ".", letters[place] * 2])
        text = "".join(letters)
        known = {float(n) for n in re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)}
        for parsed in parse_results(text):
            mean = log_record(parsed)["summary"]["mean_ms"]
            assert mean is None or any(math.isclose(mean * 1e3, n) for n in known)
