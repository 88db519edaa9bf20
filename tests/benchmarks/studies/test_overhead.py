import itertools

import pytest

from lpie.benchmarks.studies.overhead import compared, measure


def test_the_ratio_of_known_times():
    """A round that was disturbed is so for both; one outlier in a round is none of its median."""
    disturbed = [1, 1, 3, 1, 1]
    slow, fast = iter(disturbed), iter(disturbed)
    result = compared(
        lambda: [factor * ms for factor in [next(slow)] for ms in (2.0, 2.2, 99.0)],
        lambda: [factor * ms for factor in [next(fast)] for ms in (1.0, 1.1, 1.1)],
        rounds=5,
    )
    assert result["ratios"] == pytest.approx([2.0] * 5)
    assert result["ratio"] == pytest.approx(2.0)
    assert result["interval"] == pytest.approx((2.0, 2.0))
    assert result["harness_ms"] == pytest.approx(2.2)
    assert result["bare_ms"] == pytest.approx(1.1)


def test_neither_always_follows_the_other():
    order = []
    times = itertools.count(1)
    compared(
        lambda: order.append("harness") or [float(next(times))],
        lambda: order.append("bare") or [float(next(times))],
        rounds=2,
    )
    assert order == ["harness", "bare", "bare", "harness"]


def test_both_run_here():
    result = measure("denoise-s", "64x64", threads=1, rounds=3, seconds=0.02)
    assert len(result["ratios"]) == 3
    assert min(result["harness_ms"], result["bare_ms"]) > 0
