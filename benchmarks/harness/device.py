"""Where a measurement happens, a phone or this computer, behind one small interface."""

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import psutil

from lpie.benchmarks.adb.adb import Adb
from lpie.benchmarks.adb.state import State, free_mb, read_facts, read_state
from lpie.benchmarks.adb.wake import awake, workplace
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.other_work import Reading, read
from lpie.benchmarks.harness.settings import Settings
from lpie.restore.restorer import Restorer
from lpie.system.environment import cpu_name
from lpie.system.signals import undone_by_signals
from lpie.tflite.interpreter import RuntimeName

HOST = "host"


class Device(Protocol):
    """A device.

    serial: what it is called, `host` for this computer. threads: what a CPU uses by default.
    cools: rounds wait until it is cool. refuses: what would not fit in memory is not tried.
    """

    serial: str
    threads: int
    cools: bool
    refuses: bool

    def facts(self) -> dict[str, Any]:
        """The `device` of a record."""

    def state(self) -> State:
        """Its temperatures, clocks and battery now."""

    def counters(self) -> Reading | None:
        """What tells other work between two readings; None where nothing does."""

    def free_mb(self) -> float | None:
        """Memory that a new process may have, in 10^6 bytes."""

    def tiled(self, job: Job, settings: Settings) -> Job:
        """The job by tiles; an `InputError` where they would not be exact."""

    def ready(self) -> contextlib.AbstractContextManager[str]:
        """A block in which it is awake; gives a folder there. Afterwards all is as before."""


class Phone:
    """A device behind adb."""

    threads, cools, refuses = 4, True, False

    def __init__(self, adb: Adb) -> None:
        self.adb, self.serial = adb, adb.serial

    def facts(self) -> dict[str, Any]:
        """The `device` of a record."""
        return read_facts(self.adb)

    def state(self) -> State:
        """Thermal status, temperatures, battery and clocks."""
        return read_state(self.adb)

    def counters(self) -> Reading | None:
        """None: a process that has ended leaves no count of its time on a phone."""
        return None

    def free_mb(self) -> float | None:
        """MemAvailable."""
        return free_mb(self.adb)

    def tiled(self, job: Job, settings: Settings) -> Job:
        """By tiles of one size, one after the other."""
        return job.tiled(settings.longest_tile)

    @contextlib.contextmanager
    def ready(self) -> Iterator[str]:
        """A folder of its own, the screen on."""
        with workplace(self.adb) as folder, awake(self.adb):
            yield folder


class Host:
    """This computer. runtime: what plans the tiles, where it may have to time itself for that."""

    serial, cools, refuses = HOST, False, True

    def __init__(self, runtime: RuntimeName = "ai-edge-litert") -> None:
        self._runtime = runtime
        self.threads = os.cpu_count() or 1

    def facts(self) -> dict[str, Any]:
        """The `device` of a record."""
        return {
            "serial": HOST,
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "memory_mb": round(psutil.virtual_memory().total / 1e6),
            "system": f"{platform.system()} {platform.machine()}",
            "abi": platform.machine(),
        }

    def state(self) -> State:
        """Temperatures and the CPU's clock, as far as the system tells them."""
        sensors: dict[str, Any] = getattr(psutil, "sensors_temperatures", dict)()
        temperatures = {
            f"{chip} {sensor.label}".strip(): sensor.current
            for chip, listed in sensors.items()
            for sensor in listed
            if sensor.current is not None
        }
        frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
        clocks = {"cpu": frequency.current} if frequency else {}
        return State(temperatures_c=temperatures, frequencies_mhz=clocks)

    def counters(self) -> Reading | None:
        """The CPU time of all programs and of our own, heat, and a container's limit."""
        return read()

    def free_mb(self) -> float | None:
        """Of the system."""
        return psutil.virtual_memory().available / 1e6

    def tiled(self, job: Job, settings: Settings) -> Job:
        """By the plan of `lpie restore` for this computer."""
        job.check_tileable()
        assert job.size is not None
        restorer = Restorer(
            job.model, tile_px=settings.tile_px, threads=job.threads, runtime=self._runtime
        )
        plan = restorer.plan(*job.size)
        restorer.close()
        return replace(job, tiling=plan, estimated_mb=plan.estimated_mb)

    @contextlib.contextmanager
    def ready(self) -> Iterator[str]:
        """A temporary folder."""
        with (
            tempfile.TemporaryDirectory(prefix="lpie-") as folder,
            undone_by_signals(lambda: shutil.rmtree(folder, ignore_errors=True)),
        ):
            yield folder
