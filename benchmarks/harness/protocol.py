"""How models are compared on one device: cool, warm, in turns, and stopped when it grows hot."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lpie.benchmarks.adb.failures import PhoneError
from lpie.benchmarks.adb.state import State
from lpie.benchmarks.harness.device import Device
from lpie.benchmarks.harness.interleave import interleave
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.measurement import Measurement
from lpie.benchmarks.harness.other_work import work_since
from lpie.benchmarks.harness.quality import Feed
from lpie.benchmarks.harness.runner import Ask, Outcome, Runner, smaller
from lpie.benchmarks.harness.settings import Settings
from lpie.benchmarks.records.record import new_run, round_medians
from lpie.benchmarks.records.schema import Record

# Of the memory that is free: the rest is for the system and for what the estimate misses.
USABLE = 0.8
WARM = 0.05  # relative change of the median at which a device counts as warm
WARMUPS = 4  # at most, of a job
LOOK_S = 5.0  # between two looks at a device that cools
SUSTAINED_S = 10.0  # of one point of the curve
CRITICAL = 4  # thermal status at which even a sustained run stops
Report = Callable[[str], None]
Pair = tuple[Job, Measurement]


class Protocol:
    """Measures jobs on a device with a runner.

    report: receives a line for each step. on_round: is called after each round of a job.
    """

    def __init__(
        self,
        device: Device,
        runner: Runner,
        settings: Settings,
        feed: Callable[[Job], Feed],
        *,
        report: Report = lambda line: None,
        on_round: Callable[[], object] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._device, self._runner, self._settings = device, runner, settings
        self._feed, self._report, self._sleep = feed, report, sleep
        self._on_round = on_round
        self._facts: dict[str, Any] | None = None

    def compare(self, jobs: Sequence[Job]) -> list[tuple[Job, Record]]:
        """`jobs` with their records. Their rounds take turns: A B A B.

        A job that fails is left out of the turns and keeps the reason. A device that goes away
        leaves every unfinished job `incomplete`; nothing is raised for either. Models whose
        processes stay up take turns as far as they fit in memory side by side.
        """
        planned = [(job, self._planned(job)) for job in jobs]
        return [pair for group in self._groups(planned) for pair in self._compare(group)]

    def _planned(self, job: Job) -> Measurement:
        """The measurement of a job, by tiles where that was asked for or where it must be."""
        settings, limit_mb = self._settings, self._limit_mb()
        too_large = job.estimated_mb > limit_mb
        if settings.mode == "tiles" or (settings.mode == "auto" and job.tileable and too_large):
            job = self._device.tiled(job, settings)
        measurement = Measurement(job)
        strict = self._device.refuses or settings.max_memory_mb is not None
        if strict and job.estimated_mb > limit_mb:
            measurement.fail(
                f"{job.size or 'It'} would need about {job.estimated_mb:,.0f} MB, mostly the "
                f"runtime's own buffers; {limit_mb:,.0f} MB may be used. {smaller(job)}"
            )
        return measurement

    def _limit_mb(self) -> float:
        if self._settings.max_memory_mb is not None:
            return self._settings.max_memory_mb
        free = self._device.free_mb()
        return math.inf if free is None else USABLE * free

    def _groups(self, planned: list[Pair]) -> Iterator[list[Pair]]:
        """Those that take turns. Processes that stay up need memory side by side."""
        if not self._runner.stays_up:
            yield planned
            return
        group: list[Pair] = []
        used_mb, limit_mb = 0.0, self._limit_mb()
        for job, measurement in planned:
            used_mb += measurement.job.estimated_mb
            if group and used_mb > limit_mb:
                yield group
                group, used_mb = [], measurement.job.estimated_mb
            group.append((job, measurement))
        yield group

    def _compare(self, group: list[Pair]) -> list[tuple[Job, Record]]:
        run = new_run()
        try:
            self._facts = self._facts or self._device.facts()
            self._check_all(group)
            measurements = [measurement for _, measurement in group]
            self._warm_up(measurements)
            self._take_turns(measurements)
            if self._settings.profile:
                self._profile(measurements)
            if self._settings.sustained_min:
                self._sustain(group)
        except PhoneError as error:
            for _, measurement in group:
                if not measurement.complete(self._settings):
                    measurement.stop(str(error))
        finally:
            self._runner.release()
        facts = self._facts or {"serial": self._device.serial}
        return [
            (job, measured.record(facts, self._runner.about(measured.job), self._settings, run))
            for job, measured in group
        ]

    def _check_all(self, group: list[Pair]) -> None:
        """Run each once with its input. What does not fit whole is done by tiles too."""
        for job, measurement in tuple(group):
            if not measurement.going:
                continue
            outcome = self._check(measurement)
            whole = measurement.job.whole and job.tileable
            if outcome.out_of_memory and self._settings.mode == "auto" and whole:
                tiled = Measurement(self._device.tiled(job, self._settings))
                group.append((job, tiled))
                self._check(tiled)

    def _check(self, measurement: Measurement) -> Outcome:
        """Does it run, what does it need, is it right?"""
        self._report(f"{measurement.job}: checking")
        measurement.before = self._device.state()
        feed = self._feed(measurement.job)
        self._runner.prepare(measurement.job, feed)
        ask = Ask(check=True, limit_s=self._settings.limit_s)
        outcome = self._runner.run(measurement.job, ask)
        measurement.check(outcome, feed)
        return outcome

    def _warm_up(self, measurements: Sequence[Measurement]) -> None:
        """Until the medians of two calls in a row are alike: what a first run sets up is over.

        A process that stays up sees by itself when its runs are alike.
        """
        stays = self._runner.stays_up
        ask = dataclasses.replace(self._ask(), runs=0, seconds=0) if stays else self._ask()
        for measurement in measurements if self._settings.warmup_s else ():
            medians: list[float] = []
            for _ in range(1 if stays else WARMUPS):
                if not measurement.going or _alike(medians):
                    break
                self._cool_down()
                outcome = self._runner.run(measurement.job, ask)
                medians += round_medians(outcome.rounds)
                measurement.warm(outcome)

    def _take_turns(self, measurements: Sequence[Measurement]) -> None:
        began = time.monotonic()
        rounds, several = self._settings.rounds, sum(m.going for m in measurements) > 1

        def one_round(measurement: Measurement, number: int) -> bool | None:
            if not measurement.going:
                return None
            self._report(f"{measurement.job}: round {number + 1} of {rounds}")
            before = self._cool_down()
            if number == 0:  # not the state of the check, before it had cooled
                measurement.before = before
            at_s = time.monotonic() - began
            ask = dataclasses.replace(self._ask(), cold=several)
            counters = self._device.counters()
            outcome = self._runner.run(measurement.job, ask)
            other = work_since(counters, self._device.counters())
            after = self._device.state()
            measurement.take(outcome, at_s, after, other)
            self._on_round()
            if _status(after) > _status(before):
                measurement.stop("")  # the record's states say why
            return True

        interleave(measurements, one_round, rounds=rounds)
        for measurement in measurements:
            measurement.after = measurement.after or self._device.state()

    def _profile(self, measurements: Sequence[Measurement]) -> None:
        for measurement in measurements:
            if measurement.going:
                ask = dataclasses.replace(self._ask(), profile=True)
                measurement.profile(self._runner.run(measurement.job, ask))

    def _sustain(self, group: list[Pair]) -> None:
        """Each job for minutes without a pause: how much slower it gets as the device heats."""
        for job, measurement in [pair for pair in group if pair[1].going]:
            curve = Measurement(measurement.job, sustained=True)
            group.append((job, curve))
            curve.before = self._cool_down()
            began, end = time.monotonic(), 60 * self._settings.sustained_min
            while (at_s := time.monotonic() - began) < end and curve.going:
                self._report(f"{curve.job}: {at_s / 60:.1f} of {end / 60:.1f} minutes")
                seconds = min(SUSTAINED_S, end / 3)
                ask = Ask(runs=1, seconds=seconds, limit_s=self._settings.limit_s + seconds)
                outcome = self._runner.run(curve.job, ask)
                state = self._device.state()
                curve.take(outcome, at_s, state)
                if _status(state) >= CRITICAL:
                    curve.stop("")

    def _cool_down(self) -> State:
        """The state in which the device is cool enough; raises `TooHot` when it does not cool."""
        settings, waited = self._settings, 0.0
        while True:
            state = self._device.state()
            hottest = state.hottest_c()
            cool = _status(state) == 0 and (hottest is None or hottest <= settings.cool_to_c)
            if cool or not self._device.cools:
                return state
            if waited >= settings.cool_s:
                at = f"{hottest:.1f} °C, " if hottest is not None else ""
                raise TooHot(
                    f"It did not cool down to {settings.cool_to_c:g} °C and thermal status 0 "
                    f"within {settings.cool_s:.0f} s ({at}status {_status(state)}): put it in a "
                    "cooler place, or raise --cool-to."
                )
            self._report(f"{self._device.serial}: cooling down ({hottest} °C)")
            self._sleep(LOOK_S)
            waited += LOOK_S

    def _ask(self) -> Ask:
        s = self._settings
        return Ask(runs=s.runs, seconds=s.seconds, warmup_s=s.warmup_s, limit_s=s.limit_s)


class TooHot(PhoneError):
    """The device stays too hot to be measured."""

    def __init__(self, message: str) -> None:
        super().__init__("hot", message)


def _status(state: State) -> int:
    """0 where the device does not tell; then its temperatures have to."""
    return state.thermal_status or 0


def _alike(medians: Sequence[float]) -> bool:
    last = medians[-2:]
    return len(last) == 2 and max(last) - min(last) <= WARM * statistics.fmean(last)
