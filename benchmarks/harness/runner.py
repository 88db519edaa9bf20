"""What measures on a device: how each kind is asked to, and what comes back."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.quality import Feed
from lpie.benchmarks.records.schema import Round

Section = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """How long a call lasts: at least `runs` runs and `seconds`, after `warmup_s`.

    check: also hand over the input, bring the output back and watch the memory; its times count
    for nothing. profile: time each op, which slows the whole. limit_s: by then it must end. cold:
    other models have run since the last call.
    """

    runs: int = 1
    seconds: float = 0.0
    warmup_s: float = 0.0
    check: bool = False
    profile: bool = False
    limit_s: float = 600.0
    cold: bool = False

    def flags(self) -> list[str]:
        """For `benchmark_model`: it would stop at 150 s, which one run at 4K may take.

        Warm-up and measurement stop by themselves before the call is stopped.
        """
        return [
            f"--num_runs={self.runs}",
            f"--min_secs={self.seconds:g}",
            f"--max_secs={self.limit_s / 2:g}",
            "--warmup_runs=1",
            f"--warmup_min_secs={self.warmup_s:g}",
        ]


@dataclass(frozen=True)
class Outcome:
    """What one call gave: sections of a record, as far as they are known.

    rounds: at most one. output: the bytes of the first output tensor. failed, incomplete: why, in
    a sentence, or "". out_of_memory: it failed for that.
    """

    log: str
    rounds: list[Round] = field(default_factory=list)
    executed: Section = field(default_factory=dict)
    summary: Section = field(default_factory=dict)
    memory: Section = field(default_factory=dict)
    profile: list[Section] | None = None
    output: bytes | None = None
    failed: str = ""
    incomplete: str = ""
    out_of_memory: bool = False

    @property
    def wrong(self) -> str:
        """Why there is no result, or ""."""
        return self.failed or self.incomplete


class Runner(Protocol):
    """Something that runs one job's model on one device.

    stays_up: its processes wait between the rounds and stay warm.
    """

    stays_up: bool = False

    def about(self, job: Job) -> Section:
        """The `runner` of a record; an `InputError` where it cannot do the job at all."""

    def prepare(self, job: Job, feed: Feed) -> None:
        """Bring over what the job needs; what an earlier one left may go."""

    def run(self, job: Job, ask: Ask) -> Outcome:
        """One call. Raises `PhoneError` where the device is at fault, not the model."""

    def release(self) -> None:
        """End the processes that stay up."""
        return


def out_of_memory(job: Job) -> str:
    """What a failure for want of memory is called, and what to do about it."""
    at = f" at {job.size}" if job.size else ""
    return (
        f"Out of memory{at}, which takes about {job.estimated_mb:,.0f} MB on a CPU by lpie's "
        f"estimate. {smaller(job)}"
    )


def smaller(job: Job) -> str:
    """How the job could need less memory."""
    return "Run it by tiles: --tiles." if job.whole and job.tileable else "Use a smaller size."
