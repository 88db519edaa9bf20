"""The protocol with a runner of known times, and a child that dies in every way there is."""

import itertools
import sys

import pytest

from lpie.benchmarks.adb.state import State
from lpie.benchmarks.bench import benchmark
from lpie.benchmarks.harness.delegate import parse_delegate
from lpie.benchmarks.harness.device import Host
from lpie.benchmarks.harness.job import make_job
from lpie.benchmarks.harness.protocol import Protocol
from lpie.benchmarks.harness.quality import Numbers
from lpie.benchmarks.harness.runner import Outcome, Runner, out_of_memory
from lpie.benchmarks.harness.settings import Settings
from lpie.benchmarks.records.record import timed_round
from lpie.benchmarks.runners import python, run_tflite
from lpie.system.child import Child, Died, Hung, Killed
from lpie.weights import tflite_file


class Scripted(Runner):
    """Known times for each job; what it was asked is kept."""

    stays_up = True

    def __init__(self, times_ms, fails_at=None):
        self.times_ms, self.fails_at, self.asked, self.released = times_ms, fails_at, [], 0

    def about(self, job):
        return {"name": "host"}

    def prepare(self, job, feed):
        pass

    def run(self, job, ask):
        name = str(job.delegate)
        kind = "check" if ask.check else "warm" if ask.runs == 0 else "round"
        self.asked.append(f"{kind} {name}")
        if kind == "round" and self.asked.count(f"round {name}") == self.fails_at:
            return Outcome(log="", failed=out_of_memory(job), out_of_memory=True)
        rounds = [timed_round(self.times_ms[name])] if kind == "round" else []
        summary = {"init_ms": 4.0, "first_ms": 9.0, "warmup_ms": 3.0, "warmup_runs": 2}
        return Outcome(log="", rounds=rounds, executed={"delegate": name}, summary=summary)

    def release(self):
        self.released += 1


def jobs(*delegates):
    model = tflite_file("denoise-s")
    return [make_job(model, "64x64", parse_delegate(name), 1) for name in delegates]


def compare(runner, *delegates, **settings):
    settings = Settings.for_host(**{"rounds": 3, "seconds": 0.0, **settings})
    protocol = Protocol(Host(), runner, settings, Numbers)
    return [record for _, record in protocol.compare(jobs(*delegates))]


def test_the_record_of_known_times():
    runner = Scripted({"cpu": [1.0, 2.0, 6.0], "xnnpack": [5.0]})
    cpu, xnnpack = compare(runner, "cpu", "xnnpack")
    assert cpu["summary"]["median_ms"] == 2.0
    assert cpu["summary"]["mean_ms"] == 3.0
    assert (cpu["summary"]["init_ms"], cpu["summary"]["first_ms"]) == (4.0, 9.0)
    assert cpu["summary"]["warmup_runs"] == 2
    assert xnnpack["summary"]["median_ms"] == 5.0
    turns = ["round cpu", "round xnnpack"] * 3
    assert runner.asked == ["check cpu", "check xnnpack", "warm cpu", "warm xnnpack", *turns]
    assert runner.released == 1


def test_one_that_fails_leaves_the_others_alone():
    runner = Scripted({"cpu": [1.0], "xnnpack": [5.0]}, fails_at=2)
    runner.times_ms["gpu"] = []
    bad, _ = compare(runner, "cpu", "xnnpack")
    assert bad["verdict"] == "failed"
    assert "Out of memory at 64x64" in bad["why"]
    good = Scripted({"cpu": [1.0], "xnnpack": [5.0]})
    (record,) = compare(good, "xnnpack")
    assert [each["count"] for each in record["rounds"]] == [1, 1, 1]


def test_an_error_of_ours_ends_the_processes():
    class Broken(Scripted):
        def run(self, job, ask):
            raise RuntimeError("stop")

    runner = Broken({})
    with pytest.raises(RuntimeError, match="stop"):
        compare(runner, "cpu")
    assert runner.released == 1


def test_a_sustained_run_is_a_record_of_its_own():
    runner = Scripted({"cpu": [100.0]})
    record, curve = compare(runner, "cpu", sustained_min=0.001)
    assert len(record["rounds"]) == 3
    assert curve["requested"]["seconds"] is None
    assert len(curve["rounds"]) > 0


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only where somebody lets them."""

    class Clock:
        now = 100.0

        def perf_counter(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(run_tflite, "time", clock)
    return clock


def test_the_program_times_known_delays(clock, monkeypatch):
    """Set-up 2 s, the first run 1 s, warm runs 10 ms; what lies between runs is not counted."""

    class Slow(run_tflite.Interpreted):
        def __init__(self, job):
            clock.now += 2
            self.runtime, self.delays = "slow 1.0", itertools.chain([1.0], itertools.repeat(0.01))

        @staticmethod
        def load(job):
            clock.now += 50  # importing is not set-up

        def files(self, paths):
            return []

        def write(self, arrays):
            clock.now += 7

        def run(self):
            clock.now += next(self.delays)

    monkeypatch.setattr(run_tflite, "Interpreted", Slow)
    job = {"delegate": "xnnpack", "workers": 1, "tiles": [], "inputs": []}
    measured = run_tflite.Measured(job)
    assert measured.about["init_ms"] == pytest.approx(2000)
    assert measured.about["first_ms"] == pytest.approx(1000)
    request = {"runs": 3, "seconds": 0, "warmup_s": 5, "most_s": 9, "cold": False, "output": ""}
    answer = measured.answer(request)
    assert answer["times_ms"] == pytest.approx([10] * 3)
    assert answer["warmups"] == 4  # the first, and three that are alike
    assert measured.answer({**request, "runs": 1, "seconds": 0.095})["times_ms"] == pytest.approx(
        [10] * 10
    )
    assert len(measured.answer({**request, "runs": 999, "most_s": 0.045})["times_ms"]) == 5
    before = clock.now
    measured.answer({**request, "runs": 1, "cold": True})
    assert clock.now - before == pytest.approx(0.02)  # one untimed, then the one


def program(code):
    return [sys.executable, "-c", f"import sys, os, time; sys.stdin.readline(); {code}"]


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("sys.exit('out of paper')", Died, "the printer failed: out of paper"),
        ("os.kill(os.getpid(), 9)", Killed, "was killed, likely out of memory"),
        ("os.abort()", Died, r"the printer crashed \(SIGABRT\)"),
        ("time.sleep(60)", Hung, "did not end within 0.5 s"),
    ],
)
def test_how_a_child_ends(code, error, words):
    with pytest.raises(error, match=words):
        Child("the printer", program(code), {}, limit_s=0.5 if error is Hung else None)


def test_what_a_child_prints_is_kept():
    code = "print('hello'); print('{}'); sys.stdout.flush(); sys.stdin.read()"
    with Child("the printer", program(code), {}) as child:
        assert child.about == {}
        assert "hello" in child.printed()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.kill(os.getpid(), 9)", "Out of memory at 64x64"),
        ("os.abort()", "It crashed: an assertion in it failed (SIGABRT)."),
        ("raise MemoryError", "Out of memory at 64x64"),
        ("raise RuntimeError('no such op')", "The runtime failed: no such op."),
    ],
)
def test_a_model_whose_process_dies_has_a_sentence(tmp_path, monkeypatch, code, words):
    path = tmp_path / "run_tflite.py"
    path.write_text(f"import os\n{code}\n")
    monkeypatch.setattr(python, "PROGRAM", path)
    (record,) = benchmark(["denoise-s"], sizes=["64x64"], min_runs=1, seconds=0, rounds=1)
    assert record["verdict"] == "failed"
    assert words in record["why"]
    assert record["rounds"] == []
    assert record["summary"]["median_ms"] is None


def test_states_of_this_computer_are_kept():
    state = Host().state()
    assert isinstance(state, State)
    assert state.section()["thermal_status"] is None
