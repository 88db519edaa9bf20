"""Our own runner, a Python program: on an Arm Linux board behind adb, or on this machine.

It times every run, and with tiles the whole way from pixels to pixels.
"""

import json
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
from lpie.benchmarks.harness.quality import Picture
from lpie.benchmarks.harness.runner import Ask, Outcome, Section
from lpie.benchmarks.records.record import timed_round
from lpie.benchmarks.runners.outcome import failed
from lpie.errors import InputError
from lpie.system.files import sha256
from lpie.system.signals import child

PROGRAM = Path(__file__).with_name("run_tflite.py")
SAID = "\nlpie-run: "


class Machine(Protocol):
    """Where the program runs: files put into its folder, and one Python."""

    folder: str

    def put(self, name: str, data: bytes) -> None: ...
    def get(self, name: str) -> bytes: ...
    def python(self, words: list[str], limit_s: float) -> Printed: ...


class PythonRunner:
    """`run_tflite.py` on a machine. name: what records call it."""

    def __init__(self, machine: Machine, name: str) -> None:
        self._machine, self._name = machine, name
        self._version: str | None = None
        self._scales: Any = None
        self._there: set[str] = set()
        _check_python(machine)
        machine.put(PROGRAM.name, PROGRAM.read_bytes())

    def about(self, job: Job) -> Section:
        """The `runner` of a record."""
        if job.delegate.name not in (*CPU, "gpu"):
            raise InputError(
                f"The Python runner has no delegate {job.delegate}: choose cpu, xnnpack or gpu."
            )
        return {"name": self._name, "version": self._version, "binary_sha256": sha256(PROGRAM)}

    def prepare(self, job: Job, picture: Picture) -> None:
        """Bring over the model for the job's tile, and the photo."""
        self._scales = picture.scales
        if job.key() not in self._there:
            self._machine.put(f"{job.key()}.tflite", job.data())
            pixels = picture.image.tobytes()
            self._machine.put(f"{job.key()}.raw", picture.raw_input() if job.whole else pixels)
            self._there.add(job.key())

    def run(self, job: Job, ask: Ask) -> Outcome:
        """One call of the program."""
        folder = self._machine.folder
        told = {
            "model": f"{folder}/{job.key()}.tflite", "input": f"{folder}/{job.key()}.raw",
            "output": f"{folder}/output.raw" if ask.check else "", "size": job.size,
            "tiles": [] if job.whole else [list(tile) for tile in job.plan()],
            "delegate": job.delegate.name, "precision": job.delegate.precision,
            "threads": job.threads or 1, "runs": ask.runs, "seconds": ask.seconds,
            "warmup_s": ask.warmup_s, "most_s": ask.limit_s / 2, "scales": self._scales,
        }  # fmt: skip
        self._machine.put("job.json", json.dumps(told).encode())
        words = [f"{folder}/{PROGRAM.name}", f"{folder}/job.json"]
        try:
            printed = self._machine.python(words, ask.limit_s)
        except PhoneError as error:
            if error.kind != "hung":
                raise
            return Outcome(log="", failed=f"{self._name} did not end within {ask.limit_s:.0f} s.")
        outcome = self._read(printed, job)
        if ask.check and not outcome.wrong:
            return replace(outcome, output=self._machine.get("output.raw"))
        return outcome

    def _read(self, printed: Printed, job: Job) -> Outcome:
        _, _, answer = printed.text.rpartition(SAID)
        try:
            found = json.loads(answer.partition("\n")[0])  # runtimes talk on as they leave
        except ValueError:
            return failed(printed.text, printed.code, job)
        self._version = f"{found['runtime']} on {found['machine']}"
        inference, whole = sum(found["inference_ms"]), sum(found["times_ms"])
        count = len(found["times_ms"])
        parts = {
            "inference": inference / count,
            "tiling, copies and conversion": (whole - inference) / count,
        }
        return Outcome(
            log=printed.text,
            rounds=[timed_round(found["times_ms"])],
            executed=_executed(job, printed.text, found["complete"]),
            summary={
                "init_ms": found["init_ms"],
                "first_ms": found["first_ms"],
                "warmup_ms": found["warmup_ms"],
                "warmup_runs": found["warmups"],
                "parts_ms": {} if job.whole else parts,
            },
            memory={"peak_mb": found["peak_mb"]},
        )


def _executed(job: Job, log: str, complete: bool | None) -> Section:
    """The `executed` of a record, from what the runtime announces."""
    if job.delegate.name == "gpu":
        if complete and "Selected adapter" in log:
            return {"delegate": "gpu", "full": True}
        why = "LiteRT's accelerator found no GPU, or left ops to the CPU."
        return {"delegate": "xnnpack", "reasons": [why]}
    return {"delegate": "xnnpack" if "XNNPACK delegate for CPU" in log else "cpu"}


class ThisMachine:
    """This machine. python: its command, as that of an environment with an older runtime."""

    def __init__(self, folder: Path, python: str = "") -> None:
        self.folder, self._python = str(folder), shlex.split(python) or [sys.executable]

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
            with child([*self._python, *words], stdout=pipe, stderr=subprocess.STDOUT,
                       errors="replace") as process:  # fmt: skip
                text, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise PhoneError("hung", "The program did not end.") from None
        except (FileNotFoundError, PermissionError):
            raise InputError(f"{self._python[0]} cannot be run. Give a Python: --python.") from None
        code = process.returncode
        return Printed(text, code if code >= 0 else 128 - code)


class Board:
    """A board behind adb. python: its command."""

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


def _check_python(machine: Machine) -> None:
    """An `InputError` where the machine's Python has no runtime."""
    code = "import numpy\ntry: import ai_edge_litert\nexcept ImportError: import tflite_runtime"
    printed = machine.python(["-c", code], 120)
    if printed.code:
        last = (printed.text.strip().splitlines() or ["nothing"])[-1]
        raise InputError(
            "The device's Python needs numpy and ai-edge-litert or tflite-runtime; give its "
            f"command with --python. It said: {last}"
        )
