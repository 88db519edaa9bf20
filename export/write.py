"""The file that an export writes, and its spec."""

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import Any

from lpie.errors import InputError, LpieError
from lpie.system.files import refuse_existing, sha256, write_atomic
from lpie.tflite import model as flatbuffer
from lpie.tflite.spec import ModelSpec, spec_path


def refuse_foreign_ops(graph: Any) -> None:
    """Raise an `LpieError` that names every op which is not a TFLite builtin."""
    names = {flatbuffer.op_name(graph, op) for op in graph.subgraphs[0].operators}
    foreign = sorted(name for name in names if name.startswith("CUSTOM"))
    if foreign:
        raise LpieError(
            f"The network needs ops that a phone's runtime lacks: {', '.join(foreign)}."
        )


def check_target(path: Path, force: bool) -> None:
    """Refuse an output that is not named .tflite or, without `force`, exists already."""
    if path.suffix != ".tflite":
        raise InputError(f"The output's name must end in .tflite. Received: {path}.")
    refuse_existing(path, force=force)
    refuse_existing(spec_path(path), force=force)


def write(path: Path, graph: Any, spec: ModelSpec) -> ModelSpec:
    """Write `graph` to `path`, its spec inside and beside it; the spec of the file."""
    flatbuffer.write_note(graph, spec.to_json())
    write_atomic(path, flatbuffer.serialise(graph))
    spec = replace(spec, sha256=sha256(path), file_bytes=path.stat().st_size)
    write_atomic(spec_path(path), spec.to_json())
    return spec


def versions() -> dict[str, str]:
    """Of the packages that make a file."""
    packages = ("lpie", "tensorflow", "keras", "ai-edge-litert", "numpy")
    return {name: importlib.metadata.version(name) for name in packages}
