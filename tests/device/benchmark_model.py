"""The phone's `benchmark_model`: takes the real one's flags, runs the model, prints its format.

It computes on the CPU, whatever is asked for; what it says of delegates is what a phone would.
KIND is `classic` (TFLite's) or `litert` (LiteRT's CompiledModel build). /state/faults.json says
what goes wrong: {"when": [parts of the command line], "what": ..., "after": so many calls}.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

if "--help" not in sys.argv:  # which needs no second of imports
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

KIND = "classic"
KNOWN = {
    "classic": {
        "graph": "", "num_runs": 50, "min_secs": 1.0, "max_secs": 150.0, "warmup_runs": 1,
        "warmup_min_secs": 0.5, "num_threads": -1, "use_xnnpack": "", "use_gpu": False,
        "gpu_backend": "", "gpu_precision_loss_allowed": True, "use_nnapi": False,
        "nnapi_accelerator_name": "", "disable_nnapi_cpu": True, "input_layer": "",
        "input_layer_shape": "", "input_layer_value_files": "", "output_filepath": "",
        "report_peak_memory_footprint": False, "enable_op_profiling": False,
    },
    "litert": {
        "graph": "", "num_runs": 50, "min_secs": 1.0, "max_secs": 150.0, "warmup_runs": 1,
        "warmup_min_secs": 0.5, "num_threads": -1, "use_cpu": True, "use_gpu": False,
        "use_npu": False, "gpu_backend": "", "gpu-precision": "auto", "dispatch_library_path": "",
        "report_peak_memory_footprint": False, "use_profiler": False,
    },
}  # fmt: skip


def main() -> int:
    flags = dict(KNOWN[KIND])
    words = [word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:]]
    if any(name == "help" for name, _ in words):
        say("usage: benchmark_model <flags>\nFlags:")
        for name, value in flags.items():
            say(f"\t--{name}={value}\t{type(value).__name__}\toptional")
        return 1
    unknown = [name for name, _ in words if name not in flags]
    for name, value in words:
        if name in flags:
            kind = type(flags[name])
            flags[name] = value == "true" if kind is bool else kind(value)
    if unknown:
        info("WARN", f"Unconsumed cmdline flags: {' '.join('--' + name for name in unknown)}")
    if KIND == "litert":
        return Litert(flags).run()
    return Classic(flags).run()


class Classic:
    def __init__(self, flags):
        self.flags = flags

    def run(self) -> int:
        info("INFO", "STARTING!")
        info("INFO", "Log parameter values verbosely: [0]")
        info("INFO", f"Min num runs: [{self.flags['num_runs']}]")
        info("INFO", f"Graph: [{self.flags['graph']}]")
        info("INFO", f"Loaded model {self.flags['graph']}")
        fault = self.fault = fault_now()
        self.prepare(fault)
        if fault == "no memory":
            info("ERROR", "Failed to allocate tensors!")
            info("ERROR", "Benchmarking failed.")
            return 1
        self.warm_up(fault)
        self.measure()
        self.write_output()
        return 0

    def prepare(self, fault) -> None:
        begin = time.perf_counter()
        path = self.flags["graph"]
        self.size = Path(path).stat().st_size
        plain = KIND == "classic" and self.flags["use_xnnpack"] == "false"
        self.interpreter = Interpreter(
            model_path=path,
            num_threads=max(self.flags["num_threads"], 1),
            experimental_op_resolver_type=(
                OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else OpResolverType.AUTO
            ),
        )
        self.resize()
        self.interpreter.allocate_tensors()
        nodes = len(
            Interpreter(
                model_path=path,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )._get_ops_details()
        )
        for line in self.delegation(nodes, fault, plain):
            sys.stderr.write(line + "\n")
        for number, tensor in enumerate(self.interpreter.get_input_details()):
            self.interpreter.set_tensor(tensor["index"], self.tensor(number, tensor))
        self.init_us = int(1e6 * (time.perf_counter() - begin))
        info("INFO", f"The input model file size (MB): {self.size / 1e6:g}")
        info("INFO", f"Initialized session in {self.init_us / 1e3:g}ms.")

    def delegation(self, nodes, fault, plain):
        asked = next((k for k in ("gpu", "nnapi", "npu") if self.flags.get(f"use_{k}")), "")
        name = {"gpu": "TfLiteGpuDelegateV2", "nnapi": "TfLiteNnapiDelegate"}.get(asked, "")
        if asked and fault == "fall back":
            yield f"ERROR: Following operations are not supported by {asked.upper()} delegate:"
            yield "CONV_2D: Expected at most 4 dimensions, but tensor has 5."
            yield (
                f"No operations will run on the {asked.upper()}, and all {nodes} operations will "
                "run on the CPU."
            )
            yield (
                f"Though {asked.upper()} delegate is explicitly applied, the model graph will "
                "not be executed by the delegate."
            )
        elif asked:
            taken = nodes // 2 if fault == "half" else nodes
            pieces = 3 if fault == "half" else 1
            yield (
                f"INFO: Replacing {taken} out of {nodes} node(s) with delegate ({name}) node, "
                f"yielding {pieces} partitions for subgraph 0."
            )
            how = "partially" if fault == "half" else "completely"
            yield (
                f"INFO: Explicitly applied {asked.upper()} delegate, and the model graph will "
                f"be {how} executed by the delegate."
            )
            return
        if not plain:
            yield "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
            yield (
                f"VERBOSE: Replacing {nodes} out of {nodes} node(s) with delegate "
                "(TfLiteXNNPackDelegate) node, yielding 1 partitions for subgraph 0."
            )

    def resize(self) -> None:
        """To the shapes of the flags: INPUT,... and 1,2,3:..., as the real tool."""
        names, shapes = self.flags.get("input_layer"), self.flags.get("input_layer_shape")
        inputs = self.interpreter.get_input_details()
        if names:
            assert len(names.split(",")) == len(shapes.split(":")) == len(inputs)
            for tensor, shape in zip(inputs, shapes.split(":"), strict=True):
                wanted = [int(n) for n in shape.split(",")]
                if wanted != list(tensor["shape"]):
                    self.interpreter.resize_tensor_input(tensor["index"], wanted)

    def tensor(self, number, tensor):
        """The given file's, whose size must be the tensor's; else random."""
        shape, kind = tensor["shape"], tensor["dtype"]
        given = self.flags.get("input_layer_value_files")
        if given:
            name, _, file = given.split(",")[number].replace("::", "\0").partition(":")
            assert name.replace("\0", ":") == self.flags["input_layer"].split(",")[number]
            return np.fromfile(file, kind).reshape(shape)
        return np.random.default_rng(0).random(shape).astype(kind)

    def warm_up(self, fault) -> None:
        self.warmup = self.loop("warmup_runs", "warmup_min_secs", fault)
        self.counts(self.warmup)

    def measure(self) -> None:
        self.times = self.loop("num_runs", "min_secs", "")
        self.counts(self.times)
        first, mean = self.warmup[0], np.mean
        info(
            "INFO",
            f"Inference timings in us: Init: {self.init_us}, First inference: {first}, "
            f"Warmup (avg): {mean(self.warmup):g}, Inference (avg): {mean(self.times):g}",
        )
        info(
            "INFO",
            "Note: as the benchmark tool itself affects memory footprint, the following "
            "is only APPROXIMATE to the actual memory footprint of the model at runtime. "
            "Take the information at your discretion.",
        )
        info(
            "INFO",
            "Memory footprint delta from the start of the tool (MB): init=12.5 overall=20.25",
        )
        if self.flags["report_peak_memory_footprint"]:
            info(
                "INFO", f"Overall peak memory footprint (MB) via periodic monitoring: {peak_mb():g}"
            )
        if self.flags.get("enable_op_profiling"):
            profile(self.times)

    def loop(self, runs, seconds, fault):
        """Microseconds of each run; a fault strikes at the second."""
        info(
            "INFO",
            f"Running benchmark for at least {self.flags[runs]} iterations and at least "
            f"{self.flags[seconds]:g} seconds but terminate if exceeding "
            f"{self.flags['max_secs']:g} seconds.",
        )
        times: list[int] = []
        while len(times) < self.flags[runs] or sum(times) < 1e6 * self.flags[seconds]:
            begin = time.perf_counter()
            self.interpreter.invoke()
            times.append(int(1e6 * (time.perf_counter() - begin)))
            if sum(times) > 1e6 * self.flags["max_secs"]:
                break
            strike(fault)
        return times

    def counts(self, times) -> None:
        ordered = sorted(times)
        rank = lambda p: ordered[max(-(-p * len(times) // 100), 1) - 1]  # noqa: E731
        if len(times) == 1:
            info("INFO", f"count=1 curr={times[0]}")
            return
        info(
            "INFO",
            f"count={len(times)} first={times[0]} curr={times[-1]} min={ordered[0]} "
            f"max={ordered[-1]} avg={np.mean(times):g} std={int(np.std(times))} "
            f"p5={rank(5)} median={rank(50)} p95={rank(95)}",
        )

    def write_output(self) -> None:
        path = self.flags.get("output_filepath")
        if path:
            with open(path, "wb") as file:
                for output in self.interpreter.get_output_details():
                    tensor = self.interpreter.get_tensor(output["index"])
                    if self.fault == "wrong":
                        tensor = tensor + np.random.default_rng(1).normal(0, 0.05, tensor.shape)
                    file.write(tensor.astype(output["dtype"]).tobytes())


class Litert(Classic):
    """The same in the other build's words, in milliseconds."""

    def delegation(self, nodes, fault, plain):
        asked = self.flags["use_gpu"] or self.flags["use_npu"]
        name = "LITERT_CL" if self.flags["use_gpu"] else "DispatchDelegate"
        taken = 0 if fault == "fall back" else nodes
        if asked:
            yield (
                f"INFO: [delegate.cc:12] Replacing {taken} out of {nodes} node(s) with delegate "
                f"({name}) node, yielding {int(taken > 0)} partitions for subgraph 0."
            )
        if taken == 0 or not asked:
            yield (
                f"VERBOSE: Replacing {nodes} out of {nodes} node(s) with delegate "
                "(TfLiteXNNPackDelegate) node, yielding 1 partitions for subgraph 0."
            )

    def counts(self, times) -> None:
        pass

    def measure(self) -> None:
        self.times = self.loop("num_runs", "min_secs", "")
        ms = np.array(self.times) / 1e3
        warm = np.array(self.warmup) / 1e3
        for line in (
            "\n========== BENCHMARK RESULTS ==========",
            "Signature name: serving_default",
            f"Model initialization: {self.init_us / 1e3:.2f} ms",
            f"Warmup (first):       {warm[0]:.2f} ms",
            f"Warmup (avg):         {warm.mean():.2f} ms ({len(warm)} runs)",
            f"Inference (avg):      {ms.mean():.2f} ms ({len(ms)} runs)",
            f"Inference (min):      {ms.min():.2f} ms",
            f"Inference (max):      {ms.max():.2f} ms",
            f"Inference (std):      {ms.std():.2f}",
            "Throughput:           1.00 MB/s",
            "Init footprint:       12.50 MB",
            "Overall footprint:    20.25 MB",
            "======================================",
        ):
            info("INFO", f"[benchmark_litert_model.cc:99] {line}")


def fault_now() -> str:
    """The first fault that this call meets; each counts the calls that it fits."""
    path = Path("/state/faults.json")
    faults = json.loads(path.read_text())
    found = ""
    for fault in faults:
        if not all(part in " ".join(sys.argv) for part in fault["when"]):
            continue
        fault["after"] = fault.get("after", 0) - 1
        if fault["after"] < 0 and not found:
            found = fault["what"]
    path.write_text(json.dumps(faults))
    return found


def strike(fault) -> None:
    sys.stdout.flush()
    if fault == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif fault == "kill":  # what the system does to one that takes too much
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "hang":
        time.sleep(1e6)
    elif fault == "unplug":
        os.kill(int(Path("/state/adbd.pid").read_text()), signal.SIGKILL)
        time.sleep(1e6)
    elif fault == "drain":
        path = Path("/state/battery")
        text = path.read_text().replace("counter: 3456000", "counter: 3455000")
        path.write_text(text)
    elif fault == "heat":
        path = Path("/state/thermalservice")
        text = path.read_text().replace("Thermal Status: 0", "Thermal Status: 2")
        path.write_text(text.replace("mValue=30.5", "mValue=47.5"))


def profile(times) -> None:
    for line in (
        "Profiling Info for Benchmark Initialization:",
        "============================== Run Order ==============================",
        "\t                         [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t"
        "  [mem KB]\t[times called]\t[Name]",
        "\t                     AllocateTensors\t    0.100\t    0.050\t100.000%\t100.000%\t"
        "     0.000\t        2\tAllocateTensors/0",
        "",
        "Operator-wise Profiling Info for Regular Benchmark Runs:",
        "============================== Run Order ==============================",
        "\t                         [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t"
        "  [mem KB]\t[times called]\t[Name]",
        f"\t               TfLiteXNNPackDelegate\t{times[0] / 1e3:9.3f}\t"
        f"{np.mean(times) / 1e3:9.3f}\t100.000%\t100.000%\t     0.000\t        1\t"
        "[Identity, out]:64",
        "",
        "Number of nodes executed: 1",
    ):
        say(line)


def peak_mb() -> float:
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return int(line.split()[1]) / 1024


def info(level, text) -> None:
    stream = sys.stderr if level == "ERROR" else sys.stdout
    stream.write(f"{level}: {text}\n")
    stream.flush()


def say(text) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
