"""Asks Qualcomm's compiler what it expects of graphs, for `lpie.npu.estimate.vendor`: what crashes
here crashes alone.

It reads one line of JSON on stdin, {"models": [path of an ONNX file], "soc": number}, and answers
with one line for all of them. Needs onnxruntime and onnxruntime-qnn, not lpie.
"""

import csv
import json
import os
import re
import signal
import sys
import tempfile
from typing import Any

PROVIDER = "QNNExecutionProvider"
# How the profile calls them. Its times come without running anything.
ROWS = {
    "Simulated (Accelerator exec cycles)": "cycles",
    "Simulated (Accelerator exec time us)": "us",
    "Simulated (Accelerator exec time us (lower estimate))": "lower_us",
    "Simulated (Accelerator exec time us (upper estimate))": "upper_us",
    "Input Fill": "input_bytes",
    "Intermediate Fill": "fill_bytes",
    "Intermediate Spill": "spill_bytes",
    "Output Spill": "output_bytes",
    "Missing Ops (Number of Ops with no Costs associated)": "unpriced",
}


def estimated(model: str, soc: int) -> dict[str, Any]:
    """The rows of one graph; the reason where the compiler refuses it."""
    import onnxruntime
    import onnxruntime_qnn

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    devices = [d for d in onnxruntime.get_ep_devices() if d.ep_name == PROVIDER]
    with tempfile.TemporaryDirectory() as folder:
        profile = os.path.join(folder, "profile.csv")
        choices = {
            "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
            "soc_model": str(soc),
            "profiling_level": "basic",
            "profiling_file_path": profile,
            "htp_graph_finalization_optimization_mode": "3",
        }
        options.add_provider_for_devices(devices, choices)
        try:
            onnxruntime.InferenceSession(model, options)
        except Exception as error:  # noqa: BLE001 (its own errors have no common class)
            return {"refused": str(error)[:2000]}
        if not os.path.exists(profile):
            return {"refused": "it wrote no profile"}
        with open(profile, newline="") as file:
            rows = list(csv.DictReader(file))
    result = dict.fromkeys(ROWS.values(), 0)
    for row in rows:
        if name := ROWS.get(row["Event Identifier"]):
            result[name] += int(row["Time"])
    return result


def refused_ops(log: str) -> list[str]:
    """The nodes that the compiler did not take, from what it printed."""
    named = re.findall(r"\{ name: (op \d+ \w+)", log)
    return list(dict.fromkeys(named))


def main() -> None:
    """Answer one request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C, which its parent sees to
    with os.fdopen(os.dup(1), "w") as answers, tempfile.TemporaryFile("w+") as log:
        os.dup2(log.fileno(), 1)  # the libraries print too
        os.dup2(log.fileno(), 2)
        request = json.loads(sys.stdin.readline())
        import onnxruntime
        import onnxruntime_qnn

        library = onnxruntime_qnn.get_library_path()
        onnxruntime.register_execution_provider_library(PROVIDER, library)
        results = []
        for model in request["models"]:
            log.seek(0)
            log.truncate()
            result = estimated(model, request["soc"])
            log.flush()
            log.seek(0)
            if "refused" in result:
                result["refused_ops"] = refused_ops(log.read())
            results.append(result)
        answers.write(json.dumps({"results": results}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
