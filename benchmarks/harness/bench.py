"""A suite on several devices at once: a record for each job, whatever happens to it."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from lpie.benchmarks.adb.adb import Adb
from lpie.benchmarks.adb.failures import PhoneError
from lpie.benchmarks.harness.device import Host, Phone, Place
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.measurement import Measurement
from lpie.benchmarks.harness.protocol import Protocol
from lpie.benchmarks.harness.quality import Picture
from lpie.benchmarks.harness.runner import Runner
from lpie.benchmarks.harness.suite import Suite
from lpie.benchmarks.records.record import new_run, write_records
from lpie.benchmarks.runners.benchmark_model import VARIABLE, BinaryRunner
from lpie.benchmarks.runners.lpie_app import AppRunner
from lpie.benchmarks.runners.python import Board, PythonRunner, ThisMachine
from lpie.benchmarks.runners.tflite_app import ApkRunner
from lpie.errors import InputError, unknown_name

RunnerName = Literal["benchmark_model", "apk", "app", "python"]
Record = dict[str, Any]


@dataclass(frozen=True)
class Tools:
    """What measures on phones, and the files that it needs. On this machine it is our Python.

    python: its command there, "" for the usual one.
    """

    runner: RunnerName = "benchmark_model"
    binary: Path | None = None
    libraries: tuple[Path, ...] = ()
    apk: Path | None = None
    python: str = ""

    def __post_init__(self) -> None:
        if self.runner not in get_args(RunnerName):
            raise unknown_name("runner", self.runner, get_args(RunnerName))
        for file in (*self.libraries, *([self.apk] if self.apk else [])):
            if not file.is_file():
                raise InputError(f"{file} does not exist or is not a file.")


@dataclass(frozen=True)
class Photos:
    """What is restored, and what is right. photo: None for the built-in one, with noise.

    reference: a `.tflite` in float whose output here is right; None for each job's own file.
    """

    photo: Path | None = None
    reference: Path | None = None


def bench(
    suite: Suite,
    devices: Sequence[Adb | None],
    *,
    tools: Tools | None = None,
    photos: Photos | None = None,
    folder: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Record]:
    """The records of a suite on `devices`, phones at the same time, this machine (None) after them.

    folder: each record is also written here as soon as it is there. A device that fails leaves
    records that say so.
    """
    groups = suite.groups()
    pictures = _Pictures(photos or Photos())
    tools = tools or Tools()

    def measure(adb: Adb | None) -> list[Record]:
        place: Place = Host() if adb is None else Phone(adb)
        return _measure(place, adb, suite, groups, tools, pictures, folder, tell, sleep)

    phones = [adb for adb in devices if adb is not None]
    records: list[Record] = []
    if phones:
        with ThreadPoolExecutor(len(phones)) as pool:
            for future in [pool.submit(measure, adb) for adb in phones]:
                records += future.result()
    return records + (measure(None) if len(phones) < len(devices) else [])


def _measure(
    place: Place,
    adb: Adb | None,
    suite: Suite,
    groups: Sequence[Sequence[Job]],
    tools: Tools,
    pictures: "_Pictures",
    folder: Path | None,
    tell: Callable[[str], None],
    sleep: Callable[[float], None],
) -> list[Record]:
    records: list[Record] = []

    def keep(found: Sequence[Record]) -> None:
        records.extend(found)
        for record in found:
            if folder is not None:
                write_records(_file(folder, record), [record])

    def say(line: str) -> None:
        tell(f"{place.serial}: {line}")

    try:
        with place.ready() as there:
            runner = _runner(adb, there, place, tools, sleep)
            for job in (job for jobs in groups for job in jobs):
                runner.about(job)
            protocol = Protocol(place, runner, suite.settings, pictures, tell=say, sleep=sleep)
            for jobs in groups:
                keep(protocol.compare(jobs))
    except PhoneError as error:  # before the first job: the protocol keeps what comes later
        run = new_run()
        for job in (job for jobs in groups for job in jobs):
            missed = Measurement(job)
            missed.stop(str(error))
            keep([missed.record({"serial": place.serial}, {}, suite.settings, run)])
    return records


def _runner(
    adb: Adb | None, folder: str, place: Place, tools: Tools, sleep: Callable[[float], None]
) -> Runner:
    if adb is None:
        return PythonRunner(ThisMachine(Path(folder), tools.python), "host")
    if tools.runner == "python":
        return PythonRunner(Board(adb, folder, tools.python), "python_arm")
    if tools.runner == "apk":
        return ApkRunner(adb, folder, apk=tools.apk, sleep=sleep)
    if tools.runner == "app":
        return AppRunner(adb, folder, apk=tools.apk, sleep=sleep)
    if tools.binary is None:
        raise InputError(
            f"The runner benchmark_model needs the program for the phone: --binary PATH or "
            f"{VARIABLE}. The README says where it comes from."
        )
    abi = place.facts().get("abi") or ""
    return BinaryRunner(adb, folder, binary=tools.binary, libraries=tools.libraries, abi=abi)


class _Pictures:
    """A job's photo and the right answer, made once for all devices."""

    def __init__(self, photos: Photos) -> None:
        self._photos, self._lock = photos, threading.Lock()
        self._made: dict[str, Picture] = {}

    def __call__(self, job: Job) -> Picture:
        with self._lock:  # one at a time: they share this machine's cores and its memory
            if job.key() not in self._made:
                photos = self._photos
                self._made[job.key()] = Picture(job, photos.photo, photos.reference)
            return self._made[job.key()]


def _file(folder: Path, record: Record) -> Path:
    """Where a record goes; a second one of the same name (sustained, whole before tiles) beside."""
    asked = record["requested"]
    words = [
        record["device"]["serial"], record["model"]["file"].removesuffix(".tflite"), asked["size"],
        asked["mode"], asked["delegate"], asked["precision"], asked["accelerator"],
        asked["threads"] and f"{asked['threads']}threads",
    ]  # fmt: skip
    name = "-".join(str(word) for word in words if word)
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    path, number = folder / f"{safe}.json", 2
    while path.exists():
        path, number = folder / f"{safe}-{number}.json", number + 1
    return path
