"""One timed run in a process of its own: reads a job as JSON, writes its numbers as JSON."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.image import to_uint8
from lpie.plan import Plan
from lpie.restorer import Restorer
from lpie.runtime import Session, resized

# Relative spread of the last three warm-up runs at which warm-up ends; at the latest it ends after
# as many seconds as the measurement takes at the least.
STABLE = 0.05


def measure(job: dict[str, Any]) -> dict[str, float]:
    """The numbers of one job made by `lpie.benchmarks.host`."""
    width, height = (int(n) for n in job["size"].split("x"))
    image = photo_like(height, width)
    baseline_mb = peak_mb()
    run, init_ms = _prepare(job, image)
    first_ms = _timed(run)
    warmups = [first_ms]
    while sum(warmups) < 1e3 * job["seconds"] and not _is_stable(warmups):
        warmups.append(_timed(run))
    times_ms: list[float] = []
    while len(times_ms) < job["min_runs"] or sum(times_ms) < 1e3 * job["seconds"]:
        times_ms.append(_timed(run))
    return {
        "init_ms": init_ms,
        "first_ms": first_ms,
        "warmup_runs": len(warmups),
        "runs": len(times_ms),
        "median_ms": float(np.median(times_ms)),
        "p10_ms": float(np.percentile(times_ms, 10)),
        "p90_ms": float(np.percentile(times_ms, 90)),
        "min_ms": min(times_ms),
        "std_ms": float(np.std(times_ms)),
        "peak_mb": peak_mb(),
        "baseline_mb": baseline_mb,
    }


def photo_like(height: int, width: int) -> NDArray[np.float32]:
    """[height, width, 3] float32 in [0, 1]: a gradient with grain, as photos have."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.1, 0.9, width, dtype=np.float32)[None, :, None]
    grain = rng.standard_normal((height, width, 3), np.float32) * np.float32(0.1)
    return np.clip(ramp + grain, 0, 1)


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """[height, width, 3] uint8, copies of a full-HD one: no float copy of it ever exists."""
    cell = to_uint8(photo_like(min(height, 1080), min(width, 1920)))
    return np.tile(cell, (-(-height // 1080), -(-width // 1920), 1))[:height, :width]


def peak_mb() -> float:
    """The most resident memory that this process has had, in 10^6 bytes.

    Not `ru_maxrss` on Linux: that carries the parent's over an exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def _prepare(job: dict[str, Any], image: NDArray[np.float32]) -> tuple[Callable[[], object], float]:
    """(what is timed, ms to set it up): the model for a whole image, pixels to pixels by tiles.

    Resizing the graph is our doing, not the runtime's, and stays outside the set-up.
    """
    model = Path(job["model"])
    start = time.perf_counter()
    if job["mode"] == "tiles":
        restorer = Restorer(model, threads=job["threads"], runtime=job["runtime"])
        plan = Plan.from_json(job["plan"])
        restorer.prepare(plan)
        photo = to_uint8(image)
        return lambda: restorer.restore(photo, plan=plan), _since(start)
    data = resized(model.read_bytes(), *image.shape[:2])
    start = time.perf_counter()
    session = Session(data, threads=job["threads"], runtime=job["runtime"])
    init_ms = _since(start)
    session.set_input(session.quantized(image))
    return session.invoke, init_ms


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return _since(start)


def _since(start: float) -> float:
    return 1e3 * (time.perf_counter() - start)


def _is_stable(times_ms: list[float]) -> bool:
    last = times_ms[-3:]
    return len(times_ms) > 3 and max(last) - min(last) < STABLE * min(last)


if __name__ == "__main__":
    json.dump(measure(json.load(sys.stdin)), sys.stdout)
