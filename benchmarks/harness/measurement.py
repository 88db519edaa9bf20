"""One job as it is measured: what it has gone through, and the record that comes of it."""

import statistics
from collections.abc import Sequence
from typing import cast

from lpie.benchmarks.adb.state import State
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.quality import Feed
from lpie.benchmarks.harness.runner import Outcome, Section
from lpie.benchmarks.harness.settings import Settings
from lpie.benchmarks.records.record import model_section, new_record, now
from lpie.benchmarks.records.schema import Record, Round
from lpie.npu.explain import npu_note

UAH = 3.6e-3  # coulombs


class Measurement:
    """Collects what calls of a runner give for `job`. sustained: for minutes without a pause."""

    def __init__(self, job: Job, *, sustained: bool = False) -> None:
        self.job, self.sustained = job, sustained
        self.before: State | None = None
        self.after: State | None = None
        self.going = True  # whether it takes part in what comes
        self._started = now()
        self._logs: list[str] = []
        self._rounds: list[Round] = []
        self._outcomes: list[Outcome] = []  # those that count, in their order
        self._checked: Outcome | None = None
        self._warmed: Outcome | None = None
        self._notes = list(job.notes)
        self._profile: list[Section] | None = None
        self._quality: Section | None = None
        self._failed = self._incomplete = ""

    def check(self, outcome: Outcome, feed: Feed) -> None:
        """The first call, whose times do not count."""
        self._keep("check", outcome)
        self._checked = outcome
        if outcome.output is not None and not outcome.wrong:
            self._quality = feed.score(outcome.output)
        if feed.unscored and not outcome.wrong:
            self._notes.append(feed.unscored)

    def warm(self, outcome: Outcome) -> None:
        """A call that only warms."""
        self._keep("warm-up", outcome)
        self._warmed = outcome

    def take(
        self, outcome: Outcome, at_s: float, state: State, other: Section | None = None
    ) -> None:
        """A round, the device after it, and what else the device did."""
        self._keep(f"round {len(self._rounds) + 1}", outcome)
        self._outcomes.append(outcome)
        more = {"at_s": at_s, "state": state.section(), **(other or {})}
        self._rounds += [cast(Round, {**timed, **more}) for timed in outcome.rounds]
        self.after = state

    def profile(self, outcome: Outcome) -> None:
        """The pass that times each op; that it fails takes nothing from the rest."""
        self._log("profile", outcome)
        self._profile = outcome.profile

    def complete(self, settings: Settings) -> bool:
        """Whether it needs no more: all its rounds are there, or it has stopped for a reason."""
        return not self.going or (not self.sustained and len(self._rounds) >= settings.rounds)

    def stop(self, why: str) -> None:
        """No more rounds. why: "" where what was measured stands."""
        if self.going and why:
            self._incomplete = why
        self.going = False

    def fail(self, why: str) -> None:
        """It is not measured at all."""
        self._failed, self.going = why, False

    def record(self, facts: Section, runner: Section, settings: Settings, run: str) -> Record:
        """The record."""
        first = self._checked or next(iter(self._outcomes), None)
        counted = [outcome for outcome in self._outcomes if outcome.rounds]
        rounds = 0 if self.sustained else settings.rounds
        return new_record(
            rounds=self._rounds,
            failed=self._failed,
            incomplete=self._incomplete,
            started=self._started,
            run=run,
            model=model_section(self.job.network),
            device=facts,
            runner=runner,
            requested={
                **self.job.requested(),
                "min_runs": settings.runs,
                "seconds": None if self.sustained else settings.seconds,
                "rounds": rounds or len(self._rounds),
            },
            executed=_executed(counted) or (first.executed if first else {}),
            state={
                "before": self.before.section() if self.before else None,
                "after": self.after.section() if self.after else None,
            },
            summary=_summary(first, self._warmed, counted),
            memory={"estimated_mb": round(self.job.estimated_mb), **_memory(first, counted)},
            energy=self._energy(),
            quality=self._quality,
            profile=self._profile,
            log={"text": "\n".join(self._logs) or None},
            notes=[*self._notes, *self._npu_notes(facts)],
        )

    def _npu_notes(self, facts: Section) -> list[str]:
        """What the maker's compiler says of a file that was to run on a phone's NPU."""
        if self.job.delegate.kind != "npu" or not facts.get("soc"):
            return []
        size = self.job.tiling.tile if self.job.tiling else self.job.size
        note = npu_note(self.job.model, size, facts["soc"])
        return [note] if note else []

    def _keep(self, name: str, outcome: Outcome) -> None:
        self._log(name, outcome)
        if outcome.wrong:
            self._failed, self._incomplete = outcome.failed, outcome.incomplete
            self.going = False

    def _log(self, name: str, outcome: Outcome) -> None:
        if outcome.log.strip():
            self._logs.append(f"### {name}\n{outcome.log}")

    def _energy(self) -> Section:
        """What the battery lost for one image, the whole phone with its screen; never a guess."""
        before, after = self.before, self.after
        if not self.sustained:
            return {"unavailable": "Only a sustained run drains enough to be seen: --sustained."}
        if before is None or after is None or before.charge_uah is None or after.charge_uah is None:
            return {"unavailable": "The device does not tell its battery's charge."}
        if before.charging is not False or after.charging is not False:
            return {"unavailable": "The battery was charging or powered: use adb over Wi-Fi."}
        lost, images = before.charge_uah - after.charge_uah, self._images()
        volts = [s.voltage_mv / 1e3 for s in (before, after) if s.voltage_mv]
        if lost <= 0 or not volts or not images:
            return {"unavailable": "The battery's counter did not move in the time: run it longer."}
        return {"joules": lost * UAH * statistics.fmean(volts) / images}

    def _images(self) -> int:
        """How many were made, those of the warm-ups too."""
        counts = [timed["count"] or 0 for timed in self._rounds]
        return sum(counts) + sum(
            outcome.summary.get("warmup_runs") or 0 for outcome in self._outcomes
        )


def _executed(outcomes: Sequence[Outcome]) -> Section:
    """Where the rounds ran. One that ran elsewhere decides: no number is better than its worst."""
    ran = [outcome.executed for outcome in outcomes]
    return next((place for place in ran if not place.get("full", True)), next(iter(ran), {}))


def _summary(first: Outcome | None, warmed: Outcome | None, counted: Sequence[Outcome]) -> Section:
    """Set-up and first run of the first call, when nothing was cached; parts over the rounds."""
    start = first.summary if first else {}
    warm = {**start, **(warmed.summary if warmed else {})}
    summaries = [outcome.summary for outcome in counted]
    names = [name for summary in summaries[:1] for name in summary.get("parts_ms", {})]
    parts = {
        name: statistics.median(s["parts_ms"][name] for s in summaries if s.get("parts_ms"))
        for name in names
    }
    return {
        **{key: start.get(key) for key in ("init_ms", "first_ms")},
        **{key: warm.get(key) for key in ("warmup_ms", "warmup_runs")},
        "parts_ms": parts,
    }


def _memory(first: Outcome | None, counted: Sequence[Outcome]) -> Section:
    """What the first call needed; the peak of all calls where each tells it."""
    memory = dict(first.memory) if first else {}
    peaks = [outcome.memory.get("peak_mb") for outcome in counted]
    known = [peak for peak in (memory.get("peak_mb"), *peaks) if peak is not None]
    return {**memory, "peak_mb": max(known, default=None)}
