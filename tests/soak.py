"""Tests of many random moments: some in each run, chosen by the commit, and all by `make soak`."""

import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np

FULL = os.environ.get("LPIE_SOAK") == "full"


@cache
def seed():
    """A number of the commit, the same in all processes of a run; LPIE_SOAK_SEED overrides it."""
    if text := os.environ.get("LPIE_SOAK_SEED"):
        return int(text)
    result = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return int(result.stdout.strip()[:8] or "0", 16)


def amount(full, small):
    """`full` in `make soak`, else `small`."""
    return full if FULL else small


def pytest_report_header():
    extent = "in full" if FULL else "in their small form"
    return f"soak tests: {extent}; LPIE_SOAK_SEED={seed()} chooses the same moments"


def rng(*more):
    """A random generator of this commit; `more` numbers tell several apart."""
    return np.random.default_rng([seed(), *more])


def some(cases, count):
    """All `cases` in full, else `count` of them that the commit chooses, in their order."""
    cases = list(cases)
    if FULL or count >= len(cases):
        return cases
    return [cases[i] for i in sorted(rng(len(cases)).choice(len(cases), count, replace=False))]
