"""What Qualcomm's compiler and LiteRT's plugin for it print, as typed facts."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields

# LiteRT's part comes on stderr, one fact a line.
_PARTITIONED = re.compile(r"Partitioned subgraph<(\d+)>, selected (\d+) ops.*in (\d+) partitions")
_REFUSED = re.compile(r"LiteRT Op #(\d+) '(\w*)' .*is not supported")
_NODE = re.compile(r"op validation failed: '([^']+)'")
# Qualcomm's part comes on stdout; messages may be cut short by the next one.
_FAILED_NODE = re.compile(r"Failed to validate op (\S+) with error")
_ERROR = re.compile(r"\[ ERROR \]\s*(?:<E>)?\s*(.*)")
_TYPE = re.compile(r"(in|out)\[\d+\]:QNN_DATATYPE_(\w+)")
_BYTES = re.compile(r"(spill_bytes|fill_bytes|write_total_bytes|read_total_bytes)=(\d+)")
_TYPES = {
    "SFIXED_POINT_16": "int16",
    "SFIXED_POINT_8": "int8",
    "UFIXED_POINT_16": "uint16",
    "UFIXED_POINT_8": "uint8",
    "SFIXED_POINT_32": "int32",
    "FLOAT_16": "float16",
    "FLOAT_32": "float32",
    "BOOL_8": "bool",
}
_NOISE = ("unexpected GraphHtpSettings", "QnnBackend_validateOpConfig failed", "Please refer")


@dataclass(frozen=True)
class Traffic:
    """What the compiled network moves between the NPU and DRAM in one run, in bytes.

    read, written: all of it, with images and weights. spilled, filled: the part that is values
    between layers, which did not fit into the NPU's own memory and came back later.
    """

    read: int = 0
    written: int = 0
    spilled: int = 0
    filled: int = 0

    @property
    def total(self) -> int:
        """All bytes read or written."""
        return self.read + self.written


@dataclass(frozen=True)
class LoggedRefusal:
    """An op that stays on the CPU: its graph, its position there, its name there and why."""

    graph: int
    index: int
    op: str
    reason: str


@dataclass(frozen=True)
class CompileLog:
    """What a compile printed. graphs: (ops taken, partitions) of each graph of the file."""

    graphs: tuple[tuple[int, int], ...] = ()
    refused: tuple[LoggedRefusal, ...] = ()
    traffic: Traffic = Traffic()
    failure: str = ""


def read_log(vendor: str, litert: str) -> CompileLog:
    """The facts in what a compile printed. vendor: its stdout. litert: its stderr."""
    reasons = _reasons(vendor)
    graphs = [(int(m[2]), int(m[3])) for m in _PARTITIONED.finditer(litert)]
    return CompileLog(
        graphs=tuple(graphs),
        refused=tuple(_refusals(litert, reasons)),
        traffic=_traffic(vendor),
        failure=_failure(vendor, litert),
    )


def _refusals(litert: str, reasons: dict[str, str]) -> Iterator[LoggedRefusal]:
    """Those of each graph stand before the line that sums it up."""
    graph, node = 0, ""
    for line in litert.splitlines():
        if _PARTITIONED.search(line):
            graph += 1
        elif match := _NODE.search(line):
            node = match[1]
        elif match := _REFUSED.search(line):
            # Without a node the plugin did not even ask Qualcomm's library.
            reason = reasons.get(node, "") if node else "LiteRT's plugin has no rule for this op"
            yield LoggedRefusal(graph, int(match[1]), match[2], reason or _SILENT)
            node = ""


_SILENT = "Qualcomm's library refuses it without a reason"


def _reasons(vendor: str) -> dict[str, str]:
    """Why each node was refused: the words before the line that names it."""
    reasons: dict[str, str] = {}
    block: list[str] = []
    for line in vendor.splitlines():
        if match := _FAILED_NODE.search(line):
            reasons[match[1]] = _in_plain_words(block)
            block = []
        elif "validateOpConfig started" in line:
            block = []
        else:
            block.append(line)
    return reasons


def _in_plain_words(block: list[str]) -> str:
    """A reason of Qualcomm's library as the end of a sentence; "" where it has none."""
    for line in block:
        error = _ERROR.search(line)
        words = error[1].strip() if error else ""
        if not words or words.startswith(_NOISE):
            continue
        if "support FP16" in words:
            return "this chip's NPU computes no floats"
        if "Unsupported input/output datatypes" in words:
            return f"it does not take {_requested(block)} together"
        return words.rstrip(".")[:200]
    return ""


def _requested(block: list[str]) -> str:
    """The types that were asked for: `int16 in, int8 weights, int16 out`."""
    start = next(n for n, line in enumerate(block) if "Requested I/O" in line)
    types: dict[str, list[str]] = defaultdict(list)
    for line in block[start + 1 :]:
        if "Supported I/O" in line:
            break
        if match := _TYPE.search(line):
            types[match[1]].append(_TYPES.get(match[2], match[2].lower().replace("_", "")))
    return f"{', '.join(types['in'])} in and {', '.join(types['out'])} out"


def _traffic(vendor: str) -> Traffic:
    """The sum over all partitions."""
    sums: dict[str, int] = defaultdict(int)
    for name, count in _BYTES.findall(vendor):
        sums[name] += int(count)
    names = ("read_total_bytes", "write_total_bytes", "spill_bytes", "fill_bytes")
    return Traffic(
        **{field.name: sums[name] for field, name in zip(fields(Traffic), names, strict=True)}
    )


def _failure(vendor: str, litert: str) -> str:
    """The most telling line of a compile that came to nothing."""
    for pattern, text in (
        (r"Unexpected SoC model: (\S+)", litert),
        (r"could not create op: (?:q::)?(\S+)", vendor),
        (r"::ERROR:([^\n]{4,160})", vendor),
        (r"<E> (?!unexpected GraphHtpSettings|QnnBackend_validate)([^\n]{4,160})", vendor),
        (r"^ERROR: (?!\[)([^\n]{4,160})", litert),
    ):
        match = re.search(pattern, text, re.MULTILINE)
        if match:
            return match[0].replace("::ERROR:", "").replace("<E> ", "").strip(" .")
    return ""
