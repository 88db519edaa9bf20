"""The lines of a benchmark's log without what loggers put in front of them, run by run."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lpie.benchmarks.logs.prefixes import Prefixes, Stripped
from lpie.errors import InputError

# What a terminal obeys: colours, and titles and markers that end with a bell.
_COLOUR = re.compile(r"\x1b(?:\[[0-?]{0,40}[ -/]{0,4}[@-~]|[\]_P^][^\x07\x1b]{0,200}\x07)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # what a terminal might obey
_LINE = re.compile(r"[^\n\r]*(?:\r\n|\n|\r|$)")
_EMPTY = re.compile(r"\n[ \t\r\n]{2,}\n")
# Longer than any line of a tool; what is longer is cut, and not whole.
_LONGEST = 8000
# A benchmark's log has some hundreds of lines, within a logcat some hundred thousand.
MOST_LINES = 2_000_000
MOST_RUNS = 5000
# Of a run that is longer, with a stranger's lines in it, only what may tell of it is kept.
_MOST_KEPT, _WHOLE = 40_000, 10_000
_TELLING = re.compile(
    r"count=|imings in us|ootprint|elegate|node\(s\)|: \[|--\w|memory|accelerat|rror|ailed|[Cc]rash"
    r"|[Kk]ill|operations|signal|oaded model|Inference|Warmup|BENCHMARK|runs? took|OpenGL|OpenCL"
)
_TOOL = re.compile(r"(?i)tflite|litert|lpie")
# Whoever tells of a crash; the lines count only when they are about the tool's process.
_WITNESS = re.compile(r"libc|AndroidRuntime|ActivityManager|lowmemorykiller|lmkd")
# A run begins with its command line, with the app's, with the greeting, or with its parameters;
# each with what every such line holds, which is looked for first.
_MARKS = tuple(
    (held, re.compile(pattern))
    for held, pattern in (
        ("--", r"benchmark\S* .*--(?:graph|model)\b"),
        ("with args", r"^Running TensorFlow Lite benchmark with args"),
        ("STARTING!", r"^STARTING!"),
        ("values verbosely", r"^Log parameter values verbosely"),
        ("First run took", r"^First run took \d"),
    )
)
_BUSY = ("Loaded model", "Loading model", "Initialized session", "count=", "Graph: ")
_TOLD = ("nference timings", "BENCHMARK RESULTS", "All runs took average", "Summary of All Runs")
# After a result, these are of the next run, of which the beginning may be missing.
_RESULT = re.compile(r"^(?:Average inference|Inference) timings in us|^=* ?BENCHMARK RESULTS ?=*$")
_RESUMED = re.compile(
    r"^(?:count=|Load(?:ed|ing) model|Initialized session|Running (?:\d+ )?benchmark"
    r"|[#A-Za-z][^:\[\]]{0,60}: \[)"
)
# LiteRT's run_model says so at last, and nothing at first.
_LAST = "Model run completed"


class Line(NamedTuple):
    """One line: its text, the level before it, and whether a line end shows that it is whole."""

    text: str
    level: str
    whole: bool


class Run(list[Line]):
    """The lines of one run; of a very long one those that may tell of it. raw: as they were."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: list[str] = []
        self.known = False  # to be the tool's: other apps use TFLite too

    def add(self, line: Line, raw: str) -> None:
        """Add a line."""
        self.append(line)
        self.raw.append(raw)
        if len(self) > _MOST_KEPT:
            self._shorten()

    def _shorten(self) -> None:
        """Keep the beginning, the end, and what may tell something in between."""
        pairs = list(zip(self, self.raw, strict=True))
        middle = [pair for pair in pairs[_WHOLE:-_WHOLE] if _TELLING.search(pair[0].text)]
        kept = [*pairs[:_WHOLE], *middle[-_WHOLE:], *pairs[-_WHOLE:]]
        self[:], self.raw[:] = [line for line, _ in kept], [raw for _, raw in kept]


class _Process:
    """The runs of one process; of "" where the lines do not say whose they are."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self._seen: set[str] = set()
        self._busy = self._ended = self._done = False

    def add(self, line: Line, raw: str) -> Run | None:
        """Add a line; the run that it began, if it did."""
        text = line.text
        mark = _mark(text)
        result = _tells(text) and bool(_RESULT.search(text))
        again = mark is not None and (mark in self._seen or self._busy)
        resumed = self._done and (result or bool(_RESUMED.match(text)))
        began = not self.runs or again or resumed or self._ended
        if began:
            self.runs.append(Run())
            self._seen, self._busy, self._done = set(), False, False
        self._seen |= {mark} if mark else set()
        doing = mark is None and text.startswith(_BUSY)
        self._busy |= doing
        self._done |= result
        self._ended = text.startswith(_LAST)
        run = self.runs[-1]
        run.known = run.known or mark is not None or doing or _tells(text)
        run.add(line, raw)
        return run if began else None


def _mark(text: str) -> str | None:
    for held, rule in _MARKS:
        if held in text and rule.search(text):
            return held
    return None


def _tells(text: str) -> bool:
    return any(word in text for word in _TOLD)


def runs(text: str) -> list[Run]:
    """The lines of `text`, those of each run of the tool apart; one empty run for no line at all.

    Of a logcat, lines of other processes are left out. Raises an `InputError` for more lines than
    any log has.
    """
    text = _EMPTY.sub("\n\n", text)
    if text.count("\n") + text.count("\r") > MOST_LINES:
        raise InputError(f"It has more than {MOST_LINES:,} lines. Cut the runs out of it.")
    processes: dict[str, _Process] = {}
    order: list[Run] = []
    prefixes, header = Prefixes(text), Stripped("")
    for printed in _LINE.finditer(text):
        raw = printed[0]
        if not raw:
            continue
        stripped = prefixes.strip(_uncoloured(raw[:_LONGEST]))
        if stripped.header:
            header = stripped
            continue
        pid, tag = stripped.pid or header.pid, stripped.tag or header.tag
        if tag and not _TOOL.search(tag):
            pid = _victim(processes, pid, stripped.text) if _WITNESS.search(tag) else ""
            if not pid:
                continue
        whole = len(raw) <= _LONGEST and raw.endswith(("\n", "\r"))
        line = Line(_harmless(stripped.text), stripped.level, whole)
        began = processes.setdefault(pid, _Process()).add(line, raw)
        order += [began] if began is not None else []
        if len(order) > MOST_RUNS:
            raise InputError(f"It holds more than {MOST_RUNS:,} runs. Cut out those that count.")
    known = [run for run in order if run.known]
    return known or order or [Run()]


def _harmless(text: str) -> str:
    return text if text.isprintable() else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _uncoloured(raw: str) -> str:
    line = raw.rstrip("\r\n")
    return _COLOUR.sub("", line) if "\x1b" in line else line


def _victim(processes: Mapping[str, object], pid: str, text: str) -> str:
    """The process of the tool that a line of the system is about; "" for none."""
    if pid in processes:
        return pid
    return next(
        (process for process in processes if process and re.search(rf"\b{process}\b", text)), ""
    )


def first_match(
    lines: Sequence[Line], *patterns: str, flags: re.RegexFlag = re.NOFLAG
) -> re.Match[str] | None:
    """The first match of one of `patterns`, in a whole line."""
    return next(iter(all_matches(lines, *patterns, flags=flags)), None)


def all_matches(
    lines: Sequence[Line], *patterns: str, flags: re.RegexFlag = re.NOFLAG
) -> list[re.Match[str]]:
    """The first match of each pattern in each whole line, in the order of the lines."""
    rules = [re.compile(pattern, flags) for pattern in patterns]
    return [m for line in lines if line.whole for rule in rules if (m := rule.search(line.text))]
