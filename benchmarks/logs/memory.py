"""Memory in a log, in the tools' MB of 2^20 bytes."""

import re
from collections.abc import Sequence

from lpie.benchmarks.logs.latency import MOST, NUMBER
from lpie.benchmarks.logs.lines import Line, all_matches

# What each line tells, by the schema's names. `overall=` may end the log: see `whole`.
_RULES = (
    rf"^(?:Memory footprint delta from the start of the tool|Peak memory footprint) \(MB\): "
    rf"init=(?P<init_mb>{NUMBER}) overall=(?P<overall_mb>{NUMBER})\s*$",
    rf"^Overall peak memory footprint \(MB\) via periodic monitoring: (?P<peak_mb>{NUMBER})\s*$",
    rf"^Init footprint: +(?P<init_mb>{NUMBER}) MB\s*$",
    rf"^Overall footprint: +(?P<overall_mb>{NUMBER}) MB\s*$",
    rf"^Peak memory: +(?P<peak_mb>{NUMBER}) MB\s*$",
)


# What stands before the lines of memory.
_NOTES = ("Note: as the benchmark tool itself affects memory footprint", "Memory Usage:")


def is_cut(lines: Sequence[Line]) -> bool:
    """Whether the log announces the memory that a run took, and does not tell it."""
    announced = any(line.text.startswith(_NOTES) for line in lines)
    return announced and not find_memory(lines) and not _unsure(lines)


def find_memory(lines: Sequence[Line]) -> dict[str, float]:
    """The schema's `memory` of one run, as far as its log tells."""
    certain = {
        name: float(value)
        for match in all_matches(lines, *_RULES)
        for name, value in match.groupdict().items()
        if float(value) < MOST
    }
    return {**_unsure(lines), **certain}


def _unsure(lines: Sequence[Line]) -> dict[str, float]:
    """What a last line without a line end tells: its last number may be cut, and is left out."""
    if not lines or lines[-1].whole:
        return {}
    matches = [match for rule in _RULES if (match := re.search(rule, lines[-1].text))]
    return {
        name: float(value)
        for match in matches
        for name, value in match.groupdict().items()
        if match.end(name) < len(lines[-1].text.rstrip()) and float(value) < MOST
    }
