"""What loggers, terminals and people put in front of a tool's lines, as a table of patterns."""

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

_CLOCK = r"\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_DATE = rf"\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}{_ZONE}"
_MONTH = (
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    rf" {{1,2}}\d{{1,2}}(?: \d{{4}})? {_CLOCK}(?: \d{{4}})?{_ZONE}"
)
# Logcat's own: with a year, a zone, microseconds, or in seconds since 1970 or since the start.
_LOGCAT = rf"(?:(?:\d{{4}}-)?\d\d-\d\d {_CLOCK}(?: (?:[+-]\d{{4}}|UTC))?| *\d{{1,12}}\.\d{{3,9}})"
_LEVEL = r"INFO|WARN|WARNING|ERROR|VERBOSE|FATAL|DEBUG"
# Of NSLog and syslog: the computer, the program, its process and thread.
_PROGRAM = (
    r"(?: [\w.-]{1,60})? [^\[\]:]{1,60}\[\d+(?::[\da-fx]+)?\](?: ?\([^()]{1,60}\))?(?: <\w+>)?:?"
)

# (what writes it, the pattern). Groups: pid and tag of the process, level.
FORMATS: tuple[tuple[str, str], ...] = (
    (
        "logcat -v threadtime, year, zone, usec, uid, epoch, monotonic",
        rf"{_LOGCAT} +(?:\w+ +)?(?P<pid>\d+) +\d+ [VDIWEFAS] (?P<tag>[^:]{{1,80}}?) *: ?",
    ),
    (
        "logcat -v brief, tag, time",
        rf"(?:{_LOGCAT} +)?[VDIWEFAS]/(?P<tag>[^:(\s]+)\s*(?:\( *(?P<pid>\d+)\))?: ?",
    ),
    (
        "logcat -v process, thread",
        rf"(?:{_LOGCAT} +)?[VDIWEFAS]\( *(?P<pid>\d+)(?:: *(?:0x)?[\da-f]+)?\) ?",
    ),
    (
        "logcat -v long: a line for those that follow",
        rf"(?P<long>\[) {_LOGCAT} +(?P<pid>\d+): *(?:0x)?[\da-f]+ [VDIWEFAS]/(?P<tag>[^\]]*?) *\]$",
    ),
    (
        "Android Studio",
        rf"{_LOGCAT} +(?P<pid>\d+)-\d+ +(?P<tag>\S+) +\S+ +[VDIWEFA] +",
    ),
    (
        "Android Studio until 2022",
        rf"{_LOGCAT} +(?P<pid>\d+)-\d+/\S+ [VDIWEFA]/(?P<tag>[^:\s]+) *: ?",
    ),
    ("TensorFlow", rf"{_DATE}: [IWEF] \S+:\d+\] ?"),
    ("absl", r"[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] ?"),
    ("NSLog, syslog, journalctl", rf"(?:{_DATE}|{_MONTH}){_PROGRAM}(?: |$)"),
    (
        "GitHub, GitLab, Azure, Jenkins, kubectl, ts",
        rf"\[?(?:{_DATE}|{_MONTH}|{_CLOCK}(?: [AP]M)?|\d{{9,10}}(?:\.\d{{1,9}})?)[\]:]{{0,2}}"
        r"(?: [0-9a-f]{2}[OE]\b\+?)?(?:\s+|$)",
    ),
    ("docker compose", r"[\w.-]{1,60} {1,40}\| ?"),
    ("a quotation, an indent", r"\s+|(?:[>|] ?)+"),
    ("the tool, Python's logging", rf"\[?(?P<level>{_LEVEL})(?:\] |(?: \S+)?: ?)"),
    ("LiteRT's source line", r"(?P<source>\[)[^\]\s]+:\d+\] ?|└ ?"),
)
# How the lines of the tools begin, by which other prefixes are recognized.
ANCHORS = (
    "STARTING!",
    "Log parameter values verbosely: [",
    "Min num runs: [",
    "Num threads: [",
    "Graph: [",
    "Loaded model",
    "Initialized session in ",
    "Running benchmark for at least ",
    "Inference timings in us: ",
    "Average inference timings in us: ",
    "First run took ",
    "All runs took average ",
)
# What ends a line of a table or a quotation, as the tool's greeting shows.
_END = re.compile(r"STARTING!(?P<suffix>[ \t]*[\"'|`]{1,3})\r?$", re.MULTILINE)
_LOOKED_AT = 40  # lines of one anchor
_LONGEST_PREFIX = 200
_MOST_LEARNED = 12
_MOST_LAYERS = 8
_TRAILING_TAG = re.compile(r"  \((?P<tag>[^()]{1,80})\)$")
_LEVEL_AT_END = re.compile(rf"(?:{_LEVEL})(?: \S+)?: ?$")
_FIRST = frozenset("0123456789 \t[>|└VDIWEFASJMNOTJ\v\f\u00a0")


class Stripped(NamedTuple):
    """A line without its prefixes. header: it only says whose the next lines are."""

    text: str
    level: str = ""
    pid: str = ""
    tag: str = ""
    header: bool = False


class Prefixes:
    """Takes away the prefixes of the table, and those that the lines of one log have in common."""

    def __init__(self, text: str) -> None:
        self._suffix = ""
        self._pattern = _pattern(())
        self._learned: tuple[str, ...] = ()
        self._learned = tuple(dict.fromkeys(self._unknown(text)))[:_MOST_LEARNED]
        self._pattern = _pattern(self._learned)
        end = _END.search(text)
        self._suffix = end["suffix"] if end else ""

    def strip(self, line: str) -> Stripped:
        """The line without what stands in front of it."""
        if self._suffix and line.endswith(self._suffix):
            line = line[: -len(self._suffix)]
        if not self._learned and line[:1] not in _FIRST and "| " not in line[:_LONGEST_PREFIX]:
            return Stripped(line)
        place, level, pid, tag, process = 0, "", "", "", False
        for _ in range(_MOST_LAYERS):
            match = self._pattern.match(line, place)
            if match is None or match.end() == place:
                break
            place = match.end()
            groups = _groups(match)
            if "long" in groups:
                return Stripped("", "", groups["pid"], groups["tag"], header=True)
            pid, tag = groups.get("pid", pid), groups.get("tag", tag)
            process = process or ("pid" in groups and "tag" not in groups)
            level = groups.get("level", level)
        text = line[place:]
        if process and (end := _TRAILING_TAG.search(text)):
            text, tag = text[: end.start()], end["tag"]
        return Stripped(text, level, pid, tag)

    def _unknown(self, text: str) -> Iterator[str]:
        """Patterns of what stands in front of the tools' lines and is not in the table."""
        for anchor in ANCHORS:
            place = 0
            for _ in range(_LOOKED_AT):
                place = text.find(anchor, place)
                if place < 0:
                    break
                start = max(text.rfind("\n", 0, place) + 1, place - _LONGEST_PREFIX)
                line = text[start : place + len(anchor)]
                rest = self.strip(line).text if text[start - 1 : start] in ("\n", "") else ""
                prefix = _LEVEL_AT_END.sub("", rest[: -len(anchor)])
                if prefix.strip():
                    yield _shape(prefix)
                place += len(anchor)


def _shape(prefix: str) -> str:
    """The pattern of a prefix: its numbers and spaces may differ."""
    parts = re.findall(r"\d+|\s+|[^\d\s]+", prefix)
    return "".join(
        r"\d+" if part.isdigit() else r"\s+" if part.isspace() else re.escape(part)
        for part in parts
    )


def _groups(match: re.Match[str]) -> dict[str, str]:
    """The pid, tag and level of the format that matched, as far as it has them."""
    row = match.lastgroup or ""
    named = ((name, match[f"{name}_{row}"]) for name in _NAMES.get(row, ()))
    return {name: value for name, value in named if value}


_NAMES = {
    f"row{number}": tuple(re.findall(r"\(\?P<([a-z]+)>", row))
    for number, (_, row) in enumerate(FORMATS)
}


@functools.cache
def _pattern(learned: tuple[str, ...]) -> re.Pattern[str]:
    """All formats as one pattern, each a group whose own groups are numbered like it."""
    rows = [*(pattern for _, pattern in FORMATS), *learned]
    numbered = (
        re.sub(r"\(\?P<([a-z]+)>", rf"(?P<\1_row{number}>", row) for number, row in enumerate(rows)
    )
    return re.compile("|".join(f"(?P<row{number}>{row})" for number, row in enumerate(numbered)))
