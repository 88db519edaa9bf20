"""Models at one size on this machine, each in a process of its own, timed in turns."""

import importlib.metadata
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from lpie.benchmarks.harness.child import Child
from lpie.benchmarks.records.record import (
    Record,
    model_section,
    new_record,
    new_run,
    now,
    timed_round,
)
from lpie.benchmarks.records.schema import Round, State, blank
from lpie.errors import LpieError
from lpie.system.environment import cpu_name


class Turns:
    """Measurements that take turns: A B A B, so that what disturbs the machine disturbs them all.

    As a context it ends their processes, at once after an error.
    """

    def __init__(self) -> None:
        self.members: list[Measurement] = []
        self._run = new_run()
        self._start_s = 0.0

    def add(self, job: dict[str, Any], *, refused: str = "") -> None:
        """Add a job of `lpie.benchmarks.harness.host`. refused: why it is not run, for its record."""
        self.members.append(Measurement(job, run=self._run, refused=refused))

    def take_turns(self, number: int) -> None:
        """Round `number` of each, from 0; they are set up and warmed up before the first one."""
        if number == 0:
            for each in self.members:
                each.start()
            self._start_s = time.monotonic()
        for each in self.members:
            at_s = time.monotonic() - self._start_s
            each.round(number, at_s=at_s, alone=len(self.members) == 1)

    def __enter__(self) -> "Turns":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        for each in self.members:
            each.close(error)


class Measurement:
    """Starts a process, takes rounds, and makes the record of it all.

    run: the schema's, shared by those that take turns.
    """

    def __init__(self, job: dict[str, Any], *, run: str, refused: str = "") -> None:
        self.job, self._run, self._failed = job, run, refused
        self._child: Child | None = None
        self._about: dict[str, Any] = {}
        self._rounds: list[Round] = []
        self._started = now()
        self._before: State | None = None
        self._peak_mb: float | None = None

    def start(self) -> None:
        """Set the model up and warm it up; the record says when that fails."""
        if self._failed:
            return
        name = f"Timing {self.job['model']} at {self.job['size']}"
        try:
            self._started, self._before = now(), state()
            command = [sys.executable, "-m", "lpie.benchmarks.runners.host_child"]
            self._child = Child(name, command, self.job)
            self._about = self._child.about
        except LpieError as error:
            self._fail(error)

    def round(self, number: int, *, at_s: float, alone: bool) -> None:
        """Measure a round, `at_s` after the first one of all. alone: no other takes turns."""
        if self._child is None:
            return
        rounds, least = self.job["rounds"], self.job["min_runs"]
        request = {
            "min_runs": max(least // rounds + (number < least % rounds), 1),
            "seconds": self.job["seconds"] / rounds,
            "cold": not alone,
        }
        try:
            answer = self._child.ask(request)
        except LpieError as error:
            self._fail(error)
            return
        self._peak_mb = answer["peak_mb"]
        self._rounds.append(timed_round(answer["times_ms"], at_s=at_s, state=state()))

    def close(self, error: BaseException | None = None) -> None:
        """End the process, at once after an error."""
        child, self._child = self._child, None
        if child is not None:
            child.__exit__(type(error) if error else None, error, None)

    def record(self) -> Record:
        """What was measured."""
        measured = self._rounds and not self._failed
        told = ("init_ms", "first_ms", "warmup_ms", "warmup_runs") if measured else ()
        asked = ("threads", "size", "mode", "tiles", "min_runs", "seconds", "rounds")
        return new_record(
            rounds=self._rounds if measured else [],
            failed=self._failed,
            run=self._run,
            started=self._started,
            model=model_section(Path(self.job["model"])),
            device=machine(),
            runner={"name": "host", "version": _version(self.job["runtime"])},
            requested={"delegate": "cpu", **{key: self.job[key] for key in asked}},
            state={
                "before": self._before,
                "after": self._rounds[-1]["state"] if measured else None,
            },
            summary={key: self._about[key] for key in told},
            memory={
                "peak_mb": self._peak_mb,
                "baseline_mb": self._about.get("baseline_mb"),
                "estimated_mb": self.job["estimated_mb"],
            },
            energy={"unavailable": "Not measured on this machine."},
        )

    def _fail(self, error: LpieError) -> None:
        self._failed = str(error)
        self.close(error)


def machine() -> dict[str, Any]:
    """The schema's `device` of this machine."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "system": f"{platform.system()} {platform.machine()}",
        "abi": platform.machine(),
    }


def state() -> State:
    """The schema's `state` of this machine, as far as the system tells."""
    sensors: dict[str, Any] = getattr(psutil, "sensors_temperatures", dict)()
    named = {f"{chip} {s.label}".strip(): s.current for chip, all_ in sensors.items() for s in all_}
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return {
        **blank("state"),
        "temperatures_c": {name: value for name, value in named.items() if value is not None},
        "frequencies_mhz": {"cpu": frequency.current} if frequency else {},
    }


def _version(runtime: str) -> str:
    return f"{runtime} {importlib.metadata.version(runtime)}"
