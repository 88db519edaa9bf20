"""Each option of `lpie bench` is honoured or refused, on every kind of device."""

import json
import sys

import click
import pytest

from lpie.benchmarks.runners.options import ALL, APP, HONOURED, HOST, KINDS, check_options, kinds_of
from lpie.cli.benchmark.bench import bench
from lpie.errors import InputError
from lpie.image.image import write_image
from lpie.weights import tflite_file
from tests.conftest import run_lpie

# What is about the command and not about a measurement.
NEUTRAL = {
    *("device", "list_devices", "suite_file", "log", "output", "force", "as_json", "models"),
    "help_all",
}
VALUES = {
    "sizes": "96x64", "threads": 1, "delegates": "xnnpack", "rounds": 2, "seconds": 0,
    "tiles": None, "whole": None, "sustained_min": 0.01, "limit_s": 60, "max_memory_mb": 900,
    "runs": 1, "warmup_s": 0, "profile": None, "photo": "p.png", "reference": "r.tflite",
    "cool_to_c": 30, "cool_s": 1, "runner": "apk", "adb": "adb", "binary": "b", "libraries": "l.so",
    "apk": "a.apk", "python": "python3", "runtime": "ai-edge-litert",
}  # fmt: skip
OPTIONS = {
    str(parameter.name): parameter.opts[0]
    for parameter in bench.params
    if isinstance(parameter, click.Option)
}


def test_every_option_is_in_the_table():
    assert set(OPTIONS) - NEUTRAL == set(HONOURED) == set(VALUES)


@pytest.mark.parametrize("name", sorted(HONOURED))
def test_each_is_honoured_or_refused_on_each_kind(name):
    for kind in ALL:
        if kind in HONOURED[name]:
            check_options([name], [kind])
        else:
            with pytest.raises(InputError, match=f"`{name}` has no effect on {kind}"):
                check_options([name], [kind])


def test_one_device_that_honours_it_is_enough():
    check_options(["binary"], kinds_of(["host", "serial"], "benchmark_model"))
    with pytest.raises(InputError):
        check_options(["binary"], kinds_of(["host"], "benchmark_model"))


REFUSED = [
    (name, runner)
    for runner, kind in {"": HOST, **KINDS}.items()
    for name in sorted(HONOURED)
    if kind not in HONOURED[name] and (runner in ("", "app"))
]


@pytest.mark.parametrize(("name", "runner"), REFUSED)
def test_the_command_names_the_flag(tmp_path, name, runner):
    """Before it looks for a device, a program or a file."""
    from lpie.cli.main import _run

    for file in ("l.so", "a.apk"):
        (tmp_path / file).touch()
    value = VALUES[name]
    value = str(tmp_path / value) if name in ("libraries", "apk") else value
    words = ["bench", "denoise-s", OPTIONS[name], *([] if value is None else [str(value)])]
    words += ["--device", "serial", "--runner", runner] if runner else []
    message, code = _run(words)
    assert code == 2
    assert f"{OPTIONS[name]} has no effect on {APP if runner else HOST}" in message


def test_what_this_computer_honours_is_in_the_record(tmp_path, astronaut):
    write_image(tmp_path / "p.png", astronaut[:100, :120])
    result = run_lpie(
        *("bench", "denoise-s", "--size", "96x64", "--threads", 1, "--delegate", "cpu"),
        *("--rounds", 2, "--min-runs", 3, "--seconds", 0.01, "--warmup-seconds", 0),
        *("--timeout", 50, "--whole", "--max-memory", 900, "--runtime", "ai-edge-litert"),
        *("--python", sys.executable, "--photo", tmp_path / "p.png"),
        *("--reference", tflite_file("denoise"), "--sustained", 0.01, "--json"),
    )
    record, curve = json.loads(result.stdout)["records"]
    asked = record["requested"]
    assert asked["size"] == "96x64"
    assert (asked["threads"], asked["delegate"], asked["rounds"]) == (1, "cpu", 2)
    assert (asked["min_runs"], asked["seconds"], asked["mode"]) == (3, 0.01, "whole")
    assert record["executed"]["delegate"] == "cpu"
    assert record["runner"]["version"].startswith("ai-edge-litert")
    assert record["summary"]["warmup_runs"] == 1
    assert record["quality"]["reference"] == "denoise.tflite on this computer, 96x64 of p.png"
    assert not record["quality"]["identical"]
    assert len(curve["rounds"]) > 0
