"""How long a phone's NPU would take: its maker's own estimate, fitted to published latencies.

The latencies and the estimates of the same networks are in `npu_published.csv`. A phone's fit has
five numbers: in float and in int8 what it takes of the estimate and what each run costs beside it,
and what each gigabyte costs that does not fit into the NPU's own memory. More (bytes of weights and
of outputs, the width of the maker's interval) made left-out networks no better (2026-12-01).
"""

import csv
import functools
import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.npu.chips import NpuChip, npu_chip

DATA = "npu_published.csv"
# The devices that were measured, by their chips.
DEVICES = {
    "SM8850": "Snapdragon 8 Elite Gen 5 QRD",
    "SM8750": "Samsung Galaxy S25",
    "SM8650": "Samsung Galaxy S24",
    "SM8550": "QCS8550",
    "SM8450": "QCS8450",
    "SM7750": "Snapdragon 7 Gen 4 QRD",
}
# The share of left-out measurements that the interval is made to hold.
COVERAGE = 0.9
# Cut off on either side: less than (1 - COVERAGE) / 2, for few rows do not show the extremes.
_TAIL = 0.02
_STEPS, _SMALLEST = 30, 0.03  # of the robust fit: rounds, and the relative error that counts fully


@dataclass(frozen=True)
class Published:
    """A network whose latency was published.

    Attributes:
        network: Its name.
        floats: Whether it ran in float (float16 on an NPU) rather than in int8.
        image_to_image: Whether it returns an image, rather than classes.
        estimate_ms: What the NPU's maker expects (`lpie.npu.estimate`, V73).
        spilled_gb: What it expects to move for lack of memory in the NPU, in 10^9 bytes.
        measured_ms: By chip.
    """

    network: str
    floats: bool
    image_to_image: bool
    estimate_ms: float
    spilled_gb: float
    measured_ms: dict[str, float]


@dataclass(frozen=True)
class NpuFit:
    """The fit of one phone, and how far it misses a network that it was not fitted to.

    Attributes:
        chip: The phone's chip.
        device: What was measured.
        float_factor: Milliseconds for each millisecond of the maker's estimate, in float.
        int8_factor: The same in int8.
        float_ms: Milliseconds of each run beside that, in float.
        int8_ms: The same in int8.
        ms_per_gb: Milliseconds for each gigabyte that the NPU's memory cannot hold.
        rows: Measurements that it was fitted to.
        networks: Different networks among them.
        mean_error: Mean of |estimate / measurement - 1|, each network left out of its own fit.
        median_error: The median of that.
        worst_error: The largest of that.
        image_error: The mean over networks from image to image.
        lower: The interval begins at so many times the estimate.
        upper: It ends at so many times the estimate.
        covered: The share of measurements inside the interval, which was made without them.
        largest_ms: The largest of the maker's estimates.
    """

    chip: NpuChip
    device: str
    float_factor: float
    int8_factor: float
    float_ms: float
    int8_ms: float
    ms_per_gb: float
    rows: int
    networks: int
    mean_error: float
    median_error: float
    worst_error: float
    image_error: float
    lower: float
    upper: float
    covered: float
    largest_ms: float


def find_npu(name: str) -> NpuChip:
    """The chip called `name`, or that a phone of that name has, where its NPU can be estimated."""
    chip = npu_chip(name)
    if chip.soc not in DEVICES:
        known = [other.names[1] for other in map(npu_chip, DEVICES)]
        raise InputError(
            f"No latencies of {chip} were published, so that its NPU cannot be estimated. "
            f"Known are: {', '.join(known)}."
        )
    return chip


@functools.cache
def published_npu() -> tuple[Published, ...]:
    """The published latencies, with the maker's estimates."""
    text = importlib.resources.files(__package__).joinpath(DATA).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(
        Published(
            network=row["network"],
            floats=row["precision"] == "float",
            image_to_image=row["kind"] == "image",
            estimate_ms=float(row["estimate_ms"]),
            spilled_gb=(int(row["spill_bytes"]) + int(row["fill_bytes"])) / 1e9,
            measured_ms={soc: float(row[soc]) for soc in DEVICES if row[soc]},
        )
        for row in csv.DictReader(lines)
    )


@functools.cache
def fit_npu(chip: NpuChip) -> NpuFit:
    """Fit a phone's latencies to the maker's estimates, and measure how far that misses."""
    rows = [row for row in published_npu() if chip.soc in row.measured_ms]
    groups = np.array([row.network for row in rows])
    x = np.array([_features(r.estimate_ms, r.spilled_gb, floats=r.floats) for r in rows])
    y = np.array([row.measured_ms[chip.soc] for row in rows])
    logs = np.log(_left_out(x, y, groups) / y)
    errors = np.abs(np.expm1(logs))
    images = np.array([row.image_to_image for row in rows])
    factors = (float(number) for number in fitted(x, y))
    lower, upper = _interval(logs)
    return NpuFit(
        chip=chip,
        device=DEVICES[chip.soc],
        **dict(zip(_NUMBERS, factors, strict=True)),
        rows=len(rows),
        networks=len(set(groups)),
        mean_error=float(errors.mean()),
        median_error=float(np.median(errors)),
        worst_error=float(errors.max()),
        image_error=float(errors[images].mean()),
        lower=lower,
        upper=upper,
        covered=_covered(logs, groups),
        largest_ms=max(row.estimate_ms for row in rows),
    )


def predicted_ms(fit: NpuFit, estimate_ms: float, spilled_gb: float, *, floats: bool) -> float:
    """Milliseconds of one run, from what the maker expects."""
    numbers = np.array([getattr(fit, name) for name in _NUMBERS])
    return float(_features(estimate_ms, spilled_gb, floats=floats) @ numbers)


# The numbers of a fit, in the order of `_features`.
_NUMBERS = ("float_factor", "int8_factor", "float_ms", "int8_ms", "ms_per_gb")


def _features(estimate_ms: float, spilled_gb: float, *, floats: bool) -> NDArray[np.float64]:
    """[5]"""
    integers = not floats
    return np.array([estimate_ms * floats, estimate_ms * integers, floats, integers, spilled_gb])


def fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factors, none below 0, for which `x @ factors` is near `y` in relative terms.

    Args:
        x: [rows, features].
        y: [rows], above 0.

    Returns:
        [features]: the smallest sum of |log(x @ factors / y)|, by least squares that are weighted
        anew, so that a few odd rows do not decide.
    """
    weights, factors = np.ones(len(y)), np.zeros(x.shape[1])
    for _ in range(_STEPS):
        factors = _at_least_0(x / y[:, None] * weights[:, None], weights)
        missed = np.abs(np.log(np.maximum(x @ factors, 1e-9) / y))
        weights = 1 / np.sqrt(np.maximum(missed, _SMALLEST))
    return factors


def _at_least_0(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares; a column whose factor would be below 0 is left out."""
    kept = np.arange(a.shape[1])
    factors = np.zeros(a.shape[1])
    while len(kept):
        solved = np.linalg.lstsq(a[:, kept], b, rcond=None)[0]
        if (solved >= 0).all():
            factors[kept] = solved
            break
        kept = np.delete(kept, solved.argmin())
    return factors


def _left_out(
    x: NDArray[np.float64], y: NDArray[np.float64], groups: NDArray[np.str_]
) -> NDArray[np.float64]:
    """[rows]: what is predicted of each row by a fit without all rows of its network."""
    result = np.zeros(len(y))
    for group in np.unique(groups):
        own = groups == group
        result[own] = x[own] @ fitted(x[~own], y[~own])
    return result


def _interval(logs: NDArray[np.float64]) -> tuple[float, float]:
    """Factors around an estimate that hold `COVERAGE` of measurements; logs: of estimate by
    measurement."""
    low, high = np.quantile(-logs, [_TAIL, 1 - _TAIL])
    return float(np.exp(low)), float(np.exp(high))


def _covered(logs: NDArray[np.float64], groups: NDArray[np.str_]) -> float:
    """The share of rows inside intervals that were made without their network."""
    inside: list[bool] = []
    for group in np.unique(groups):
        own = groups == group
        low, high = np.log(_interval(logs[~own]))
        inside += [bool(low <= -log <= high) for log in logs[own]]
    return float(np.mean(inside))


def npu_fits(socs: Sequence[str] = tuple(DEVICES)) -> list[NpuFit]:
    """The fits of all phones that were measured."""
    return [fit_npu(npu_chip(soc)) for soc in socs]
