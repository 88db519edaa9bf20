"""The lines of a benchmark's log without what logcat and loggers put in front, run by run."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# What stands in front of a line, by who wrote it: logcat (threadtime, time, brief, tag), Android
# Studio (new, old), TensorFlow of 2017, absl, Python's logging. Then the level, since 2.8 also of
# the tool's own lines, and LiteRT's source line.
_TIME = r"(?:\d{4}-)?\d\d-\d\d [\d:.]+(?: [+-]\d{4})?"
_PREFIX = re.compile(
    rf"^(?:{_TIME} +(?:\w+ +)?(?P<pid>\d+) +\d+ [VDIWEFA] (?P<tag>[^:]{{1,80}}?) *: ?"
    rf"|(?:{_TIME} +)?[VDIWEFA]/(?P<tag2>[^:(\s]+)\s*(?:\( *(?P<pid2>\d+)\))?: ?"
    rf"|{_TIME} +(?P<pid3>\d+)-\d+ +(?P<tag3>\S+) +\S+ +[VDIWEFA] +"
    rf"|{_TIME} +(?P<pid4>\d+)-\d+/\S+ [VDIWEFA]/(?P<tag4>[^:\s]+) *: ?"
    r"|\d{4}-\d\d-\d\d [\d:.]+: [IWEF] \S+:\d+\] ?"
    r"|[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] ?"
    r"|\d{4}-\d\d-\d\d [\d:,]+ (?=(?:INFO|WARNING|ERROR|DEBUG) \S+: )"
    r")?(?:(?P<level>INFO|WARN|WARNING|ERROR|VERBOSE|FATAL|DEBUG)(?: \S+)?: )?"
    r"(?:\[[^\]\s]+:\d+\] ?)?(?:└ ?)?"
)
_TAGS, _PIDS = ("tag", "tag2", "tag3", "tag4"), ("pid", "pid2", "pid3", "pid4")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # what a terminal might obey
# Longer than any line of a tool; what is longer is cut, and not whole.
_LONGEST = 8000
_TOOL = re.compile(r"(?i)tflite|litert|lpie")
# Whoever tells of a crash; the lines count only when they are about the tool's process.
_WITNESS = re.compile(r"libc|AndroidRuntime|ActivityManager|lowmemorykiller|lmkd")
# A run begins with its command line, with the app's, with the greeting, or with its parameters.
_MARKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"benchmark\S* .*--(?:graph|model)\b",
        r"^Running TensorFlow Lite benchmark with args",
        r"^STARTING!",
        r"^Log parameter values verbosely",
    )
)
_BUSY = re.compile(r"^(?:Loaded model|Loading model|Initialized session|count=|Graph: )")


class Line(NamedTuple):
    """One line: its text, the level before it, and whether a line end shows that it is whole."""

    text: str
    level: str
    whole: bool


class _Process:
    """The runs of one process; of "" where the lines do not say whose they are."""

    def __init__(self) -> None:
        self.runs: list[list[Line]] = []
        self.known = False  # to be the tool: other apps use TFLite too
        self._seen: set[re.Pattern[str]] = set()
        self._busy = False

    def add(self, line: Line) -> bool:
        """Add a line; whether it began a run."""
        mark = next((mark for mark in _MARKS if mark.search(line.text)), None)
        begins = not self.runs or bool(mark and (mark in self._seen or self._busy))
        if begins:
            self.runs.append([])
            self._seen, self._busy = set(), False
        self._seen |= {mark} if mark else set()
        doing = bool(_BUSY.match(line.text)) and mark is None
        self._busy |= doing
        self.known |= bool(mark) or doing or "inference timings" in line.text.lower()
        self.runs[-1].append(line)
        return begins


def runs(text: str) -> list[list[Line]]:
    """The lines of `text`, those of each run of the tool apart; one empty run for no line at all.

    Of a logcat, lines of other processes are left out.
    """
    processes: dict[str, _Process] = {}
    order: list[tuple[_Process, int]] = []
    for printed in text.splitlines(keepends=True):
        raw = _COLOUR.sub("", printed[:_LONGEST])
        match = _PREFIX.match(raw)
        assert match is not None  # every part is optional
        stripped = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", raw[match.end() :].strip("\r\n"))
        line = Line(stripped, match["level"] or "", raw.endswith(("\n", "\r")))
        tag, pid = (next(filter(None, match.group(*names)), "") for names in (_TAGS, _PIDS))
        if tag and not _TOOL.search(tag):
            pid = _victim(processes, pid, stripped) if _WITNESS.search(tag) else ""
            if not pid:
                continue
        process = processes.setdefault(pid, _Process())
        if process.add(line):
            order.append((process, len(process.runs) - 1))
    known = [process.runs[n] for process, n in order if process.known]
    return known or [process.runs[n] for process, n in order] or [[]]


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
