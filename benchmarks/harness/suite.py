"""A suite: models x sizes x delegates x threads in one TOML file."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lpie.benchmarks.harness.delegate import parse_delegate
from lpie.benchmarks.harness.job import Job, jobs_for, network_in
from lpie.benchmarks.harness.settings import Settings
from lpie.errors import InputError, shown, unknown_name
from lpie.size import Size
from lpie.system.documents import read_toml
from lpie.weights import tflite_file

LISTS = ("models", "sizes", "delegates", "threads")
# Settings that have no number by default.
OPTIONAL: dict[str, type] = {"tile_px": int, "max_memory_mb": float}


@dataclass(frozen=True)
class Suite:
    """What to measure on each device, and how.

    models: files, or names of pretrained networks. sizes: none for the usual ones, and for a file
    of one size its own. threads: none for the device's default.
    """

    models: tuple[str, ...]
    sizes: tuple[str, ...] = ()
    delegates: tuple[str, ...] = ("xnnpack", "gpu")
    threads: tuple[int, ...] = ()
    settings: Settings = field(default_factory=Settings)

    def files(self) -> list[Path]:
        """The models' files."""
        return [tflite_file(Path(model)) for model in self.models]

    def check_files(self) -> None:
        """Raise an `InputError` for a model that is none."""
        for file in self.files():
            network_in(file)

    def groups(self, *, threads: int = 4) -> list[list[Job]]:
        """The jobs, those of a size together: their rounds take turns.

        Everything is checked here, before any device has work. Threads are for CPUs: a delegate
        that has none comes once. threads: where the suite names none.
        """
        delegates = [parse_delegate(text) for text in self.delegates]
        jobs = [
            job
            for model in self.files()
            for delegate in delegates
            for count in self.threads or (threads,)
            for job in jobs_for(model, self.sizes, delegate, count)
        ]
        groups: dict[Size | None, dict[Job, None]] = {}
        for job in jobs:
            self._check(job)
            groups.setdefault(job.size, {})[job] = None
        return [list(group) for group in groups.values()]

    def _check(self, job: Job) -> None:
        """Refuse what could not be tiled later."""
        if self.settings.mode == "tiles" or (self.settings.mode == "auto" and job.tileable):
            job.tiled(self.settings.longest_tile)


def read_suite(path: Path) -> Suite:
    """The suite in a TOML file; an `InputError` that names the key that is wrong.

    Models with a folder in their name are looked for beside the file.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist. Give a suite, as benchmarks/suites/phone.toml.")
    table = read_toml(path)
    settings = [field.name for field in dataclasses.fields(Settings)]
    if "models" not in table and isinstance(table.get("designs"), dict):
        raise InputError(
            f"{path} is a suite of designs, for `python -m lpie.benchmarks.studies.design_sweep "
            "--designs`. Give a suite that lists `models`, as benchmarks/suites/phone.toml."
        )
    for key in table:
        if key not in (*LISTS, *settings):
            raise unknown_name(f"key in {path.name},", key, (*LISTS, *settings))
    lists = {key: _list(table[key], key, path) for key in LISTS if key in table}
    if "models" not in lists:
        raise InputError(f"{path} must list `models`: files, or names of pretrained networks.")
    lists["models"] = tuple(_beside(path, model) for model in lists["models"])
    return Suite(
        **lists, settings=_settings({k: v for k, v in table.items() if k in settings}, path)
    )


def _list(value: Any, key: str, path: Path) -> tuple[Any, ...]:
    kind, what = (int, "whole numbers from 1 to 64") if key == "threads" else (str, "strings")
    good = isinstance(value, list) and value and all(type(item) is kind for item in value)
    if not good or (key == "threads" and not all(1 <= item <= 64 for item in value)):
        raise InputError(f"`{key}` in {path} must be a list of {what}. Received: {shown(value)}.")
    for text in value if key == "sizes" else ():
        Size.parse(text)
    for text in value if key == "delegates" else ():
        parse_delegate(text)
    return tuple(dict.fromkeys(value))


def _settings(table: dict[str, Any], path: Path) -> Settings:
    fields = {field.name: field.default for field in dataclasses.fields(Settings)}
    kinds = {name: type(value) for name, value in fields.items()} | OPTIONAL
    for key, value in table.items():
        kind = kinds[key]
        fits = type(value) is kind or (kind is float and type(value) is int)
        if not fits:
            raise InputError(
                f"`{key}` in {path} must be of type {kind.__name__}. Received: {shown(value)}. Try "
                f"{fields[key] or 1000!r}."
            )
    return Settings(**table)


def _beside(path: Path, model: str) -> str:
    beside = path.parent / model
    return str(beside) if Path(model).suffix and beside.is_file() else model
