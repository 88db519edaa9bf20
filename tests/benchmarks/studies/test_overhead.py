import pytest

from lpie.benchmarks.studies.overhead import measure


def test_the_harness_and_a_bare_loop_take_turns():
    result = measure("denoise-s", "64x64", threads=1, rounds=3, seconds=0.05)
    assert len(result["ratios"]) == 3
    low, high = result["interval"]
    assert low <= result["ratio"] <= high
    assert result["harness_ms"] > 0
    assert min(result["ratios"]) <= result["ratio"] <= max(result["ratios"])
    assert result["ratio"] == pytest.approx(sorted(result["ratios"])[1])
