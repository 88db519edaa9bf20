"""What the apps of a phone do when `am start` starts them, and what they write to logcat."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

FAULTS = "/state/app-fault"


def main() -> None:
    words = sys.argv[1:]
    component = words[words.index("-n") + 1]
    extras = {words[i + 1]: words[i + 2] for i, word in enumerate(words) if word == "--es"}
    fault = Path(FAULTS).read_text().strip() if Path(FAULTS).exists() else ""
    if fault == "silent":
        return
    if fault == "crash":
        log("E", "AndroidRuntime", "FATAL EXCEPTION: main")
        log("E", "AndroidRuntime", f"Process: {component.partition('/')[0]}, PID: {os.getpid()}")
    elif component.startswith("org.tensorflow"):
        benchmark_app(extras["args"])
    else:
        lpie_app(extras, fault)


def benchmark_app(arguments: str) -> None:
    """TFLite's benchmark app: the tool's own lines, under the tag tflite."""
    log(
        "I",
        "tflite_BenchmarkModelActivity",
        "Running TensorFlow Lite benchmark with args: " + arguments,
    )
    words = ["/state/benchmark_model", *arguments.split()]
    result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in result.stdout.splitlines():
        log("I", "tflite", line.partition(": ")[2] or line)


def lpie_app(extras: dict[str, str], fault: str) -> None:
    """lpie's: docs/app-benchmark.md."""
    name = extras["id"]
    if fault == "refused":
        log("I", "lpie", f"lpie-status {name} failed The GPU delegate is not in this build.")
        return
    log("I", "lpie", f"lpie-progress {name} round 1/1")
    assert os.path.exists(extras["model"].replace(".tflite", ".spec.json"))
    interpreter = Interpreter(model_path=extras["model"])
    interpreter.allocate_tensors()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        interpreter.invoke()
        times.append(1e3 * (time.perf_counter() - begin))
    record = {
        "schema": "lpie-bench/1",
        "verdict": "valid",
        "why": "",
        "runner": {"name": "app", "version": "0.1.0"},
        "requested": {"delegate": extras["delegate"]},
        "executed": {"delegate": extras["delegate"], "full": True},
        "rounds": [{"count": 5, "median_ms": float(np.median(times)), "times_ms": times}],
        "summary": {"init_ms": 12.5, "first_ms": times[0], "parts_ms": {"copies": 0.5}},
        "log": {"text": "x" * 5000},
    }
    text = base64.b64encode(json.dumps(record).encode()).decode()
    parts = [text[i : i + 3000] for i in range(0, len(text), 3000)]
    for number, part in enumerate(parts, 1):
        if not (fault == "lost" and number == 2):
            log("I", "lpie", f"lpie-record {name} {number}/{len(parts)} {part}")
    log("I", "lpie", f"lpie-status {name} done")


def log(level: str, tag: str, text: str) -> None:
    pid = os.getpid()
    with open("/state/logcat", "a") as file:
        file.write(f"11-28 12:00:00.000 {pid:5} {pid:5} {level} {tag:8}: {text}\n")


if __name__ == "__main__":
    main()
