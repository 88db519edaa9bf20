"""Limits of time and memory for another process."""

import math
import resource
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Limits:
    """What a process may take. cpu_s: computing time of all its threads. memory_mb: in 10^6
    bytes."""

    cpu_s: float
    memory_mb: float

    def hold(self, pid: int) -> None:
        """Let the kernel end the process `pid`, or refuse it memory, beyond them.

        Linux alone can do that to another process; elsewhere nothing happens.
        """
        if not hasattr(resource, "prlimit"):
            return
        _lower(pid, resource.RLIMIT_DATA, int(self.memory_mb * 1e6))
        if math.isfinite(self.cpu_s):
            _lower(pid, resource.RLIMIT_CPU, int(self.cpu_s) + 1)


def available_mb() -> float:
    """The memory that nobody uses at the moment, in 10^6 bytes."""
    return float(psutil.virtual_memory().available) / 1e6


def _lower(pid: int, kind: int, most: int) -> None:
    try:
        soft, hard = resource.prlimit(pid, kind)
        if soft == resource.RLIM_INFINITY or most < soft:
            resource.prlimit(pid, kind, (most, hard))
    except ProcessLookupError:  # it has ended already
        pass
