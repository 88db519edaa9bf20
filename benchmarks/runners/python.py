"""Our own runner, a Python program: on this computer, or on an Arm Linux board behind adb.

It times every run, and with tiles the whole way from pixels to pixels.
"""

import json
import math
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from lpie.benchmarks.adb.adb import Adb, Printed
from lpie.benchmarks.adb.failures import PhoneError
from lpie.benchmarks.adb.wake import end_all
from lpie.benchmarks.harness.delegate import CPU
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.quality import Feed
from lpie.benchmarks.harness.runner import Ask, Outcome, Runner, Section
from lpie.benchmarks.logs.read import parse_log
from lpie.benchmarks.records.record import timed_round
from lpie.benchmarks.runners.outcome import failed
from lpie.benchmarks.runners.run_tflite import ANSWER
from lpie.errors import InputError, last_line
from lpie.system.child import Child, Died, Hung
from lpie.system.files import sha256
from lpie.system.limits import Limits, available_mb
from lpie.system.signals import child

# The last line of a traceback; runtimes talk on as they leave.
RAISED = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*$", re.MULTILINE)
KILLED_BY_SIGNAL = 128  # exit codes from here on name a signal
PROGRAM = Path(__file__).with_name("run_tflite.py")
PACKAGES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}


class Computer(Protocol):
    """Where the program runs: files put into its folder, and one Python."""

    folder: str
    stays_up: bool

    def put(self, name: str, data: bytes) -> None: ...
    def get(self, name: str) -> bytes: ...
    def python(self, words: list[str], limit_s: float) -> Printed: ...
    def answer(
        self, job: Section, request: Section, limit_s: float
    ) -> tuple[dict[str, Any], str]: ...
    def release(self) -> None: ...


class PythonRunner(Runner):
    """`run_tflite.py` on a computer.

    name: what records call it. runtime: the package of the interpreter; "" for whichever is there.
    """

    def __init__(self, computer: Computer, name: str, runtime: str = "") -> None:
        self._computer, self._name, self._runtime = computer, name, runtime
        self.stays_up = computer.stays_up
        self._version: str | None = None
        self._jobs: dict[str, Section] = {}
        _check_python(computer, runtime)
        computer.put(PROGRAM.name, PROGRAM.read_bytes())

    def about(self, job: Job) -> Section:
        """The `runner` of a record."""
        if job.delegate.name not in (*CPU, "gpu"):
            raise InputError(
                f"The Python runner has no delegate {job.delegate}: choose cpu, xnnpack or gpu."
            )
        return {"name": self._name, "version": self._version, "binary_sha256": sha256(PROGRAM)}

    def prepare(self, job: Job, feed: Feed) -> None:
        """Bring over the model for the job's tile, and what goes in."""
        key = job.key()
        tensors = feed.tensors() if job.whole else [feed.pixels()]
        inputs = [f"{key}-{number}.raw" for number in range(len(tensors))]
        if key not in self._jobs:
            self._computer.put(f"{key}.tflite", job.data())
            for name, tensor in zip(inputs, tensors, strict=True):
                self._computer.put(name, tensor)
        plan, folder = job.tiling, self._computer.folder
        self._jobs[key] = {
            "model": f"{folder}/{key}.tflite",
            "inputs": [f"{folder}/{name}" for name in inputs],
            "shapes": [] if job.restores else [list(shape) for shape in job.shapes],
            "size": [job.size.width, job.size.height] if job.size else None,
            "tiles": [list(tile) for tile in job.plan()] if plan else [],
            "workers": plan.workers if plan else 1,
            "scales": feed.scales(),
            "scale": job.scale,
        }

    def run(self, job: Job, ask: Ask) -> Outcome:
        """One request to the program."""
        plan = job.tiling
        shared = plan is not None and plan.workers > 1
        details = {
            **self._jobs[job.key()],
            "delegate": job.delegate.name,
            "precision": job.delegate.precision,
            "threads": plan.threads if plan and shared else job.threads or 1,
            "runtime": self._runtime,
        }
        request = {
            # The first run of all is enough to see whether it works.
            "runs": 0 if ask.check else ask.runs,
            "seconds": 0 if ask.check else ask.seconds,
            "warmup_s": ask.warmup_s,
            "most_s": ask.limit_s / 2,
            "cold": ask.cold,
            "output": f"{self._computer.folder}/output.raw" if ask.check else "",
        }
        try:
            answer, log = self._computer.answer(details, request, ask.limit_s)
        except Hung:
            why = f"{self._name} did not end within {ask.limit_s:.0f} s; raise --timeout."
            return Outcome(log="", failed=why)
        except Died as error:
            return _died(error, job)
        outcome = self._outcome(answer, log, job)
        if ask.check:
            return replace(outcome, output=self._computer.get("output.raw"))
        return outcome

    def release(self) -> None:
        """End the processes that stay up."""
        self._computer.release()

    def _outcome(self, answer: dict[str, Any], log: str, job: Job) -> Outcome:
        self._version = f"{answer['runtime']} on {answer['machine']}"
        times, inference = answer["times_ms"], answer["inference_ms"]
        parts = {}
        if times and not job.whole:
            mean = sum(inference) / len(times)
            other = sum(times) / len(times) - mean
            parts = {"inference": mean, "tiling, copies and conversion": other}
        return Outcome(
            log=log,
            rounds=[timed_round(times)] if times else [],
            executed=_executed(job, answer, log),
            summary={
                "init_ms": answer["init_ms"],
                "first_ms": answer["first_ms"],
                "warmup_ms": answer["warmup_ms"],
                "warmup_runs": answer["warmups"],
                "parts_ms": parts,
            },
            memory={"peak_mb": answer["peak_mb"], "baseline_mb": answer["baseline_mb"]},
        )


def _died(error: Died, job: Job) -> Outcome:
    """The outcome of a program that ended without an answer: what the runtime said, else Python."""
    why = parse_log(error.printed, exit_code=None).failed
    if not why and error.code < KILLED_BY_SIGNAL:
        raised = RAISED.findall(error.printed) or [last_line(error.printed)]
        why = f"The runtime failed: {raised[-1].removeprefix('RuntimeError: ')[:300].rstrip('.')}."
    return failed(error.printed, error.code, job, reason=why)


def _executed(job: Job, answer: dict[str, Any], log: str) -> Section:
    """The `executed` of a record, from what the runtime announced when it was set up."""
    announced = answer.get("printed", log)
    if job.delegate.name == "gpu":
        if answer["complete"] and "Selected adapter" in announced:
            return {"delegate": "gpu", "full": True}
        why = "LiteRT's accelerator left ops to the CPU."
        if "Selected adapter" not in announced:
            why = (
                "LiteRT found no GPU by Vulkan. Install its driver; Mesa's (Debian: "
                "mesa-vulkan-drivers, 23 or later) needs no GPU."
            )
        return {"delegate": "xnnpack", "reasons": [why]}
    return {"delegate": "xnnpack" if "XNNPACK delegate for CPU" in announced else "cpu"}


class ThisComputer:
    """This computer, where a process for each job stays up until `release`.

    python: its command, as that of an environment with an older runtime.
    """

    stays_up = True

    def __init__(self, folder: Path, python: str = "") -> None:
        self.folder, self._python = str(folder), shlex.split(python) or [sys.executable]
        self._children: dict[str, Child] = {}
        self._read_to: dict[str, int] = {}

    def put(self, name: str, data: bytes) -> None:
        """A file in the folder."""
        Path(self.folder, name).write_bytes(data)

    def get(self, name: str) -> bytes:
        """A file out of the folder."""
        return Path(self.folder, name).read_bytes()

    def python(self, words: list[str], limit_s: float) -> Printed:
        """What the program printed; exit codes are a shell's."""
        pipe = subprocess.PIPE
        try:
            with child(
                [*self._python, *words], stdout=pipe, stderr=subprocess.STDOUT, errors="replace"
            ) as process:
                text, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise PhoneError("hung", "The program did not end.") from None
        except (FileNotFoundError, PermissionError):
            raise InputError(f"{self._python[0]} cannot be run. Give a Python: --python.") from None
        code = process.returncode
        return Printed(text, code if code >= 0 else 128 - code)

    def answer(self, job: Section, request: Section, limit_s: float) -> tuple[dict[str, Any], str]:
        """(what the job's process answered, what it has printed since the last request)."""
        key = json.dumps(job)
        try:
            if key not in self._children:
                command = [*self._python, f"{self.folder}/{PROGRAM.name}"]
                name = f"Timing {Path(job['model']).name}"
                limits = Limits(math.inf, available_mb())  # a model that takes more fails alone
                self._children[key] = Child(name, command, job, limit_s=limit_s, limits=limits)
                self._read_to[key] = 0
            process = self._children[key]
            reply = process.ask(request, limit_s=limit_s)
        except (Died, Hung) as error:
            ended = self._children.pop(key, None)
            if ended is not None:
                ended.__exit__(type(error), error, None)
            raise
        printed = process.printed()
        log, self._read_to[key] = printed[self._read_to[key] :], len(printed)
        return {**process.about, **reply, "printed": printed}, log

    def release(self) -> None:
        """End the processes; at once where one is still at work."""
        error = sys.exc_info()[1]
        for process in self._children.values():
            process.__exit__(type(error) if error else None, error, None)
        self._children.clear()


class Board:
    """A board behind adb, where a process runs for each request. python: its command."""

    stays_up = False

    def __init__(self, adb: Adb, folder: str, python: str = "") -> None:
        self._adb, self.folder = adb, folder
        self._python = shlex.split(python) or ["python3"]

    def put(self, name: str, data: bytes) -> None:
        """A file in the folder."""
        self._adb.send(data, f"{self.folder}/{name}")

    def get(self, name: str) -> bytes:
        """A file out of the folder."""
        return self._adb.fetch(f"{self.folder}/{name}")

    def python(self, words: list[str], limit_s: float) -> Printed:
        """What the program printed. One that hangs is ended there too."""
        try:
            return self._adb.shell([*self._python, *words], limit_s=limit_s)
        except PhoneError as error:
            if error.kind == "hung":
                self._adb.shell(end_all(self.folder))
            raise

    def answer(self, job: Section, request: Section, limit_s: float) -> tuple[dict[str, Any], str]:
        """(what the program answered, what else it printed)."""
        self.put("job.json", json.dumps({"job": job, "request": request}).encode())
        words = [f"{self.folder}/{PROGRAM.name}", f"{self.folder}/job.json"]
        try:
            printed = self.python(words, limit_s)
        except PhoneError as error:
            if error.kind != "hung":
                raise
            raise Hung(str(error)) from None
        before, _, rest = printed.text.rpartition(f"\n{ANSWER}")
        line, _, after = rest.partition("\n")  # runtimes talk on as they leave
        try:
            return json.loads(line), before + after
        except ValueError:
            raise Died("It failed.", printed.code, printed.text) from None

    def release(self) -> None:
        """Nothing stays up."""


def _check_python(computer: Computer, runtime: str) -> None:
    """An `InputError` where the computer's Python has no runtime."""
    code = "import numpy\ntry: import ai_edge_litert\nexcept ImportError: import tflite_runtime"
    if runtime:
        code = f"import numpy, {PACKAGES[runtime]}"
    printed = computer.python(["-c", code], 120)
    if printed.code:
        last = (printed.text.strip().splitlines() or ["nothing"])[-1]
        raise InputError(
            f"The device's Python needs numpy and {runtime or 'ai-edge-litert or tflite-runtime'}; "
            f"give its command with --python. It printed: {last}"
        )
