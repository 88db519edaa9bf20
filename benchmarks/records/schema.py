"""The published schema of a record, and the same as types (a test holds them together)."""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, overload

import fastjsonschema

from lpie.errors import InputError

SCHEMA = "lpie-bench/1"

Verdict = Literal["valid", "too_few", "unstable", "throttled", "fell_back", "incomplete", "failed"]
Delegate = Literal[
    "cpu", "xnnpack", "gpu", "gpu-cl", "gpu-gl", "nnapi", "npu", "hexagon", "coreml", "external"
]


class Model(TypedDict):
    """The file that was measured."""

    file: str | None
    sha256: str | None
    bytes: int | None
    spec: dict[str, Any] | None


class Device(TypedDict):
    """What the file ran on."""

    serial: str | None
    manufacturer: str | None
    model: str | None
    soc: str | None
    abi: str | None
    android: str | None
    sdk: int | None
    fingerprint: str | None
    cpu: str | None
    cores: int | None
    memory_mb: float | None
    system: str | None


class Runner(TypedDict):
    """The program that ran the file."""

    name: str | None
    version: str | None
    binary_sha256: str | None
    flags: list[str]


class Tiles(TypedDict):
    """How an image was split."""

    tile: str
    count: int
    halo_px: int


class Requested(TypedDict):
    """What the user asked for."""

    delegate: Delegate | None
    accelerator: str | None
    precision: Literal["fp32", "fp16"] | None
    threads: int | None
    size: str | None
    mode: Literal["whole", "tiles"] | None
    tiles: Tiles | None
    min_runs: int | None
    seconds: float | None
    rounds: int | None


class Executed(TypedDict):
    """What ran."""

    delegate: Delegate | None
    full: bool | None
    nodes_total: int | None
    nodes_delegated: int | None
    partitions: int | None
    reasons: list[str]


class Battery(TypedDict):
    """The battery of a device."""

    level_percent: float | None
    temperature_c: float | None
    voltage_mv: float | None
    charging: bool | None
    low_power: bool | None


class State(TypedDict):
    """How hot and how fast a device was at one moment."""

    thermal_status: int | None
    temperatures_c: dict[str, float]
    battery: Battery | None
    frequencies_mhz: dict[str, float]


class States(TypedDict):
    """The device before and after the measurement."""

    before: State | None
    after: State | None


class Round(TypedDict):
    """The runs of one round."""

    at_s: float | None
    count: int | None
    median_ms: float | None
    mean_ms: float | None
    min_ms: float | None
    max_ms: float | None
    std_ms: float | None
    p5_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    times_ms: list[float] | None
    state: State | None
    other_cores: NotRequired[float | None]
    heat_events: NotRequired[int | None]
    held_back_s: NotRequired[float | None]


class Summary(TypedDict):
    """All rounds together."""

    count: int | None
    median_ms: float | None
    mean_ms: float | None
    min_ms: float | None
    max_ms: float | None
    std_ms: float | None
    p5_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    spread_ms: float | None
    interval_ms: list[float] | None
    init_ms: float | None
    first_ms: float | None
    warmup_ms: float | None
    warmup_runs: int | None
    throttling: float | None
    parts_ms: dict[str, float]


class Memory(TypedDict):
    """Memory of the process, in MB."""

    peak_mb: float | None
    init_mb: float | None
    overall_mb: float | None
    gpu_mb: float | None
    baseline_mb: float | None
    estimated_mb: float | None


class Energy(TypedDict):
    """Energy of one image, or why there is no number."""

    joules: float | None
    unavailable: str | None


class Quality(TypedDict):
    """The device's output against the host's by float32."""

    psnr_db: float | None
    identical: bool | None
    residual_correlation: float | None
    target_psnr_db: float | None
    reference: str | None


class ProfiledOp(TypedDict):
    """The time of one op."""

    type: str | None
    name: str | None
    mean_ms: float | None
    percent: float | None
    count: int | None
    memory_kb: float | None


class Log(TypedDict):
    """The raw log, or the file that holds it."""

    text: str | None
    file: str | None


class Record(TypedDict):
    """One measurement; `record.schema.json` says what every field means."""

    schema: str
    verdict: Verdict
    why: str
    lpie: str | None
    started: str | None
    run: str | None
    model: Model
    device: Device
    runner: Runner
    requested: Requested
    executed: Executed
    state: States
    rounds: list[Round]
    summary: Summary
    memory: Memory
    energy: Energy
    quality: Quality | None
    profile: list[ProfiledOp] | None
    notes: NotRequired[list[str]]
    log: Log


class Collection(TypedDict):
    """Several records in one file."""

    schema: str
    verdict: Verdict
    records: list[Record]


_Schema = dict[str, Any]


def completed(record: Mapping[str, Any]) -> Record:
    """Return a copy of a record, or of a part of one, in which missing fields are null."""
    return _filled(_schema(), record)


@overload
def blank(name: Literal["round"]) -> Round: ...
@overload
def blank(name: Literal["state"]) -> State: ...
def blank(name: str) -> Any:
    """Return a round or a state in which nothing is known yet."""
    return _filled(_schema()["definitions"][name], {})


def check(record: Any, name: str) -> Record:
    """Return `record` if it follows the schema; else raise an `InputError` that says where not."""
    try:
        _validator()(record)
    except fastjsonschema.JsonSchemaException as error:
        where = str(error).removeprefix("data").lstrip(". ")[:300]
        raise InputError(f"{name} is not a record of {SCHEMA}: {where}. Measure again.") from None
    return record


@functools.cache
def _schema() -> _Schema:
    return json.loads(Path(__file__).with_name("record.schema.json").read_text("utf-8"))


@functools.cache
def _validator() -> Callable[[Any], Any]:
    return fastjsonschema.compile(_schema(), use_default=False)


def _filled(schema: _Schema, value: Any) -> Any:
    """Add the fields of `schema` that `value` lacks, at every depth: null or their default."""
    rule = _object(schema)
    if isinstance(value, Mapping) and "properties" in rule:
        absent = {name: _nothing(field) for name, field in rule["properties"].items()}
        present = {k: _filled(rule["properties"].get(k, {}), v) for k, v in value.items()}
        return {**absent, **present}
    if isinstance(value, list) and "items" in rule:
        return [_filled(rule["items"], item) for item in value]
    return value


def _nothing(schema: _Schema) -> Any:
    """Return what stands for a field of `schema` that is not known."""
    rule = _definition(schema)
    if "default" in rule:
        return type(rule["default"])()
    return _filled(rule, {}) if rule.get("type") == "object" and "properties" in rule else None


def _object(schema: _Schema) -> _Schema:
    """Return the definition behind `schema`; the object among its alternatives."""
    rule = _definition(schema)
    return _definition(rule["oneOf"][1]) if "oneOf" in rule else rule


def _definition(schema: _Schema) -> _Schema:
    return (
        _schema()["definitions"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    )
