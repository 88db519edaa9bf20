"""Estimates how long a model would take on a phone, by a roofline, and shows its errors."""

import functools
import importlib.resources
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lpie.errors import InputError, unknown_name
from lpie.size import Size
from lpie.tflite.cost import OpWork, op_work
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file

Unit = Literal["gpu", "npu"]
Precision = Literal["fp32", "fp16", "int8"]
BYTES = {"fp32": 4, "fp16": 2, "int8": 1}


@dataclass(frozen=True)
class Phone:
    """Peaks of a phone, in operations (two for a multiply-add) and bytes per second.

    peaks: by unit and precision. sources: where the numbers are from.
    """

    name: str
    soc: str
    peaks: dict[tuple[str, str], float]
    bytes_per_s: float
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """Milliseconds of one run, and how many are bound by computing, by memory and by launches."""

    ms: float
    compute_ms: float
    memory_ms: float
    launch_ms: float


@dataclass(frozen=True)
class Published:
    """A published measurement and its estimate. error: estimate over measurement, minus 1."""

    name: str
    phone: str
    unit: Unit
    measured_ms: float
    estimate: Estimate
    source: str
    note: str = ""

    @property
    def error(self) -> float:
        return self.estimate.ms / self.measured_ms - 1


def predict(
    ops: Sequence[OpWork], phone: Phone, *, unit: Unit = "gpu", precision: str = "fp16"
) -> Estimate:
    """Sum what bounds each of `ops`: computing, moving its values, or its launch.

    Nothing is fused and nothing stays in a cache. Raises an `InputError` when nothing is known
    about that unit of the phone.
    """
    if (unit, precision) not in phone.peaks:
        known = " and ".join(dict.fromkeys(unit for unit, _ in phone.peaks))
        raise InputError(
            f"For {phone.name} only the {known} is known: use --unit {known.split(' and ')[0]} "
            f"with --precision {_precisions(phone)}. Received: {unit} in {precision}."
        )
    share = _table()["efficiency"]
    operations_per_s = phone.peaks[unit, precision] * share["compute"]
    bytes_per_s = phone.bytes_per_s * share["bandwidth"]
    sums = {"compute": 0.0, "memory": 0.0, "launch": 0.0}
    for op in ops:
        seconds = {
            "compute": 2 * op.macs / operations_per_s,
            "memory": op.values * BYTES[precision] / bytes_per_s,
            "launch": share["launch_us"] / 1e6,
        }
        bound = max(seconds, key=lambda key: seconds[key])
        sums[bound] += 1e3 * seconds[bound]
    return Estimate(sum(sums.values()), sums["compute"], sums["memory"], sums["launch"])


def _precisions(phone: Phone) -> str:
    return " or ".join(dict.fromkeys(precision for _, precision in phone.peaks))


def find_phone(name: str) -> Phone:
    """Return the phone, or the processor, called `name`, or raise an `InputError`."""
    socs = _table()["soc"]
    known = {alias: soc for soc, facts in socs.items() for alias in (soc, *facts["phones"])}
    if name.lower() not in known:
        raise unknown_name("phone", name, known)
    soc = known[name.lower()]
    facts = socs[soc]
    peaks = {}
    if "gpu_tflops" in facts:
        peaks[("gpu", "fp32")] = 1e12 * facts["gpu_tflops"]
        peaks[("gpu", "fp16")] = 2e12 * facts["gpu_tflops"]
    if "npu_tops" in facts:
        peaks[("npu", "int8")] = 1e12 * facts["npu_tops"]
        peaks[("npu", "fp16")] = 0.5e12 * facts["npu_tops"]
    sources = tuple(
        f"{part}: {facts[f'{part}_source']}"
        for part in ("gpu", "npu", "memory")
        if f"{part}_source" in facts
    )
    return Phone(name.lower(), soc, peaks, 1e9 * facts["gb_per_s"], sources)


def published() -> list[Published]:
    """Return the published measurements with their estimates."""
    rows = []
    for entry in _read("published.toml")["measurement"]:
        phone = find_phone(entry["phone"])
        rows.append(
            Published(
                name=entry["name"],
                phone=entry["phone"],
                unit=entry["unit"],
                measured_ms=entry["ms"],
                estimate=predict(
                    _work(entry), phone, unit=entry["unit"], precision=entry["precision"]
                ),
                source=entry["source"],
                note=entry.get("note", ""),
            )
        )
    return rows


def _work(measurement: dict[str, Any]) -> list[OpWork]:
    """Return the ops that were measured: a pretrained network's, or the paper's totals."""
    if "network" in measurement:
        width, height = measurement["size"]
        model = TfliteModel.read(tflite_file(measurement["network"]))
        return op_work(model.resized(Size(height, width)))
    return [
        OpWork("", macs, values) for count, macs, values in measurement["ops"] for _ in range(count)
    ]


@functools.cache
def _table() -> dict[str, Any]:
    return _read("phones.toml")


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(importlib.resources.files(__package__).joinpath(name).read_text("utf-8"))
