"""The interpreter in a bare loop, for `lpie.benchmarks.overhead`."""

import time
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lpie.benchmarks.answering import answer_requests, read_job

BLOCK = 10  # runs between two looks at the clock


def main() -> None:
    """Prepares the job on stdin, then answers each request with ms of a run, a mean a block."""
    job = read_job()
    interpreter = Interpreter(model_path=job["model"], num_threads=job["threads"])
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    image = np.random.default_rng(0).random(given["shape"], np.float32)
    interpreter.set_tensor(given["index"], image.astype(given["dtype"]))
    interpreter.invoke()

    def reply(request: dict[str, Any]) -> dict[str, Any]:
        times_ms: list[float] = []
        interpreter.invoke()
        while sum(times_ms) * BLOCK < 1e3 * request["seconds"]:
            start = time.perf_counter()
            for _ in range(BLOCK):
                interpreter.invoke()
            times_ms.append(1e3 * (time.perf_counter() - start) / BLOCK)
        return {"times_ms": times_ms}

    answer_requests({}, reply)


if __name__ == "__main__":
    main()
