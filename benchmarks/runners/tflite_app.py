"""TFLite's own benchmark app, which computes as apps do, in the foreground; read from logcat."""

from collections.abc import Callable
from pathlib import Path

from lpie.benchmarks.adb.adb import Adb
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.quality import Feed
from lpie.benchmarks.harness.runner import Ask, Outcome, Runner, Section
from lpie.benchmarks.runners.benchmark_model import tool_flags
from lpie.benchmarks.runners.logcat import start_and_follow
from lpie.benchmarks.runners.outcome import read_log
from lpie.system.files import sha256

ACTIVITY = "org.tensorflow.lite.benchmark/.BenchmarkModelActivity"
TAGS = ("tflite:V", "litert:V", "tflite_BenchmarkModelActivity:V")
ENDED = r"Inference timings in us|Benchmarking failed"


class ApkRunner(Runner):
    """The app, installed from `apk` where one is given."""

    def __init__(
        self, adb: Adb, folder: str, *, apk: Path | None, sleep: Callable[[float], None]
    ) -> None:
        self._adb, self._folder, self._sleep = adb, folder, sleep
        self._sha256 = sha256(apk) if apk else None
        if apk:
            adb.install(apk)

    def about(self, job: Job) -> Section:
        """The `runner` of a record."""
        flags = tool_flags(job.delegate, job.threads, litert=False, folder=self._folder)
        return {"name": "benchmark_apk", "binary_sha256": self._sha256, "flags": flags}

    def prepare(self, job: Job, feed: Feed) -> None:
        """Bring over the model. Apps may read this folder, not write to it: no output returns."""
        self._adb.send(job.data(), self._model(job))
        self._adb.shell(["chmod", "644", self._model(job)])

    def run(self, job: Job, ask: Ask) -> Outcome:
        """One start of the app."""
        flags = [
            f"--graph={self._model(job)}",
            *tool_flags(job.delegate, job.threads, litert=False, folder=self._folder),
            *ask.flags(),
        ]
        text, ended = start_and_follow(
            self._adb,
            ACTIVITY,
            ["--es", "args", " ".join(flags)],
            tags=TAGS,
            ended=ENDED,
            limit_s=ask.limit_s,
            sleep=self._sleep,
        )
        if not ended:
            return Outcome(log=text, failed=f"The app said no result within {ask.limit_s:.0f} s.")
        return read_log(text, None, job)

    def _model(self, job: Job) -> str:
        return f"{self._folder}/{job.key()}.tflite"
