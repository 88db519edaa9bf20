"""Records from logs made elsewhere: TFLite's and LiteRT's benchmark tools, from 2017 to today."""

import codecs
import dataclasses
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lpie.benchmarks.logs import memory, profile
from lpie.benchmarks.logs.delegation import find_execution
from lpie.benchmarks.logs.failure import find_failure, tool_failed
from lpie.benchmarks.logs.flags import find_request
from lpie.benchmarks.logs.latency import count_line, doubt, find_latency
from lpie.benchmarks.logs.lines import Line, Run, runs
from lpie.benchmarks.logs.result_json import decode_json
from lpie.benchmarks.logs.result_proto import decode_result, is_cut_result
from lpie.benchmarks.records.record import Record, new_record, summed_round
from lpie.errors import InputError
from lpie.system.paths import refuse_special

_OPTIONS = "Summary of All Runs w/ Different Performance Options"
_OPTION = re.compile(r"^ *(?P<name>\S.*?): +(?P<line>count=.*|failed!)\s*$")
# Its run returns when the work is queued: LiteRT 2.3.0 tells 0.04 ms of a run of 15 ms and more.
_ASYNCHRONOUS = "litert-benchmark does not wait for a GPU: these may be the times of the dispatch."
# Larger than any benchmark's log.
MOST_BYTES = 64_000_000
_MOST_KEPT = 4_000_000  # of a longer log, a record keeps the lines of its run


@dataclass(frozen=True)
class Parsed:
    """What the log of one run says, in the sections of a record.

    round: empty for a run that failed or whose log is cut: then no number of it is trusted.
    failed, incomplete: why, as a sentence; empty when the run went well.
    """

    round: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    runner: dict[str, Any] = field(default_factory=dict)
    requested: dict[str, Any] = field(default_factory=dict)
    executed: dict[str, Any] = field(default_factory=dict)
    profile: list[dict[str, Any]] | None = None
    failed: str = ""
    incomplete: str = ""


def parse_log(text: str, *, exit_code: int | None = None) -> Parsed:
    """What the last run in `text` says: older ones, as logcat keeps them, are stale.

    exit_code: the tool's, where it is known: 139 and others tell of crashes that print nothing.
    """
    try:
        return _parsed(runs(text)[-1], exit_code)
    except InputError as error:
        return Parsed(incomplete=str(error))


def parse_results(text: str) -> list[Parsed]:
    """What every run in `text` says, in their order; every option of `..._performance_options`."""
    return [parsed for parsed, _ in _results(runs(text))]


def _results(parts: Sequence[Run]) -> Iterator[tuple[Parsed, str]]:
    """(what it says, its lines) of each run; a summary stands for the runs above it."""
    above: list[Run] = []
    for run in parts:
        above.append(run)
        if any(_OPTIONS in line.text for line in run):
            text = "".join(raw for one in above for raw in one.raw)
            yield from ((parsed, text) for parsed in _summed_up(above))
            above = []
    yield from ((_parsed(run, None), "".join(run.raw)) for run in above)


def _summed_up(parts: Sequence[Run]) -> list[Parsed]:
    """The options in the summary that ends the last run, and whether the summary is cut."""
    lines = parts[-1]
    start = max(i for i, line in enumerate(lines) if _OPTIONS in line.text)
    ended = [line for line in lines[start + 1 :] if line.whole]
    options = [match for line in ended if (match := _OPTION.match(line.text))]
    if not options:
        return [Parsed(incomplete="The log ends within the summary of its runs.")]
    listed = {match["line"] for match in options}
    others = [run for run in parts if _has_result(run) and not listed & _statistics(run)]
    cut = [Parsed(incomplete="The summary of the runs is cut.")] * bool(others)
    return [*(_option(match, parts) for match in options), *cut]


def _has_result(run: Sequence[Line]) -> bool:
    return not find_latency(run)[2]


def _statistics(run: Sequence[Line]) -> set[str]:
    return {line.text.strip() for line in run if line.text.startswith("count=")}


def read_log(path: Path) -> list[Record]:
    """A record of every run in the log or result that a tool wrote; "-" is standard input.

    Raises an `InputError` when the file is missing, too large, or no log.
    """
    if str(path) == "-":
        data, path = sys.stdin.buffer.read(MOST_BYTES + 1), Path("standard input")
    else:
        data = _file(path)
    if len(data) > MOST_BYTES:
        raise InputError(
            f"{path} is larger than {MOST_BYTES / 1e6:.0f} MB. Cut the runs out of it."
        )
    return _read(data, path)


def _file(path: Path) -> bytes:
    refuse_special(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file. Give the log of a benchmark.")
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _read(data: bytes, path: Path) -> list[Record]:
    for read in FORMATS:
        result = read(data)
        if result is not None:
            return [log_record(result, file=path)]
    text = _text(data, path)
    try:
        parts = runs(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if not any(run.known or tool_failed(run) for run in parts):
        raise InputError(
            f"{path} is no benchmark log: it has no line of TFLite's or LiteRT's benchmark tools. "
            "Give what the tool printed, or the file of its --result_file_path."
        )
    results = list(_results(parts))
    kept = text if len(results) == 1 and len(text) <= _MOST_KEPT else None
    return [log_record(p, text=kept or own, file=path) for p, own in results]


def log_record(parsed: Parsed, *, text: str | None = None, file: Path | None = None) -> Record:
    """The record of a log that was read, with the log itself."""
    return new_record(
        rounds=[summed_round(**parsed.round)] if parsed.round else [],
        failed=parsed.failed,
        incomplete=parsed.incomplete,
        summary=parsed.summary,
        memory=parsed.memory,
        model=parsed.model,
        runner=parsed.runner,
        requested={**parsed.requested, "rounds": 1 if parsed.round else None},
        executed=parsed.executed,
        profile=parsed.profile,
        energy={"unavailable": "The log tells nothing of it."},
        log={"text": text, "file": file.name if file else None},
    )


def _parsed(lines: Sequence[Line], exit_code: int | None) -> Parsed:
    requested, runner, model = find_request(lines)
    numbers, summary, incomplete = find_latency(lines)
    incomplete = incomplete or doubt(numbers)
    if not incomplete and (profile.is_cut(lines) or memory.is_cut(lines)):
        incomplete = "The log ends after its result, in what it tells of memory or ops."
    failed = find_failure(lines, exit_code=exit_code, finished=not incomplete)
    gone = bool(failed or incomplete)
    parsed = Parsed(
        round={} if gone else numbers,
        summary={} if gone else summary,
        memory={} if gone else memory.find_memory(lines),
        model=model,
        runner=runner,
        requested=requested,
        executed=find_execution(lines, requested["delegate"]),
        profile=None if gone else profile.find_profile(lines),
        failed=failed,
        incomplete="" if failed else incomplete,
    )
    return _doubted(parsed)


def _trusted(parsed: Parsed) -> Parsed:
    """The result of a file, without its numbers where they cannot be true."""
    why = doubt(parsed.round)
    if why:
        parsed = dataclasses.replace(parsed, round={}, summary={}, memory={}, incomplete=why)
    return _doubted(parsed)


def _doubted(parsed: Parsed) -> Parsed:
    """`parsed`, with a reason to doubt the times of a tool that does not wait for the GPU."""
    python = parsed.runner.get("name") == "litert_benchmark"
    if python and str(parsed.requested.get("delegate")).startswith("gpu"):
        parsed.executed.setdefault("reasons", []).append(_ASYNCHRONOUS)
    return parsed


def _option(match: re.Match[str], parts: Sequence[Sequence[Line]]) -> Parsed:
    """One line of the summary of `..._performance_options`, with what its own run above says."""
    requested = _asked(match["name"])
    numbers = count_line(match["line"]) or {}
    numbers = {} if doubt(numbers) else numbers
    own = [lines for lines in parts if match["line"] in _statistics(lines)]  # to the digit
    above = _parsed(own[-1], None) if own and numbers else Parsed()
    failed = f"The option {match['name']} failed." if match["line"] == "failed!" else ""
    garbled = "" if failed or numbers else f"The statistics of {match['name']} are garbled."
    return Parsed(
        round=numbers,
        summary=above.summary,
        memory=above.memory,
        model=find_request(parts[-1])[2] if not own else above.model,
        runner={**above.runner, "name": "benchmark_model", "version": "performance options"},
        requested={**above.requested, **requested},
        executed=find_execution(own[-1] if own else (), requested["delegate"]),
        failed=failed,
        incomplete=garbled,
    )


def _asked(name: str) -> dict[str, Any]:
    """The schema's `requested` of an option by its name, as `cpu w/ 4 threads (xnnpack)`."""
    threads = re.search(r"w/ (\d{1,4}) threads", name)
    accelerator = re.search(r"^nnapi\((?!w/o)([^)]*)\)", name)
    names = {"gpu": "gpu", "nnapi": "nnapi", "dsp": "hexagon", "coreml": "coreml"}
    delegate = next((value for key, value in names.items() if name.startswith(key)), "cpu")
    return {
        "delegate": "xnnpack" if "(xnnpack)" in name else delegate,
        "threads": int(threads[1]) if threads else None,
        "accelerator": accelerator[1] if accelerator else None,
        "precision": {"gpu-fp16": "fp16", "gpu-default": "fp32"}.get(name),
    }


def _binary_result(data: bytes) -> Parsed | None:
    """What a binary result says; None when the data is none."""
    runner = {"name": "benchmark_model"}
    parts = decode_result(data)
    if parts is not None:
        return _trusted(
            Parsed(
                round=parts["round"],
                summary=parts["summary"],
                memory=parts["memory"],
                model=parts["model"],
                runner=runner,
            )
        )
    cut = b"\0" in data and is_cut_result(data)
    return Parsed(runner=runner, incomplete="The binary result is cut.") if cut else None


def _json_result(data: bytes) -> Parsed | None:
    """What a JSON result of litert-benchmark says; None when the data is none."""
    parts = decode_json(_decoded(data))
    if parts is None:
        return None
    return _trusted(
        Parsed(
            round=parts["round"],
            summary=parts["summary"],
            model=parts["model"],
            runner={"name": "litert_benchmark"},
            requested=parts["requested"],
            executed=parts["executed"],
        )
    )


# What reads a file that a tool wrote: each returns None for a file of another format. What no one
# takes is read as the text that a tool printed.
FORMATS: tuple[Callable[[bytes], Parsed | None], ...] = (_binary_result, _json_result)


def _decoded(data: bytes) -> str:
    """The text in `data`; of UTF-16, as PowerShell's `>` writes it, too."""
    return data.decode(_encoding(data), "replace").removeprefix("\ufeff")


def _encoding(data: bytes) -> str:
    """By its mark, or by which half of its bytes is 0, as in a cut log of UTF-16."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = data[:4096]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if odd > len(start) // 3 and not even:
        return "utf-16-le"
    return "utf-16-be" if even > len(start) // 3 and not odd else "utf-8-sig"


def _text(data: bytes, path: Path) -> str:
    """The text of a log; an `InputError` for a file that is neither text nor a known format."""
    if b"\0" in data[:4096] and "16" not in _encoding(data):
        raise InputError(
            f"{path} is neither a log nor a result of benchmark_model. Give what the tool printed, "
            "or the file of its --result_file_path."
        )
    return _decoded(data)
