"""Timed rounds in a process of its own, which `lpie.benchmarks.harness.host_turns` starts and asks."""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.benchmarks.harness.answering import answer_requests, read_job
from lpie.image.image import to_uint8
from lpie.restore.restorer import Restorer
from lpie.restore.tile_policy import Plan
from lpie.size import Size
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel

# Relative spread of the last three warm-up runs at which warm-up ends; at the latest it ends after
# as many seconds as the measurement takes at the least.
STABLE = 0.05
# A run shorter than this is made once more, untimed, when the round of another model has been
# between: its caches are cold. Of a longer one that is lost in the time of the run.
COLD_MS = 200.0


def prepared(job: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], object]]:
    """(set-up and warm-up of a job of `lpie.benchmarks.harness.host`, what is to be timed)."""
    width, height = (int(n) for n in job["size"].split("x"))
    image = photo_like(height, width)
    baseline_mb = peak_mb()
    run, init_ms = _prepare(job, image)
    warmups = [timed(run)]
    while sum(warmups) < 1e3 * job["seconds"] and not _is_stable(warmups):
        warmups.append(timed(run))
    about = {
        "init_ms": init_ms,
        "first_ms": warmups[0],
        "warmup_ms": float(np.mean(warmups)),
        "warmup_runs": len(warmups),
        "last_ms": warmups[-1],
        "baseline_mb": baseline_mb,
    }
    return about, run


def one_round(run: Callable[[], object], *, min_runs: int, seconds: float) -> list[float]:
    """The ms of each run: at least `min_runs`, over at least `seconds`."""
    times_ms: list[float] = []
    total_ms = 0.0
    while len(times_ms) < min_runs or total_ms < 1e3 * seconds:
        times_ms.append(timed(run))
        total_ms += times_ms[-1]
    return times_ms


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
        return lambda: restorer.restore(photo, plan=plan), since(start)
    data = TfliteModel.read(model).resized(Size(*image.shape[:2])).to_bytes()
    start = time.perf_counter()
    session = Session(data, threads=job["threads"], runtime=job["runtime"])
    init_ms = since(start)
    session.set_input(session.quantized(image))
    return session.invoke, init_ms


def timed(run: Callable[[], object]) -> float:
    """How long one `run` takes, ms."""
    start = time.perf_counter()
    run()
    return since(start)


def since(start: float) -> float:
    """The time since `start` of `time.perf_counter`, ms."""
    return 1e3 * (time.perf_counter() - start)


def _is_stable(times_ms: list[float]) -> bool:
    last = times_ms[-3:]
    return len(times_ms) > 3 and max(last) - min(last) < STABLE * min(last)


def main() -> None:
    """Prepare the job on stdin, then answer each request for a round with its times."""
    about, run = prepared(read_job())

    def reply(request: dict[str, Any]) -> dict[str, Any]:
        if request["cold"] and about["last_ms"] < COLD_MS:
            run()
        times_ms = one_round(run, min_runs=request["min_runs"], seconds=request["seconds"])
        return {"times_ms": times_ms, "peak_mb": peak_mb()}

    answer_requests(about, reply)


if __name__ == "__main__":
    main()
