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
from lpie.benchmarks.harness.device import Device, Host, Phone
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.measurement import Measurement
from lpie.benchmarks.harness.protocol import Protocol, Report
from lpie.benchmarks.harness.quality import Feed, feed_for
from lpie.benchmarks.harness.runner import Runner
from lpie.benchmarks.harness.settings import Settings
from lpie.benchmarks.harness.suite import Suite
from lpie.benchmarks.records.record import Record, new_run, write_records
from lpie.benchmarks.runners.benchmark_model import VARIABLE, BinaryRunner
from lpie.benchmarks.runners.lpie_app import AppRunner
from lpie.benchmarks.runners.python import PACKAGES, Board, PythonRunner, ThisComputer
from lpie.benchmarks.runners.tflite_app import ApkRunner
from lpie.errors import InputError, unknown_name
from lpie.tflite.interpreter import RuntimeName, find_interpreter

RunnerName = Literal["benchmark_model", "apk", "app", "python"]
Pair = tuple[Job, Record]


@dataclass(frozen=True)
class Tools:
    """What measures, and the files that it needs. On this computer it is always our Python.

    python: its command, "" for the usual one. runtime: the package of its interpreter, "" for
    whichever is there, on this computer ai-edge-litert.
    """

    runner: RunnerName = "benchmark_model"
    binary: Path | None = None
    libraries: tuple[Path, ...] = ()
    apk: Path | None = None
    python: str = ""
    runtime: RuntimeName | Literal[""] = ""

    def __post_init__(self) -> None:
        if self.runner not in get_args(RunnerName):
            raise unknown_name("runner", self.runner, get_args(RunnerName))
        if self.runtime and self.runtime not in PACKAGES:
            raise unknown_name("runtime", self.runtime, PACKAGES)
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


def benchmark(
    models: Sequence[Path | str],
    *,
    sizes: Sequence[str] | None = None,
    delegates: Sequence[str] = ("xnnpack",),
    threads: int | None = None,
    tiles: bool = False,
    tile_px: int | None = None,
    min_runs: int = Settings.for_host().runs,
    seconds: float = Settings.for_host().seconds,
    rounds: int = Settings.for_host().rounds,
    warmup_s: float = Settings.for_host().warmup_s,
    max_memory_mb: float | None = None,
    runtime: RuntimeName = "ai-edge-litert",
    progress: Callable[[Sequence[Any]], Any] = lambda jobs: jobs,
) -> list[Record]:
    """Measure the latency and memory of `.tflite` files on this computer.

    Each model runs in a process of its own, which holds the runtime and nothing of lpie. The
    rounds of the models at one size take turns, as many models at once as fit in memory. This is
    what `lpie bench` does.

    Args:
        models: `.tflite` files, or names of pretrained networks.
        sizes: Image sizes, each `WIDTHxHEIGHT`, `fhd` or `4k`. None for 256x256, fhd and 4k; a
            network that cannot be resized is then measured once, at its own size.
        delegates: `xnnpack`, `cpu` (TFLite's own kernels) or `gpu`, with `-fp32` for its precision.
        threads: CPU threads; None for one for each core.
        tiles: Restore as `lpie restore` does, by the tiles of `Restorer.plan`, 8 bits in and out,
            copies and padding included. Else the whole image runs at once, and the network alone
            is timed.
        tile_px: The longest side of a tile, in px; None for the fastest on this computer.
        min_runs: The fewest runs in each round.
        seconds: The shortest duration of each round.
        rounds: How often each model has its turn.
        warmup_s: How long a model warms up at most, in seconds; it ends when runs are alike.
        max_memory_mb: What is expected to need more, in 10^6 bytes, is not run: its verdict is
            `failed`. None for 80 % of the free memory.
        runtime: `ai-edge-litert` or `tflite-runtime`.
        progress: Receives the list of all rounds and returns it, or an iterator of it that shows
            how far the work is.

    Returns:
        One record for each model and size, in the order models, then sizes, then delegates;
        `benchmarks/records/record.schema.json` describes it.

    Raises:
        InputError: When a model, size or option is not valid.
    """
    if tile_px is not None and not tiles:
        raise InputError("`tile_px` has no effect without `tiles`. Set tiles=True, or omit it.")
    if min_runs < 1:
        raise InputError(f"`min_runs` must be 1 or more. Received: {min_runs!r}.")
    settings = Settings.for_host(
        rounds=rounds,
        runs=min_runs,
        seconds=seconds,
        warmup_s=warmup_s,
        mode="tiles" if tiles else "whole",
        tile_px=tile_px,
        max_memory_mb=max_memory_mb,
    )
    suite = Suite(
        tuple(str(model) for model in models),
        tuple(sizes or ()),
        tuple(delegates),
        (threads,) if threads else (),
        settings=settings,
    )
    return bench(suite, [None], tools=Tools(runtime=runtime), progress=progress)


def bench(
    suite: Suite,
    devices: Sequence[Adb | None],
    *,
    tools: Tools | None = None,
    photos: Photos | None = None,
    folder: Path | None = None,
    report: Report = lambda line: None,
    progress: Callable[[Sequence[Any]], Any] = lambda jobs: jobs,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Record]:
    """The records of a suite on `devices`: phones at the same time, then this computer (None).

    folder: each record is also written here as soon as it is there. A device that fails leaves
    records that say so. They come by device, then model, then size.
    """
    tools, photos = tools or Tools(), photos or Photos()
    bench = Bench(suite, tools, photos, folder, report, sleep, progress)
    phones = [Phone(adb) for adb in devices if adb is not None]
    host = bench.host() if None in devices else None
    # Everything is checked before any device has work.
    groups = {device.serial: bench.groups(device) for device in (*phones, host) if device}
    with ThreadPoolExecutor(max(len(phones), 1)) as pool:
        futures = [
            pool.submit(bench.measure, phone, phone.adb, groups[phone.serial]) for phone in phones
        ]
        pairs = [pair for future in futures for pair in future.result()]
    if host:
        pairs += bench.measure(host, None, groups[host.serial])
    return [record for _, record in pairs]


class Bench:
    """A suite and all that its devices share."""

    def __init__(
        self,
        suite: Suite,
        tools: Tools,
        photos: Photos,
        folder: Path | None,
        report: Report,
        sleep: Callable[[float], None],
        progress: Callable[[Sequence[Any]], Any],
    ) -> None:
        self._suite, self._tools, self._photos = suite, tools, photos
        self._folder, self._report, self._sleep = folder, report, sleep
        self._progress = progress
        self._lock = threading.Lock()
        self._feeds: dict[str, Feed] = {}

    def host(self) -> Host:
        """This computer; an `InputError` where it lacks the runtime."""
        if self._tools.python:
            return Host()
        runtime = self._tools.runtime or "ai-edge-litert"
        find_interpreter(runtime)
        return Host(runtime)

    def groups(self, device: Device) -> list[list[Job]]:
        """The jobs of a device; an `InputError` for what could not be measured."""
        groups = self._suite.groups(threads=device.threads)
        asked = [name for name in ("photo", "reference") if getattr(self._photos, name)]
        if asked and not any(job.restores for jobs in groups for job in jobs):
            raise InputError(
                f"`{asked[0]}` is for networks that take one RGB image and return one. Omit it."
            )
        return groups

    def measure(self, device: Device, adb: Adb | None, groups: list[list[Job]]) -> list[Pair]:
        """The jobs of a device with their records, in the order of the suite's models."""
        pairs: list[Pair] = []
        jobs = [job for group in groups for job in group]
        rounds = [(job, number) for job in jobs for number in range(self._suite.settings.rounds)]
        bar = iter(self._progress(rounds))
        try:
            with device.ready() as folder:
                runner = self._runner(adb, folder, device)
                for job in jobs:
                    runner.about(job)
                protocol = Protocol(
                    device,
                    runner,
                    self._suite.settings,
                    self._feed,
                    report=lambda line: self._report(f"{device.serial}: {line}"),
                    on_round=lambda: next(bar, None),
                    sleep=self._sleep,
                )
                for group in groups:
                    pairs += self._kept(protocol.compare(group))
        except PhoneError as error:  # before the first job: the protocol keeps what comes later
            run = new_run()
            for job in jobs:
                missed = Measurement(job)
                missed.stop(str(error))
                facts = {"serial": device.serial}
                record = missed.record(facts, {}, self._suite.settings, run)
                pairs += self._kept([(job, record)])
        for _ in bar:  # rounds that were left out
            pass
        models = self._suite.files()
        return sorted(pairs, key=lambda pair: models.index(pair[0].model))

    def _kept(self, pairs: list[Pair]) -> list[Pair]:
        for _, record in pairs if self._folder else ():
            assert self._folder is not None
            write_records(_file(self._folder, record), [record])
        return pairs

    def _feed(self, job: Job) -> Feed:
        """What goes into a job, and the right answer: the same for all devices."""
        with self._lock:  # one at a time: they share this computer's cores and its memory
            key = job.key()
            if key not in self._feeds:
                self._feeds[key] = feed_for(job, self._photos.photo, self._photos.reference)
            return self._feeds[key]

    def _runner(self, adb: Adb | None, folder: str, device: Device) -> Runner:
        tools = self._tools
        if adb is None:
            return PythonRunner(ThisComputer(Path(folder), tools.python), "host", tools.runtime)
        if tools.runner == "python":
            return PythonRunner(Board(adb, folder, tools.python), "python_arm", tools.runtime)
        if tools.runner == "apk":
            return ApkRunner(adb, folder, apk=tools.apk, sleep=self._sleep)
        if tools.runner == "app":
            return AppRunner(adb, folder, apk=tools.apk, sleep=self._sleep)
        if tools.binary is None:
            raise InputError(
                f"The runner benchmark_model needs the program for the phone: --binary PATH or "
                f"{VARIABLE}. The README says where it comes from."
            )
        abi = device.facts().get("abi") or ""
        runner = BinaryRunner(adb, folder, binary=tools.binary, libraries=tools.libraries, abi=abi)
        if self._photos.photo or self._photos.reference:
            runner.check_takes_photos()
        return runner


def _file(folder: Path, record: Record) -> Path:
    """Where a record goes; a second one of the same name (sustained, whole before tiles) beside."""
    asked = record["requested"]
    words = [
        record["device"]["serial"],
        str(record["model"]["file"]).removesuffix(".tflite"),
        asked["size"],
        asked["mode"],
        asked["delegate"],
        asked["precision"],
        asked["accelerator"],
        asked["threads"] and f"{asked['threads']}threads",
    ]
    name = "-".join(str(word) for word in words if word)
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    path, number = folder / f"{safe}.json", 2
    while path.exists():
        path, number = folder / f"{safe}-{number}.json", number + 1
    return path
