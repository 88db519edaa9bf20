"""What can be said of a sample of latencies: median, nearest-rank percentiles, spread, interval."""

import math
import statistics
from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000
CONFIDENCE = 0.95


def describe(times_ms: Sequence[float]) -> dict[str, float]:
    """Count, mean, median, extremes, population deviation and percentiles of single runs, in ms.

    Raises `ValueError` when there is none.
    """
    if not times_ms:
        raise ValueError("`times_ms` must hold one time at least. Received: none.")
    return {
        "count": len(times_ms),
        "median_ms": statistics.median(times_ms),
        "mean_ms": statistics.fmean(times_ms),
        "min_ms": min(times_ms),
        "max_ms": max(times_ms),
        "std_ms": statistics.pstdev(times_ms),
        **{f"p{p}_ms": percentile(times_ms, p) for p in (5, 90, 95, 99)},
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that `percent` of them do not exceed (nearest rank), as TFLite's."""
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


def deviation(values: Sequence[float]) -> float:
    """The median absolute deviation from the median (MAD), not scaled."""
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)


def interval(medians: Sequence[float], *, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of the median over rounds; None for fewer than three rounds.

    medians: one for each round. Rounds are drawn, not runs: the runs of one round share its clock
    rate and temperature, and would make the interval too narrow.
    """
    if len(medians) < 3:
        return None
    values = np.asarray(medians, np.float64)
    return _quantiles(np.median(values[_draws(len(values), seed)], axis=1))


def ratio_interval(
    new: Sequence[float], old: Sequence[float], *, paired: bool, seed: int = 0
) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of median(new) / median(old); None for fewer than three rounds.

    paired: round i of both ran one after the other (A B A B), so that what disturbed a round
    disturbed both: the median of the ratios of each pair is taken.
    """
    if min(len(new), len(old)) < 3:
        return None
    above, below = np.asarray(new, np.float64), np.asarray(old, np.float64)
    if paired:
        ratios = above / below
        return _quantiles(np.median(ratios[_draws(len(ratios), seed)], axis=1))
    tops = np.median(above[_draws(len(above), seed)], axis=1)
    bottoms = np.median(below[_draws(len(below), seed + 1)], axis=1)
    return _quantiles(tops / bottoms)


def _draws(count: int, seed: int) -> np.ndarray:
    """[RESAMPLES, count] indices, drawn with replacement."""
    return np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))


def _quantiles(values: np.ndarray) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
