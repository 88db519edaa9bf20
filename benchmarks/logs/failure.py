"""Why a run failed: by a table of what the tools, the shell and the system say then.

The word ERROR alone says nothing: LiteRT prints it for an absent dispatch library or cache file.
"""

import re
from collections.abc import Sequence

from lpie.benchmarks.logs.lines import Line

# Exit codes of a shell: 128 and the signal, or the shell's own.
EXITS = {
    124: "It took longer than its time limit.",
    126: "The tool cannot be executed there: it is built for another machine.",
    127: "The tool or one of its libraries is missing there.",
    132: "It crashed: an instruction that this processor lacks (SIGILL).",
    134: "It crashed: an assertion in it failed (SIGABRT).",
    135: "It crashed on a damaged file (SIGBUS).",
    137: "The system killed it, likely out of memory (SIGKILL).",
    139: "It crashed (SIGSEGV).",
    143: "It was told to stop (SIGTERM).",
}
# (pattern, what to say; empty for the line itself). The first line that matches is the reason.
_FAILURES = tuple(
    (re.compile(pattern), say)
    for pattern, say in (
        (
            r"std::bad_alloc|OutOfMemoryError|[Oo]ut of memory|Cannot allocate memory"
            r"|CL_OUT_OF_(?:HOST_MEMORY|RESOURCES)|CL_MEM_OBJECT_ALLOCATION_FAILURE",
            "It ran out of memory: ",
        ),
        (r"^Failed to apply .* delegate", ""),
        (r"^Disallowed CPU fallback detected", ""),
        (r"^Failed to (?:allocate tensors|invoke|load model|construct interpreter)\b", ""),
        (r"^(?:Could not open|Error reading) .*tflite|^The input file .* does not exist", ""),
        (r"Didn't find op for builtin opcode|^Registration failed", ""),
        (r"(?i)not a valid flatbuffer|Model provided has model identifier", ""),
        (r"^Please specify the name of your TF Lite input file", ""),
        (r"benchmark\S*: .*(?:No such file|not found|Permission denied|not executable)", ""),
        (r"^CANNOT LINK EXECUTABLE|Exec format error|compiled with lse enabled", ""),
        (r"Fatal signal \d+ \(SIG\w+\)", "It crashed: "),
        (r"^FATAL EXCEPTION", "It crashed: "),
        (
            r"^(?:\S+: (?:line \d+: )?\d* *)?(?:Segmentation fault|Bus error|Illegal instruction|"
            r"Aborted|Trace/breakpoint trap)\b",
            "It crashed: ",
        ),
        (
            r"^(?:\S+: (?:line \d+: )?\d* *)?Killed\b",
            "The system killed it, likely out of memory: ",
        ),
        (r"^Benchmarking failed", ""),
    )
)
_ANY = re.compile(
    "|".join(re.sub(r"^\(\?i\)(.*)$", r"(?i:\1)", pattern.pattern) for pattern, _ in _FAILURES)
)
# Where a result follows all the same these were survived: the graph went on without the delegate,
# or the app was ended after its work.
_SURVIVED = re.compile(
    r"^TfLiteGpuDelegate (?:Init|Prepare):|^Node number \d+ \(.*\) failed to prepare"
    r"|^Restored original execution plan after delegate application failure"
    r"|^Failed to (?:create|initialize|compile|resize|run|open)\b|^Kill '|has died\b"
)


# What a shell or the system says instead of the tool, of which no line is there then.
_NOT_STARTED = re.compile(
    r"(?i)benchmark\S*: .*(?:No such file|not found|inaccessible|Permission denied|not executable)"
    r"|^CANNOT LINK EXECUTABLE|Exec format error|compiled with lse enabled"
)


def tool_failed(lines: Sequence[Line]) -> bool:
    """Whether the log says that the tool could not start."""
    return any(_NOT_STARTED.search(line.text) for line in lines)


def find_failure(lines: Sequence[Line], *, exit_code: int | None, finished: bool) -> str:
    """Why the run failed, as a sentence; empty when it did not, as far as its log tells.

    exit_code: the tool's, None where nobody knows it. finished: the log holds its result.
    """
    sentences = [sentence for line in lines if (sentence := _sentence(line, finished))]
    # "Benchmarking failed." comes last and tells nothing; what came before it does.
    why = next((text for text in sentences if not text.startswith("Benchmarking failed")), "")
    why = why or next(iter(sentences), "")
    if why or not exit_code:
        return why
    return EXITS.get(exit_code, f"It ended with the exit code {exit_code}.")


def _sentence(line: Line, finished: bool) -> str:
    text = line.text.strip()
    say = _said_of(text) if _ANY.search(text) else None
    if say is not None:
        return _ended(say + text)
    if line.level == "FATAL" or (_SURVIVED.search(text) and not finished):
        return _ended(text)
    return ""


def _said_of(text: str) -> str | None:
    return next((say for pattern, say in _FAILURES if pattern.search(text)), None)


def _ended(text: str) -> str:
    shown = text if len(text) <= 300 else text[:300] + " ..."
    return shown if shown.endswith((".", "!")) else shown + "."
