"""Where a graph ran: which delegate took how many nodes, and what it refused."""

import re
from collections.abc import Sequence
from typing import Any

from lpie.benchmarks.logs.lines import Line, all_matches, first_match

_REPLACING = (
    r"Replacing (?P<taken>\d{1,9})(?: out of (?P<total>\d{1,9}))? node\(s\) with delegate "
    r"\((?P<name>[^)]*)\) node, yielding (?P<partitions>\d{1,9}) partitions"
    r"(?: for (?:the whole graph|subgraph (?P<graph>\d+)))?"
)
# Delegates as the runtime names them, and as the tool does.
_NAMES = (
    (re.compile(r"(?i)xnnpack"), "xnnpack"),
    (re.compile(r"(?i)opencl|_cl\b"), "gpu-cl"),
    (re.compile(r"(?i)opengl|_gl\b"), "gpu-gl"),
    (re.compile(r"(?i)gpu|metal|webgpu|ml.?drift"), "gpu"),
    (re.compile(r"(?i)nnapi"), "nnapi"),
    (re.compile(r"(?i)hexagon"), "hexagon"),
    (re.compile(r"(?i)core.?ml"), "coreml"),
    (re.compile(r"(?i)dispatch|npu|qnn|neuron"), "npu"),
)
_FULL = r"pplied (?P<name>.+?) delegate, and the model graph will be completely executed"
_PART = r"pplied (?P<name>.+?) delegate, and the model graph will be partially executed"
_NOT = r"Though (?P<name>.+?) delegate is explicitly applied, the model graph will not be"
_NONE = r"Created 0 GPU delegate kernels|GPU acceleration is unsupported on this platform"
_BACKEND = r"Initialized (?P<name>OpenCL|OpenGL)-based API"
# Android's own NNAPI driver, which computes on the CPU.
_REFERENCE = r"NNAPI accelerators available: \[nnapi-reference\]"
_REFUSALS = re.compile(r"^(?:Following|Next) operations are not supported by ")
_SPLIT = re.compile(r"operations will run on the (?:GPU|TPU|NPU), and the remaining")
# Ends the list of what was refused: "No operations will run on the GPU, and all 9 ..." does too.
_LISTED = re.compile(r"operations will run on the ")
_REASONS = (
    r"TfLiteGpuDelegate (?:Init|Prepare): .*",
    r"Node number \d+ \(.*\) failed to prepare.*",
    r"Restored original execution plan after delegate application failure.*",
    r"Some ops are not accelerated.*",
    r"GPU acceleration is unsupported on this platform.*",
)
_MOST_REASONS = 30


def find_execution(lines: Sequence[Line], requested: str | None) -> dict[str, Any]:
    """The schema's `executed` of one run; requested: the delegate that was asked for, if known."""
    ran: dict[str, Any] = {}
    for match in all_matches(lines, _REPLACING):
        if match["graph"] in (None, "0"):  # of several, the main one
            ran[_name(match["name"])] = match
    full = {_name(match["name"]) for match in all_matches(lines, _FULL)}
    part = {_name(match["name"]) for match in all_matches(lines, _PART)}
    refused = {_name(match["name"]) for match in all_matches(lines, _NOT)}
    if first_match(lines, _NONE):
        refused.add("gpu")
    if first_match(lines, _REFERENCE):
        refused.add("nnapi")
    took = [n for n in dict.fromkeys([*ran, *full, *part, *_created(lines)]) if not _in(n, refused)]
    executed = _choose(took, requested)
    accelerated = first_match(lines, r"^Fully accelerated: +(True|False)\s*$")
    if executed is None and accelerated and accelerated[1] == "True":
        executed = requested
    if executed is None and refused:
        executed = "xnnpack" if "xnnpack" in took else "cpu"
    replaced = ran.get(executed or "")
    return {
        "delegate": _with_backend(lines, executed),
        "full": (
            accelerated[1] == "True"
            if accelerated
            else _full(lines, replaced, executed in full, executed in part)
        ),
        "nodes_total": _whole(replaced, "total"),
        "nodes_delegated": _whole(replaced, "taken"),
        "partitions": _whole(replaced, "partitions"),
        "reasons": _reasons(lines),
    }


def _choose(took: Sequence[str], requested: str | None) -> str | None:
    """The delegate to tell of: the one asked for, else an accelerator, else XNNPACK."""
    wanted = [name for name in took if requested and name.split("-")[0] == requested.split("-")[0]]
    accelerators = [name for name in took if name != "xnnpack"]
    return next(iter([*wanted, *accelerators, *took]), None)


def _created(lines: Sequence[Line]) -> list[str]:
    """Those of which a line tells that they have kernels."""
    applied = [_name(m["name"]) for m in all_matches(lines, r"^Applied (?P<name>.+?) delegate\.")]
    kernels = first_match(lines, r"Created [1-9]\d* GPU delegate kernels")
    xnnpack = first_match(lines, r"Created TensorFlow Lite XNNPACK delegate for CPU")
    return applied + ["gpu"] * bool(kernels) + ["xnnpack"] * bool(xnnpack)


def _full(
    lines: Sequence[Line], replaced: re.Match[str] | None, full: bool, part: bool
) -> bool | None:
    if part or any(_SPLIT.search(line.text) for line in lines):
        return False
    if replaced is not None and replaced["total"] is not None:
        return int(replaced["taken"]) == int(replaced["total"])
    return True if full else None


def _with_backend(lines: Sequence[Line], executed: str | None) -> str | None:
    backends = all_matches(lines, _BACKEND)
    return _name(backends[-1]["name"]) if executed == "gpu" and backends else executed


def _reasons(lines: Sequence[Line]) -> list[str]:
    """What was refused and why, in the runtime's words, each once."""
    reasons: list[str] = []
    listing = False
    for line in lines:
        if _REFUSALS.match(line.text):
            listing = True
            continue
        if listing:
            reasons.append(line.text.strip())
        if _LISTED.search(line.text) or len(reasons) >= _MOST_REASONS:
            listing = False
    reasons += [match[0].strip() for match in all_matches(lines, *_REASONS)]
    reasons += [f"{m[0].strip()}." for m in all_matches(lines, _NOT + r" executed by the delegate")]
    if first_match(lines, _REFERENCE):
        reasons.append("NNAPI has only its reference driver here, which computes on the CPU.")
    return [reason for reason in dict.fromkeys(reasons) if reason][:_MOST_REASONS]


def _name(text: str) -> str:
    return next((name for rule, name in _NAMES if rule.search(text)), "external")


def _in(name: str, refused: set[str]) -> bool:
    return name in refused or name.split("-")[0] in refused


def _whole(match: re.Match[str] | None, group: str) -> int | None:
    return int(match[group]) if match is not None and match[group] is not None else None
