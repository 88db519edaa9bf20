"""Our own app, driven by an intent; its record comes through logcat (docs/app-benchmark.md)."""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from lpie.benchmarks.adb.adb import Adb
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.quality import Feed
from lpie.benchmarks.harness.runner import Ask, Outcome, Runner, Section
from lpie.benchmarks.records.schema import Record, check, completed
from lpie.benchmarks.runners.logcat import start_and_follow
from lpie.errors import InputError
from lpie.system.files import sha256

ACTIVITY = "org.lpie.demo/.BenchmarkActivity"
MOST_PARTS = 10_000


class AppRunner(Runner):
    """The app, installed from `apk` where one is given."""

    def __init__(
        self, adb: Adb, folder: str, *, apk: Path | None, sleep: Callable[[float], None]
    ) -> None:
        self._adb, self._folder, self._sleep = adb, folder, sleep
        self._sha256 = sha256(apk) if apk else None
        self._version: str | None = None
        if apk:
            adb.install(apk)

    def about(self, job: Job) -> Section:
        """The `runner` of a record."""
        if job.delegate.name not in ("cpu", "xnnpack", "gpu", "nnapi"):
            raise InputError(
                f"The app has no delegate {job.delegate}: choose cpu, xnnpack, gpu or nnapi."
            )
        if not job.restores or job.scale > 1:
            raise InputError(
                f"{job.model} does not take one RGB image and return one of the same size, as the "
                "app needs: choose --runner benchmark_model."
            )
        return {"name": "app", "version": self._version, "binary_sha256": self._sha256}

    def prepare(self, job: Job, feed: Feed) -> None:
        """Bring over the file as it is, and its spec: the app resizes and tiles by itself."""
        spec = job.network.spec
        if spec is None:
            raise InputError(f"{job.model} holds no spec, which the app needs: export it by lpie.")
        beside = self._model(job).replace(".tflite", ".spec.json")
        self._adb.push(job.model, self._model(job))
        self._adb.send(spec.to_json().encode(), beside)
        self._adb.shell(["chmod", "644", self._model(job), beside])

    def run(self, job: Job, ask: Ask) -> Outcome:
        """One round in one start of the app."""
        name = secrets.token_hex(4)
        values = {
            "id": name,
            "model": self._model(job),
            "size": str(job.size),
            "delegate": job.delegate.name,
            "precision": job.delegate.precision or "fp16",
            "accelerator": job.delegate.accelerator,
            "threads": str(job.threads or 4),
            "rounds": "1",
            "seconds": f"{ask.seconds:.3f}",
            "tile": str(max(job.tile or (1,))),
        }
        extras = [word for key, value in values.items() if value for word in ("--es", key, value)]
        text, ended = start_and_follow(
            self._adb,
            ACTIVITY,
            extras,
            tags=("lpie:I",),
            ended=rf"lpie-status {name} (done|failed)",
            limit_s=ask.limit_s,
            sleep=self._sleep,
        )
        return self._read(text, ended, name, ask)

    def _read(self, text: str, ended: bool, name: str, ask: Ask) -> Outcome:
        status = re.search(rf"lpie-status {name} (done|failed)(?: +(.*))?$", text, re.MULTILINE)
        if status is None:
            why = "The app crashed." if ended else f"The app did not end in {ask.limit_s:.0f} s."
            return Outcome(log=text, failed=why)
        if status[1] == "failed":
            return Outcome(log=text, failed=(status[2] or "The app failed.").strip()[:500])
        record = read_record(text, name)
        if isinstance(record, str):
            return Outcome(log=text, incomplete=record)
        self._version = record["runner"]["version"]
        bad = record["verdict"] in ("failed", "incomplete")
        return Outcome(
            log=text,
            rounds=[] if bad else record["rounds"][:1],
            executed=dict(record["executed"]),
            summary={k: v for k, v in record["summary"].items() if v is not None},
            memory={k: v for k, v in record["memory"].items() if v is not None},
            failed=record["why"] if record["verdict"] == "failed" else "",
            incomplete=record["why"] if record["verdict"] == "incomplete" else "",
        )

    def _model(self, job: Job) -> str:
        return f"{self._folder}/{job.key()}.tflite"


def read_record(text: str, name: str) -> Record | str:
    """The record that the lines of run `name` hold, or why there is none."""
    lines = re.findall(
        rf"lpie-record {re.escape(name)} (\d{{1,5}})/(\d{{1,5}}) (\S+)\s*$", text, re.M
    )
    parts = {int(number): part for number, _, part in lines}
    count = int(lines[0][1]) if lines else 0
    if not 0 < count <= MOST_PARTS or set(parts) != set(range(1, count + 1)):
        return f"Of the {count} parts of the app's record {len(parts)} have come through logcat."
    try:
        data = base64.b64decode("".join(parts[i] for i in range(1, count + 1)), validate=True)
        record = json.loads(data)
        return check(completed(record), "the app's record")
    except (binascii.Error, ValueError, AttributeError) as error:  # InputError is a ValueError
        return f"The app's record cannot be read: {str(error)[:300]}"
