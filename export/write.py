"""The file that an export writes, and its spec."""

import hashlib
import importlib.metadata
from dataclasses import replace
from pathlib import Path

from lpie.errors import InputError, LpieError
from lpie.system.files import refuse_existing, write_atomic
from lpie.tflite.foreign.trust import remember_export
from lpie.tflite.model import TfliteModel
from lpie.tflite.spec import ModelSpec, spec_path


def refuse_foreign_ops(model: TfliteModel) -> None:
    """Raise an `LpieError` that names every op which is not a TFLite builtin."""
    foreign = sorted({op.name for op in model.ops if op.name.startswith("CUSTOM")})
    if foreign:
        raise LpieError(
            f"The network needs ops that a phone's runtime lacks: {', '.join(foreign)}."
        )


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse an output that is not named .tflite or, without `overwrite`, exists already."""
    if path.suffix != ".tflite":
        raise InputError(f"The output's name must end in .tflite. Received: {path}.")
    refuse_existing(path, force=overwrite)
    refuse_existing(spec_path(path), force=overwrite)


def write(path: Path, data: bytes, spec: ModelSpec) -> ModelSpec:
    """Write a file as it is, and its spec beside it; the spec of the file."""
    digest = hashlib.sha256(data).hexdigest()
    write_atomic(path, data)
    remember_export(digest)
    spec = replace(spec, sha256=digest, file_bytes=len(data))
    write_atomic(spec_path(path), spec.to_json())
    return spec


def versions() -> dict[str, str]:
    """Of the packages that make a file."""
    packages = ("lpie", "tensorflow", "keras", "ai-edge-litert", "numpy")
    return {name: importlib.metadata.version(name) for name in packages}
