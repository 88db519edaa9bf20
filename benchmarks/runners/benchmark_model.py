"""The phone's `benchmark_model`, TFLite's or LiteRT's, run by adb's shell."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lpie.benchmarks.adb.adb import Adb
from lpie.benchmarks.adb.failures import PhoneError
from lpie.benchmarks.adb.wake import end_all
from lpie.benchmarks.harness.delegate import Delegate
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.quality import Feed
from lpie.benchmarks.harness.runner import Ask, Outcome, Runner, Section
from lpie.benchmarks.runners.outcome import read_log
from lpie.errors import InputError
from lpie.system.files import sha256

VARIABLE = "LPIE_BENCHMARK_MODEL"
# A name for the input: without ":" and ",", which the tool's own flags would split it at. That the
# tensor has another name is a warning only.
INPUT = "input"
# By the machine in an ELF file's head: the ABIs that run it.
MACHINES = {
    183: ("arm64-v8a",),
    40: ("arm64-v8a", "armeabi-v7a"),
    62: ("x86_64",),
    3: ("x86", "x86_64"),
}
GPU_MEMORY = re.compile(r"^\s*(EGL|GL) mtrack\s+(\d+)", re.MULTILINE)


class BinaryRunner(Runner):
    """`benchmark_model` in `folder` of the device.

    binary: the program. libraries: what has to lie beside it (LiteRT's accelerators, a vendor's
    dispatch library). Which of the two builds it is, it says itself.
    """

    def __init__(
        self, adb: Adb, folder: str, *, binary: Path, libraries: Sequence[Path] = (), abi: str = ""
    ) -> None:
        _check_machine(binary, abi)
        self._adb, self._folder = adb, folder
        self._program = f"{folder}/benchmark_model"
        self._sha256 = sha256(binary)
        self._libraries = tuple(libraries)
        self._there: set[str] = set()
        adb.push(binary, self._program)
        for library in libraries:
            adb.push(library, f"{folder}/{library.name}")
        adb.shell(f"chmod 755 {self._program}")
        self._litert = self._is_litert()

    def about(self, job: Job) -> Section:
        """The `runner` of a record."""
        name = "litert_benchmark_model" if self._litert else "benchmark_model"
        return {
            "name": name,
            "binary_sha256": self._sha256,
            "flags": self._flags(job),
        }

    def check_takes_photos(self) -> None:
        """Raise an `InputError` where the build takes no input and hands back no output."""
        if self._litert:
            raise InputError(
                "LiteRT's benchmark_model takes no input and returns no output: omit --photo and "
                "--reference, or give TFLite's build with --binary."
            )

    def prepare(self, job: Job, feed: Feed) -> None:
        """Bring over the model for the job's tile, and what goes in."""
        if job.key() not in self._there:
            self._adb.send(job.data(), self._path(job, "tflite"))
            for number, tensor in enumerate(feed.tensors()):
                self._adb.send(tensor, self._path(job, f"{number}.raw"))
            self._there.add(job.key())

    def run(self, job: Job, ask: Ask) -> Outcome:
        """One call of the tool."""
        flags = [*self._flags(job), *ask.flags()]
        if not self._litert:
            flags += self._inputs(job, ask)
        if ask.profile:
            flags.append("--use_profiler=true" if self._litert else "--enable_op_profiling=true")
        if ask.check:
            flags.append("--report_peak_memory_footprint=true")
        if ask.check and not self._litert:
            flags.append(f"--output_filepath={self._folder}/output.raw")
        gpu = ask.check and job.delegate.kind in ("gpu", "npu")
        command = [self._program, f"--graph={self._path(job, 'tflite')}", *flags]
        try:
            self._adb.shell(f"rm -f {self._folder}/mtrack {self._folder}/output.raw")
            printed = self._adb.shell(self._script(command, watched=gpu), limit_s=ask.limit_s)
        except PhoneError as error:
            if error.kind != "hung":
                raise
            return self._hung(command, ask.limit_s)
        log = f"$ {shlex.join(command)}\n{printed.text}"
        outcome = read_log(log, printed.code, job)
        if not ask.check or outcome.wrong:
            return outcome
        memory = {**outcome.memory, **(self._gpu_memory() if gpu else {})}
        output = None if self._litert or not job.restores else self._output()
        return replace(outcome, memory=memory, output=output)

    def _flags(self, job: Job) -> list[str]:
        return tool_flags(job.delegate, job.threads, litert=self._litert, folder=self._folder)

    def _inputs(self, job: Job, ask: Ask) -> list[str]:
        """The flags for what goes in: in the check the tensors themselves; always the shapes of a
        model that leaves them open."""
        if not job.shapes or (job.restores and not ask.check):
            return []
        names = [INPUT if number == 0 else f"{INPUT}{number}" for number in range(len(job.shapes))]
        shapes = ":".join(",".join(map(str, shape)) for shape in job.shapes_of_tile)
        flags = [f"--input_layer={','.join(names)}", f"--input_layer_shape={shapes}"]
        if ask.check:
            files = [f"{name}:{self._path(job, f'{n}.raw')}" for n, name in enumerate(names)]
            flags.append(f"--input_layer_value_files={','.join(files)}")
        return flags

    def _path(self, job: Job, suffix: str) -> str:
        return f"{self._folder}/{job.key()}.{suffix}"

    def _is_litert(self) -> bool:
        printed = self._adb.shell(self._script([self._program, "--help"], watched=False)).text
        if "--dispatch_library_path" in printed or "--use_npu" in printed:
            return True
        if "--graph" in printed:
            return False
        last = (printed.strip().splitlines() or ["nothing"])[-1]
        raise InputError(
            f"{VARIABLE} (--binary) is no benchmark_model that {self._adb.serial} can run. It "
            f"printed: {last}"
        )

    def _script(self, command: Sequence[str], *, watched: bool) -> str:
        """For the device's shell. watched: what the system says of the GPU's memory meanwhile."""
        libraries = f"LD_LIBRARY_PATH={self._folder} ADSP_LIBRARY_PATH={self._folder}"
        run = f"{libraries if self._libraries else ''} {shlex.join(command)}".strip()
        if not watched:
            return run
        # The tool takes the place of the shell that starts the watcher, so its number is known.
        # The watcher looks at once, for a short run too, ends with the tool and must not hold
        # adb's streams.
        watch = (
            f"( while kill -0 $$; do dumpsys meminfo $$ | grep mtrack >>{self._folder}/mtrack; "
            "sleep 0.1; done ) >/dev/null 2>&1 &"
        )
        return f"sh -c {shlex.quote(f'{watch} exec env {run}')}"

    def _hung(self, command: Sequence[str], limit_s: float) -> Outcome:
        """The time is over: end it there too, lest it disturb the next."""
        self._adb.shell(end_all(self._folder))
        return Outcome(
            log=f"$ {shlex.join(command)}\n",
            failed=f"benchmark_model did not end within {limit_s:.0f} s and was stopped; raise "
            "--timeout where the model is that slow.",
        )

    def _gpu_memory(self) -> Section:
        """Graphics memory as the system counts it, the most of what was seen."""
        printed = self._adb.shell(f"cat {self._folder}/mtrack 2>/dev/null").text
        kinds: dict[str, list[int]] = {"EGL": [], "GL": []}
        for kind, kb in GPU_MEMORY.findall(printed):
            kinds[kind].append(int(kb))
        return {"gpu_mb": sum(max(kb, default=0) for kb in kinds.values()) * 1024 / 1e6 or None}

    def _output(self) -> bytes | None:
        try:
            return self._adb.fetch(f"{self._folder}/output.raw")
        except PhoneError as error:
            if error.kind != "adb":  # it is not there: an old tool without the flag
                raise
            return None


def tool_flags(delegate: Delegate, threads: int | None, *, litert: bool, folder: str) -> list[str]:
    """The flags that choose the delegate; an `InputError` where the build has none such.

    litert: of LiteRT's build. folder: where a dispatch library lies.
    """
    chosen = _litert_flags(delegate, folder) if litert else _flags(delegate)
    return chosen + ([f"--num_threads={threads}"] if threads else [])


def _flags(delegate: Delegate) -> list[str]:
    """Those of TFLite's build."""
    half = str(delegate.precision != "fp32").lower()
    if delegate.name == "npu":
        raise InputError(
            "TFLite's benchmark_model knows no NPU: give LiteRT's build and the dispatch library "
            "of the phone's maker (--binary, --library)."
        )
    return {
        "cpu": ["--use_xnnpack=false"],
        "xnnpack": ["--use_xnnpack=true"],
        "gpu": ["--use_gpu=true", f"--gpu_precision_loss_allowed={half}"]
        + ([f"--gpu_backend={delegate.backend}"] if delegate.backend else []),
        # Without its own CPU, which would pass for an accelerator.
        "nnapi": ["--use_nnapi=true", "--disable_nnapi_cpu=true"]
        + ([f"--nnapi_accelerator_name={delegate.accelerator}"] if delegate.accelerator else []),
    }[delegate.kind]


def _litert_flags(delegate: Delegate, folder: str) -> list[str]:
    """Those of LiteRT's CompiledModel build."""
    if delegate.name in ("cpu", "nnapi", "gpu-cl"):
        instead = {"cpu": "xnnpack", "nnapi": "npu", "gpu-cl": "gpu"}[delegate.name]
        raise InputError(
            f"LiteRT's benchmark_model has no delegate {delegate.name}: choose {instead}, or give "
            "TFLite's build with --binary."
        )
    return {
        "xnnpack": ["--use_cpu=true"],
        "gpu": ["--use_gpu=true", f"--gpu-precision={delegate.precision}"]
        + (["--gpu_backend=opengl"] if delegate.backend else []),
        "npu": ["--use_npu=true", f"--dispatch_library_path={folder}"],
    }[delegate.kind]


def _check_machine(binary: Path, abi: str) -> None:
    """Refuse what the device could not start, before it is pushed."""
    if not binary.is_file():
        raise InputError(
            f"{binary} does not exist. Give the benchmark_model for the phone: --binary or "
            f"{VARIABLE}."
        )
    head = binary.read_bytes()[:20]
    machine = int.from_bytes(head[18:20], "little")
    if head[:4] != b"\x7fELF" or machine not in MACHINES or not abi:
        return
    if abi not in MACHINES[machine]:
        raise InputError(
            f"{binary} is built for {MACHINES[machine][0]}, the device runs {abi}: take that build."
        )
