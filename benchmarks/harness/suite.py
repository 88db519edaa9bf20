"""A suite: models x sizes x delegates x threads in one TOML file."""

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lpie.benchmarks.harness.delegate import Delegate, parse_delegate
from lpie.benchmarks.harness.job import Job, make_job
from lpie.benchmarks.harness.settings import Settings
from lpie.errors import InputError, unknown_name
from lpie.size import Size
from lpie.weights import tflite_file

LISTS = ("models", "sizes", "delegates", "threads")


@dataclass(frozen=True)
class Suite:
    """What to measure on each device, and how. Models are files or names of pretrained networks."""

    models: tuple[str, ...]
    sizes: tuple[str, ...] = ("256x256", "fhd", "4k")
    delegates: tuple[str, ...] = ("xnnpack", "gpu")
    threads: tuple[int, ...] = (4,)
    settings: Settings = field(default_factory=Settings)

    def groups(self) -> list[list[Job]]:
        """The jobs, those of a size together: their rounds take turns.

        Everything is checked here, before any device has work. Threads are for CPUs: a delegate
        that has none comes once.
        """
        models = [tflite_file(Path(model)) for model in self.models]
        delegates = [parse_delegate(text) for text in self.delegates]
        return [self._group(models, size, delegates) for size in self.sizes]

    def _group(self, models: Sequence[Path], size: str, delegates: Sequence[Delegate]) -> list[Job]:
        found = [
            make_job(model, size, delegate, threads)
            for model in models
            for delegate in delegates
            for threads in self.threads
        ]
        jobs = list(dict.fromkeys(found))
        for job in jobs:
            if self.settings.mode == "tiles" or (
                self.settings.mode == "auto" and job.halo_px is not None
            ):
                job.tiled(self.settings.tile_px)  # refuses what could not be tiled later
        return jobs


def read_suite(path: Path) -> Suite:
    """The suite in a TOML file; an `InputError` that names the key that is wrong.

    Models with a folder in their name are looked for beside the file.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist. Give a suite, as benchmarks/suites/phone.toml.")
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from None
    settings = [each.name for each in dataclasses.fields(Settings)]
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
    good = isinstance(value, list) and value and all(type(each) is kind for each in value)
    if not good or (key == "threads" and not all(1 <= each <= 64 for each in value)):
        raise InputError(f"`{key}` in {path} must be a list of {what}. Received: {value!r}.")
    for each in value if key == "sizes" else ():
        Size.parse(each)
    for each in value if key == "delegates" else ():
        parse_delegate(each)
    return tuple(dict.fromkeys(value))


def _settings(table: dict[str, Any], path: Path) -> Settings:
    kinds = {each.name: type(each.default) for each in dataclasses.fields(Settings)}
    for key, value in table.items():
        kind = kinds[key]
        fits = type(value) is kind or (kind is float and type(value) is int)
        if not fits:
            raise InputError(
                f"`{key}` in {path} must be a {kind.__name__}, as {getattr(Settings(), key)!r}. "
                f"Received: {value!r}."
            )
    return Settings(**table)


def _beside(path: Path, model: str) -> str:
    beside = path.parent / model
    return str(beside) if Path(model).suffix and beside.is_file() else model
