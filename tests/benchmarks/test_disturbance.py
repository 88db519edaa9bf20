"""Other work on the machine is noticed, kept in the record and said."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lpie.benchmarks.harness.other_work import LEAST_S, Reading, read, work_since
from lpie.benchmarks.records.compare import compared
from lpie.benchmarks.records.disturbance import disturbance, most_disturbed, other_cores
from lpie.benchmarks.records.record import new_record, summed_round
from lpie.benchmarks.reports.record_rows import to_csv, to_html, to_markdown


def record(*others, cores=4, **more):
    rounds = [summed_round(median_ms=10.0, count=9, other_cores=o, **more) for o in others]
    return new_record(rounds=rounds, run="r", device={"cores": cores}, model={"file": "a.tflite"})


def test_other_programs_are_said_from_a_tenth_of_all_cores_on():
    assert disturbance(record(0.3, 0.4, 0.3)) == ""
    assert disturbance(record(None, None, None)) == ""
    said = disturbance(record(1.0, 2.0, 0.9))
    assert said.startswith("Other programs kept 1.3 of 4 cores busy during the rounds")
    assert other_cores(record(1.0, None, 2.0)) == 1.5


def test_heat_and_a_limit_of_a_container_are_said():
    assert "slowed itself by heat 3 times" in disturbance(record(0, 0, 0, heat_events=1))
    assert "held the rounds back for 1.5 s" in disturbance(record(0, 0, 0, held_back_s=0.5))


def test_the_worst_of_several_is_said_once():
    quiet, busy, busier = record(0, 0, 0), record(1, 1, 1), record(3, 3, 3)
    assert most_disturbed([quiet]) == (0, "")
    assert most_disturbed([busy, quiet, busier]) == (2, disturbance(busier))
    assert compared(quiet, quiet, 0.05).why == ""
    assert compared(quiet, busy, 0.05).why == f"B: {disturbance(busy)}"
    assert compared(busier, busy, 0.05).why == f"A and B: {disturbance(busier)}"


def test_reports_show_it():
    busy, quiet = record(1, 1, 1), record(0, 0, 0)
    assert "valid, disturbed" in to_html("", [busy])
    assert "Other programs kept 1.0 of 4 cores busy" in to_html("", [busy])
    assert "disturbed" not in to_html("", [quiet])
    assert "Other programs" in to_markdown([busy])
    assert "Other programs" not in to_markdown([quiet])
    assert ",other_cores," in to_csv([busy])


def test_counters_by_hand():
    before = Reading(10.0, busy_s=100.0, own_s=5.0, heat_events=7, held_back_s=0.5)
    after = Reading(12.0, busy_s=106.0, own_s=8.0, heat_events=9, held_back_s=0.5)
    assert work_since(before, after) == {"other_cores": 1.5, "heat_events": 2, "held_back_s": 0}
    unknown = Reading(12.0, None, None, None, None)
    nothing = {"other_cores": None, "heat_events": None, "held_back_s": None}
    assert work_since(before, unknown) == nothing
    assert work_since(None, after) == {}
    short = Reading(10.0 + LEAST_S / 2, 101.0, 5.0, 7, 0.5)
    assert work_since(before, short)["other_cores"] is None


def test_files_of_the_kernel_are_read(tmp_path):
    for core, count in ((0, 3), (1, 4)):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{core}/thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.stat").write_text("usage_usec 9\nthrottled_usec 2500000\n")
    reading = read(tmp_path)
    assert (reading.heat_events, reading.held_back_s) == (7, 2.5)
    assert read(tmp_path / "none").heat_events is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_real_program_beside_is_seen():
    # Started by a shell that ends, so that it is nobody's child: a stranger's program.
    loop = f"{sys.executable} -c 'while True: pass' >/dev/null 2>&1 & echo $!"
    stranger = subprocess.run(["sh", "-c", loop], capture_output=True, text=True, check=True)
    try:
        before = read()
        time.sleep(2 * LEAST_S)
        seen = work_since(before, read())["other_cores"]
    finally:
        os.kill(int(stranger.stdout), signal.SIGKILL)
    assert seen > 0.1
