"""Runs the NPU's part of a compiled file on Qualcomm's emulator, for `lpie.npu.emulate`: what
crashes here crashes alone.

It reads requests on stdin and answers each on stdout, one line of JSON each. Tensors come and go as
.npy files. Needs onnxruntime, onnxruntime-qnn and onnx, not lpie.
"""

import json
import os
import signal
import sys
from typing import Any

import numpy as np

PROVIDER = "QNNExecutionProvider"


class Worker:
    """The partitions of one file. Those whose programs lie in one QNN context share a session."""

    def __init__(self, job: dict[str, Any]) -> None:
        import onnxruntime
        import onnxruntime_qnn

        onnxruntime.set_default_logger_severity(4)
        onnxruntime.register_execution_provider_library(
            PROVIDER, onnxruntime_qnn.get_library_path()
        )
        self._parts = job["parts"]
        devices = [d for d in onnxruntime.get_ep_devices() if d.ep_name == PROVIDER]
        qnn = {"backend_path": onnxruntime_qnn.get_qnn_htp_path(), "soc_model": str(job["soc"])}
        path = os.path.join(job["folder"], "context.onnx")
        self._sessions = {}
        for place in {(part["offset"], part["size"]) for part in self._parts}:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            options.add_provider_for_devices(devices, qnn)
            write_onnx(self._parts, place, job["file"], path)
            self._sessions[place] = onnxruntime.InferenceSession(path, options)
            os.unlink(path)
        self._options = onnxruntime.RunOptions()
        self._options.only_execute_path_to_fetches = True

    def run(self, request: dict[str, Any]) -> None:
        """Run one partition, from files to files."""
        part = self._parts[request["part"]]
        session = self._sessions[part["offset"], part["size"]]
        # The other partitions of the session do not run, but want something for their inputs.
        feeds = {
            name: np.zeros(shape, dtype)
            for other in self._parts
            if (other["offset"], other["size"]) == (part["offset"], part["size"])
            for name, (shape, dtype) in ends(other, "inputs").items()
        }
        for name, path in zip(ends(part, "inputs"), request["inputs"], strict=True):
            feeds[name] = np.load(path)
        results = session.run([*ends(part, "outputs")], feeds, self._options)
        for path, result in zip(request["outputs"], results, strict=True):
            np.save(path, result)


def ends(part: dict[str, Any], side: str) -> dict[str, tuple[list[int], str]]:
    """Shape and type of each input or output of a partition, by names of its own."""
    return {f"{part['name']}.{side}.{k}": (*entry,) for k, entry in enumerate(part[side])}


def write_onnx(parts: list[dict[str, Any]], place: tuple[int, int], file: str, path: str) -> None:
    """An ONNX model of a QNN context: a node for each of its partitions, of which the first holds
    the context. place: where that lies in `file`: (offset, size)."""
    import onnx
    from onnx import helper

    offset, size = place
    with open(file, "rb") as compiled:
        compiled.seek(offset)
        context = compiled.read(size)
    own = [part for part in parts if (part["offset"], part["size"]) == place]
    nodes = [
        helper.make_node(
            "EPContext",
            [*ends(part, "inputs")],
            [*ends(part, "outputs")],
            name=part["name"],
            domain="com.microsoft",
            main_context=int(part is own[0]),
            embed_mode=1,
            ep_cache_context=context if part is own[0] else b"",
            partition_name=part["name"],
            source=PROVIDER,
            ep_sdk_version="",
        )
        for part in own
    ]
    inputs, outputs = (
        [_value(name, *end) for part in own for name, end in ends(part, side).items()]
        for side in ("inputs", "outputs")
    )
    graph = helper.make_graph(nodes, "npu", inputs, outputs)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def _value(name: str, shape: list[int], dtype: str) -> Any:
    """An input or output of an ONNX graph."""
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, shape)


def main() -> None:
    """Answer requests until stdin ends; what a library refuses ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C, which its parent sees to
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # the libraries print too
        worker: Worker | None = None
        for line in sys.stdin:
            request = json.loads(line)
            if worker is None:
                worker = Worker(request)
            else:
                worker.run(request)
            answers.write("{}\n")
            answers.flush()


if __name__ == "__main__":
    main()
