"""What else a Linux computer did during a round, read in /proc and /sys before and after it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

# The kernel counts in hundredths of a second: less time than this tells nothing.
LEAST_S = 0.2
HEAT = "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"
LIMITS = ("sys/fs/cgroup/cpu.stat", "sys/fs/cgroup/cpu/cpu.stat")


@dataclass(frozen=True)
class Reading:
    """Counters that only grow; None where the system does not tell.

    at_s: a clock. busy_s: of all cores. own_s: of lpie and the processes that it started.
    heat_events: how often cores slowed themselves. held_back_s: by a container's CPU limit.
    """

    at_s: float
    busy_s: float | None
    own_s: float | None
    heat_events: int | None
    held_back_s: float | None


def read(root: Path = Path("/")) -> Reading:
    """Return the counters of this computer now."""
    counts = [_number(path.read_text()) for path in root.glob(HEAT)]
    known = [count for count in counts if count is not None]
    return Reading(
        time.monotonic(), _busy_s(), _own_s(), sum(known) if known else None, _held_back_s(root)
    )


def work_since(before: Reading | None, after: Reading | None) -> dict[str, Any]:
    """Return the fields of a round in a record that tell what happened between two readings."""
    if before is None or after is None:
        return {}
    return {
        "other_cores": _others(before, after),
        "heat_events": _grown(before.heat_events, after.heat_events),
        "held_back_s": _grown(before.held_back_s, after.held_back_s),
    }


def _others(before: Reading, after: Reading) -> float | None:
    wall_s = after.at_s - before.at_s
    busy_s = _grown(before.busy_s, after.busy_s)
    own_s = _grown(before.own_s, after.own_s)
    if wall_s < LEAST_S or busy_s is None or own_s is None:
        return None
    return round(max(busy_s - own_s, 0) / wall_s, 3)


def _grown(before: Any, after: Any) -> Any:
    """The growth; None where it is unknown, or where a counter began anew."""
    if before is None or after is None or after < before:
        return None
    return after - before


def _busy_s() -> float | None:
    """Seconds of all cores that were neither idle nor waited for a disk."""
    times = psutil.cpu_times()._asdict()
    idle = ("idle", "iowait", "guest", "guest_nice")  # a guest's time is in that of its user
    return sum(seconds for name, seconds in times.items() if name not in idle)


def _own_s() -> float | None:
    """Seconds of this process and all that it started, those that have ended too."""
    try:
        process = psutil.Process()
        family = [process, *process.children(recursive=True)]
        times = [member.cpu_times() for member in family]
    except psutil.Error:  # one has just ended
        return None
    ended = getattr(times[0], "children_user", 0) + getattr(times[0], "children_system", 0)
    return ended + sum(part.user + part.system for part in times)


def _held_back_s(root: Path) -> float | None:
    for name in LIMITS:
        path = root / name
        if path.is_file():
            rows = dict(line.split() for line in path.read_text().splitlines() if " " in line)
            if "throttled_usec" in rows:
                return int(rows["throttled_usec"]) / 1e6
            if "throttled_time" in rows:
                return int(rows["throttled_time"]) / 1e9
    return None


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None
