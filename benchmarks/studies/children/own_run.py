"""One `.tflite` on one picture, whole or as `lpie restore` does it, timed whenever asked."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lpie.benchmarks.runners.run_tflite import answer_requests, read_job, since, timed
from lpie.benchmarks.studies.study import picture
from lpie.image.image import to_float
from lpie.restore.restorer import Restorer
from lpie.restore.tile_policy import Plan
from lpie.size import Size
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel


def main() -> None:
    """Set up what the job asks for, run it once, then as often as asked."""
    job = read_job()
    height, width = job["height"], job["width"]
    photo = picture(height, width)
    run, setup_ms = _whole(job, photo) if job["plan"] is None else _tiles(job, photo)
    first_ms = timed(run)
    answer_requests(
        {"setup_ms": setup_ms, "first_ms": first_ms},
        lambda request: {"times_ms": [timed(run) for _ in range(request["runs"])]},
    )


def _whole(job: dict[str, Any], photo: np.ndarray) -> tuple[Callable[[], object], float]:
    """The runtime alone: neither resizing the graph nor turning pixels into floats is counted."""
    data = TfliteModel.read(Path(job["model"])).resized(Size(*photo.shape[:2])).to_bytes()
    start = time.perf_counter()
    session = Session(data, threads=job["threads"])
    setup_ms = since(start)
    session.set_input(session.quantized(to_float(photo)))
    if job.get("output"):
        session.invoke()
        np.save(job["output"], session.output())
    return session.invoke, setup_ms


def _tiles(job: dict[str, Any], photo: np.ndarray) -> tuple[Callable[[], object], float]:
    """From pixels to pixels, as a user waits for it."""
    start = time.perf_counter()
    restorer = Restorer(job["model"], threads=job["threads"])
    plan = Plan.from_json(job["plan"])
    restorer.prepare(plan)
    setup_ms = since(start)
    return lambda: restorer.restore(photo, plan=plan), setup_ms


if __name__ == "__main__":
    main()
