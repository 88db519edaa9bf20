"""What a benchmark was asked to do: the flags on its command line and the parameters it repeats."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from lpie.benchmarks.logs.lines import Line

_COMMAND = re.compile(r"benchmark|\bargs\b|^\s*--\w")
_FLAG = re.compile(r"(?<![\w-])--(?P<name>[a-z][\w-]*)(?:=(?P<value>[^\s'\"]*))?")
_ECHO = re.compile(r"^(?P<name>[#A-Za-z][^:\[\]]*?) ?: \[(?P<value>[^\]]*)\]")
# How the tools repeat a flag in words, in any case.
_WORDS = {
    "use gpu": "use_gpu",
    "use npu": "use_npu",
    "use cpu": "use_cpu",
    "use nnapi": "use_nnapi",
    "use hexagon": "use_hexagon",
    "use coreml": "use_coreml",
    "use xnnpack": "use_xnnpack",
    "external delegate path": "external_delegate_path",
    "gpu backend": "gpu_backend",
    "allow lower precision in gpu": "gpu_precision_loss_allowed",
    "gpu precision": "gpu_precision",
    "nnapi accelerator name": "nnapi_accelerator_name",
    "num threads": "num_threads",
    "#threads used for cpu inference": "num_threads",
    "graph": "graph",
    "input shapes": "input_layer_shape",
    "input layer shape": "input_layer_shape",
    "min num runs": "num_runs",
    "num runs": "num_runs",
    "min runs duration (seconds)": "min_secs",
}
# In this order where several are asked for at once: the first takes the graph.
_DELEGATES = {
    "use_npu": "npu",
    "use_gpu": "gpu",
    "use_nnapi": "nnapi",
    "use_hexagon": "hexagon",
    "use_coreml": "coreml",
    "external_delegate_path": "external",
}
_OFF = ("", "0", "false")


def find_request(lines: Sequence[Line]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """(the schema's `requested`, its `runner`, its `model`), as far as the log of one run tells."""
    options, flags = _options(lines)
    started = any(line.text.startswith("STARTING!") for line in lines)
    return (
        _requested(options, known=bool(options) or started),
        {"name": _runner(lines), "flags": flags},
        {"file": _model(lines, options)},
    )


def _options(lines: Sequence[Line]) -> tuple[dict[str, str], list[str]]:
    """{flag: value} and the flags as they are written, from the command line where there is one."""
    echoed: dict[str, str] = {}
    typed: dict[str, str] = {}
    words: list[str] = []
    for line in lines:
        if match := _ECHO.match(line.text):
            words.append(match[0])
            name = _WORDS.get(match["name"].lower())
            if name and (name != "num_threads" or match["value"] not in ("-1", "")):
                echoed[name] = match["value"]
        elif _COMMAND.search(line.text) and "flags:" not in line.text:
            for flag in _FLAG.finditer(line.text):
                name = flag["name"].replace("-", "_").replace("model", "graph")
                typed[name] = "true" if flag["value"] is None else flag["value"]
                words.append(flag[0])
    return {**echoed, **typed}, list(dict.fromkeys(words))


def _requested(options: dict[str, str], *, known: bool) -> dict[str, Any]:
    asked = {
        "delegate": _delegate(options) if known else None,
        "accelerator": options.get("nnapi_accelerator_name") or None,
        "precision": _precision(options),
        "threads": _whole(options.get("num_threads")),
        "min_runs": _whole(options.get("num_runs")),
        "seconds": _amount(options.get("min_secs")),
    }
    shape = re.match(r"(?:1,)?(\d{1,6}),(\d{1,6}),\d+$", options.get("input_layer_shape", ""))
    if shape:
        asked["size"] = f"{shape[2]}x{shape[1]}"
    return asked


def _delegate(options: dict[str, str]) -> str:
    for flag, delegate in _DELEGATES.items():
        if options.get(flag, "").lower() not in _OFF:
            backend = {"opengl": "gl", "opencl": "cl"}.get(
                options.get("gpu_backend", ""), options.get("gpu_backend", "")
            )
            return f"gpu-{backend}" if delegate == "gpu" and backend in ("cl", "gl") else delegate
    return "xnnpack" if options.get("use_xnnpack", "").lower() in ("1", "true") else "cpu"


def _precision(options: dict[str, str]) -> str | None:
    if options.get("gpu_precision") in ("fp16", "fp32"):
        return options["gpu_precision"]
    loss = options.get("gpu_precision_loss_allowed")
    return None if loss is None else "fp32" if loss.lower() in _OFF else "fp16"


def _runner(lines: Sequence[Line]) -> str:
    texts = [line.text for line in lines]
    if any(text.startswith("Fully accelerated:") for text in texts):
        return "litert_benchmark"
    if any(text.startswith("All runs took average") for text in texts):
        return "run_model"
    block = any("BENCHMARK RESULTS" in text for text in texts)
    return "litert_benchmark_model" if block else "benchmark_model"


def _model(lines: Sequence[Line], options: dict[str, str]) -> str | None:
    rules = r"^Loaded model:? (\S+)", r"^Loading model from: (\S+)"
    graphs = [
        m[1] for line in lines if line.whole for rule in rules if (m := re.match(rule, line.text))
    ]
    path = (graphs[-1] if graphs else options.get("graph", "")).split(":")[0]
    return PurePosixPath(path).name or None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\d{1,9}", text) else None


def _amount(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) else None
