"""How models are compared on one device: cool, warm, in turns, and stopped when it grows hot."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from lpie.benchmarks.adb.failures import PhoneError
from lpie.benchmarks.adb.state import State
from lpie.benchmarks.harness.device import Place
from lpie.benchmarks.harness.job import Job
from lpie.benchmarks.harness.measurement import Measurement
from lpie.benchmarks.harness.quality import Picture
from lpie.benchmarks.harness.runner import Ask, Outcome, Runner
from lpie.benchmarks.harness.settings import Settings
from lpie.benchmarks.records.record import new_run, round_medians

# Of the memory that is free: the rest is for what the estimate misses.
USABLE = 0.8
WARM = 0.05  # relative change of the median at which a device counts as warm
WARMUPS = 4  # at most, of a job
LOOK_S = 5.0  # between two looks at a device that cools
SUSTAINED_S = 10.0  # of one point of the curve
CRITICAL = 4  # thermal status at which even a sustained run stops
TELL = Callable[[str], None]


class Protocol:
    """Measures jobs on a place with a runner. tell: what goes on, a line each."""

    def __init__(
        self,
        place: Place,
        runner: Runner,
        settings: Settings,
        picture: Callable[[Job], Picture],
        *,
        tell: TELL = lambda line: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._place, self._runner, self._settings = place, runner, settings
        self._picture, self._tell, self._sleep = picture, tell, sleep
        self._facts: dict[str, Any] | None = None

    def compare(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """The records of `jobs`, whose rounds take turns: A B A B.

        A job that fails is left out of the turns and keeps the reason. A device that goes away
        leaves every unfinished job `incomplete`; nothing is raised for either.
        """
        run, found = new_run(), [Measurement(job) for job in jobs]
        try:
            self._facts = self._facts or self._place.facts()
            self._check_all(found)
            self._warm_up(found)
            self._take_turns(found)
            if self._settings.profile:
                self._profile(found)
            if self._settings.sustained_min:
                self._sustain(found)
        except PhoneError as error:
            for each in found:
                if not each.complete(self._settings):
                    each.stop(str(error))
        facts = self._facts or {"serial": self._place.serial}
        return [
            each.record(facts, self._runner.about(each.job), self._settings, run) for each in found
        ]

    def _check_all(self, found: list[Measurement]) -> None:
        """Run each once with the photo. What does not fit whole is done by tiles too."""
        settings = self._settings
        for each in tuple(found):
            tiles = each.job.halo_px is not None
            if settings.mode == "tiles" or (settings.mode == "auto" and self._too_large(each.job)):
                each.job = each.job.tiled(settings.tile_px)
            outcome = self._check(each)
            if outcome.out_of_memory and settings.mode == "auto" and tiles and each.job.whole:
                found.append(Measurement(each.job.tiled(settings.tile_px)))
                self._check(found[-1])

    def _check(self, found: Measurement) -> Outcome:
        """Does it run, what does it need, is it right?"""
        self._tell(f"{found.job}: checking")
        found.before = self._place.state()
        picture = self._picture(found.job)
        self._runner.prepare(found.job, picture)
        outcome = self._runner.run(found.job, Ask(check=True, limit_s=self._settings.limit_s))
        found.check(outcome, picture)
        return outcome

    def _too_large(self, job: Job) -> bool:
        free = self._place.free_mb()
        return job.halo_px is not None and free is not None and job.estimated_mb > USABLE * free

    def _warm_up(self, found: Sequence[Measurement]) -> None:
        """Until the medians of two calls in a row are alike: what a first run sets up is over."""
        for each in found if self._settings.warmup_s else ():
            medians: list[float] = []
            while each.going and len(medians) < WARMUPS and not _alike(medians):
                self._cool_down()
                outcome = self._runner.run(each.job, self._ask())
                medians += round_medians(outcome.rounds)
                each.warm(outcome)

    def _take_turns(self, found: Sequence[Measurement]) -> None:
        began = time.monotonic()
        for number in range(self._settings.rounds):
            for each in found:
                if not each.going:
                    continue
                self._tell(f"{each.job}: round {number + 1} of {self._settings.rounds}")
                before = self._cool_down()
                if number == 0:  # not the state of the check, before it had cooled
                    each.before = before
                at_s = time.monotonic() - began
                outcome = self._runner.run(each.job, self._ask())
                after = self._place.state()
                each.take(outcome, at_s, after)
                if _status(after) > _status(before):
                    each.stop("")  # the record's states say why
        for each in found:
            each.after = each.after or self._place.state()

    def _profile(self, found: Sequence[Measurement]) -> None:
        for each in found:
            if each.going:
                ask = dataclasses.replace(self._ask(), profile=True)
                each.profile(self._runner.run(each.job, ask))

    def _sustain(self, found: list[Measurement]) -> None:
        """Each job for minutes without a pause: how much slower it gets as the device heats."""
        for each in [each for each in found if each.going]:
            curve = Measurement(each.job, sustained=True)
            found.append(curve)
            curve.before = self._cool_down()
            began, end = time.monotonic(), 60 * self._settings.sustained_min
            while (at_s := time.monotonic() - began) < end and curve.going:
                self._tell(f"{each.job}: {at_s / 60:.1f} of {end / 60:.1f} minutes")
                seconds = min(SUSTAINED_S, end / 3)
                ask = Ask(runs=1, seconds=seconds, limit_s=self._settings.limit_s + seconds)
                outcome = self._runner.run(each.job, ask)
                state = self._place.state()
                curve.take(outcome, at_s, state)
                if _status(state) >= CRITICAL:
                    curve.stop("")

    def _cool_down(self) -> State:
        """The state in which the device is cool enough; raises `TooHot` when it does not cool."""
        settings, waited = self._settings, 0.0
        while True:
            state = self._place.state()
            hottest = state.hottest_c()
            if _status(state) == 0 and (hottest is None or hottest <= settings.cool_to_c):
                return state
            if waited >= settings.cool_s:
                at = f"{hottest:.1f} °C, " if hottest is not None else ""
                raise TooHot(
                    f"It did not cool down to {settings.cool_to_c:g} °C and thermal status 0 "
                    f"within {settings.cool_s:.0f} s ({at}status {_status(state)}): put it in a "
                    "cooler place, or raise --cool-to."
                )
            self._tell(f"{self._place.serial}: cooling down ({hottest} °C)")
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
