from pathlib import Path

from lpie.benchmarks.harness import host_turns as measurement
from lpie.benchmarks.harness.child import Child, Killed
from lpie.benchmarks.harness.host import job_for
from lpie.benchmarks.harness.host_turns import Turns
from lpie.weights import tflite_file


def job(**changed):
    least = {"threads": 1, "min_runs": 1, "seconds": 0, "rounds": 2}
    return {**job_for(tflite_file(Path("denoise-s")), "64x64", **least), **changed}


def records(*jobs):
    turns = Turns()
    for each in jobs:
        turns.add(each)
    with turns:
        for number in range(2):
            turns.take_turns(number)
    return [each.record() for each in turns.members]


def test_one_that_fails_leaves_the_others_alone():
    good, bad = records(job(), job(mode="tiles", tile_px=1))
    assert good["verdict"] in ("valid", "unstable", "throttled")
    assert [each["count"] for each in good["rounds"]] == [1, 1]
    assert bad["verdict"] == "failed"
    assert bad["why"].startswith("Timing ")
    assert bad["rounds"] == []
    assert bad["summary"]["median_ms"] is None


def test_one_that_is_killed_ran_out_of_memory(monkeypatch):
    class Dying(Child):
        def ask(self, request):
            if "seconds" in request and "cold" in request:
                raise Killed("Timing it was killed, likely out of memory.")
            return super().ask(request)

    monkeypatch.setattr(measurement, "Child", Dying)
    (record,) = records(job())
    assert record["verdict"] == "failed"
    assert "out of memory" in record["why"]


def test_an_error_of_ours_ends_the_processes():
    turns = Turns()
    turns.add(job())
    turns.take_turns(0)
    process = turns.members[0]._child._process
    turns.__exit__(RuntimeError, RuntimeError("stop"), None)
    assert process.poll() is not None
