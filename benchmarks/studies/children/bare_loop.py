"""The interpreter in a bare loop, for `lpie.benchmarks.studies.overhead`."""

import itertools
import time
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lpie.benchmarks.runners.run_tflite import answer_requests, read_job


def main() -> None:
    """Prepares the job on stdin, then answers each request with the ms from run to run."""
    job = read_job()
    interpreter = Interpreter(model_path=job["model"], num_threads=job["threads"])
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    image = np.random.default_rng(0).random(source["shape"], np.float32)
    interpreter.set_tensor(source["index"], image.astype(source["dtype"]))
    interpreter.invoke()

    def reply(request: dict[str, Any]) -> dict[str, Any]:
        interpreter.invoke()
        stamps = [time.perf_counter()]
        end = stamps[0] + request["seconds"]
        while stamps[-1] < end:
            interpreter.invoke()
            stamps.append(time.perf_counter())
        return {"times_ms": [1e3 * (b - a) for a, b in itertools.pairwise(stamps)]}

    answer_requests({}, reply)


if __name__ == "__main__":
    main()
