"""How a record is called in tables, charts and messages."""

from lpie.benchmarks.records.schema import Record
from lpie.benchmarks.records.verdict import CPU

UNKNOWN = "device unknown"


def device_name(record: Record) -> str:
    """Return a phone's maker and model, else the processor; a browser's own name after it.

    A browser may keep all but the system to itself.
    """
    device, runner = record["device"], record["runner"]
    phone = " ".join(part for part in (device["manufacturer"], device["model"]) if part)
    name = phone or device["cpu"] or device["serial"]
    if runner["name"] == "web":
        return ", ".join(part for part in (name or device["system"], runner["version"]) if part)
    return name or UNKNOWN


def request_name(record: Record) -> str:
    """Return what was asked for, as `gpu fp16, 4 threads, tiles`."""
    request = record["requested"]
    delegate = " ".join(part for part in (request["delegate"], request["precision"]) if part)
    threads = f"{request['threads']} threads" if request["threads"] else ""
    tiles = "tiles" if request["mode"] == "tiles" else ""
    return ", ".join(part for part in (delegate, threads, tiles) if part)


def record_name(record: Record) -> str:
    """Return the model and what was asked for, for a bar or a line."""
    file = (record["model"]["file"] or "model unknown").removesuffix(".tflite")
    return ", ".join(part for part in (file, request_name(record)) if part)


def short_name(record: Record) -> str:
    """Return model, size, mode and any delegate but the CPU, for a row of the terminal."""
    request = record["requested"]
    parts = [record["model"]["file"], request["size"], request["mode"]]
    if request["delegate"] not in (None, *CPU):
        parts.append(request["delegate"])
    return " ".join(part for part in parts if part) or "model unknown"


def setting(record: Record) -> tuple[str, str]:
    """Return (device, size): records of one setting may be compared."""
    return device_name(record), record["requested"]["size"] or "size unknown"


def environment_line(record: Record) -> str:
    """Return the device and the runner of a record on one line."""
    device, runner = record["device"], record["runner"]
    names = [device["manufacturer"], device["model"], device["soc"], device["cpu"]]
    cores = [f"{device['cores']} cores"] if device["cores"] else []
    return ", ".join(part for part in (*names, *cores, runner["version"] or runner["name"]) if part)


def verdict_name(record: Record) -> str:
    """Return the verdict in words."""
    return record["verdict"].replace("_", " ")
