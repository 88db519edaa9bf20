"""Where a measurement happens, a phone or this machine, behind one small interface."""

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any, Protocol

import psutil

from lpie.benchmarks.adb.adb import Adb
from lpie.benchmarks.adb.state import State, free_mb, read_facts, read_state
from lpie.benchmarks.adb.wake import awake, workplace
from lpie.system.environment import cpu_name
from lpie.system.signals import undone_by_signals

HOST = "host"


class Place(Protocol):
    """A device. serial: what it is called, `host` for this machine."""

    serial: str

    def facts(self) -> dict[str, Any]:
        """The `device` of a record."""

    def state(self) -> State:
        """How it feels now."""

    def free_mb(self) -> float | None:
        """Memory that a new process may have."""

    def ready(self) -> contextlib.AbstractContextManager[str]:
        """A block in which it is awake; gives a folder there. Afterwards all is as before."""


class Phone:
    """A device behind adb."""

    def __init__(self, adb: Adb) -> None:
        self.adb, self.serial = adb, adb.serial

    def facts(self) -> dict[str, Any]:
        """The `device` of a record."""
        return read_facts(self.adb)

    def state(self) -> State:
        """Thermal status, temperatures, battery and clocks."""
        return read_state(self.adb)

    def free_mb(self) -> float | None:
        """MemAvailable."""
        return free_mb(self.adb)

    @contextlib.contextmanager
    def ready(self) -> Iterator[str]:
        """A folder of its own, the screen on."""
        with workplace(self.adb) as folder, awake(self.adb):
            yield folder


class Host:
    """This machine. Not a phone: its numbers are about itself."""

    serial = HOST

    def facts(self) -> dict[str, Any]:
        """The `device` of a record."""
        return {
            "serial": HOST,
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "memory_mb": round(psutil.virtual_memory().total / 1e6),
            "system": f"{platform.system()} {platform.machine()}",
        }

    def state(self) -> State:
        """Nothing is known of it."""
        return State()

    def free_mb(self) -> float | None:
        """Of the system."""
        return psutil.virtual_memory().available / 1e6

    @contextlib.contextmanager
    def ready(self) -> Iterator[str]:
        """A temporary folder."""
        with (
            tempfile.TemporaryDirectory(prefix="lpie-") as folder,
            undone_by_signals(lambda: shutil.rmtree(folder, ignore_errors=True)),
        ):
            yield folder
