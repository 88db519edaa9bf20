"""What travels with an exported model: how to feed it, where it comes from, how it was checked."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpie.errors import InputError
from lpie.system.files import to_json


@dataclass(frozen=True)
class ModelSpec:
    """A TFLite file's facts. Written beside the file (FILE.spec.json) and inside it.

    Inside the file `sha256` and `file_bytes` are null, as no file can hold its own digest.
    """

    network: str
    recipe: str
    width: int
    height: int
    # Image sides must be multiples of this (px).
    multiple: int
    # How far the network looks beyond a pixel (px); null when it looks over the whole image.
    halo_px: int | None
    parameters: int
    input_dtype: str
    output_dtype: str
    source_sha256: str
    versions: dict[str, str]
    # Of an int8 file: the layers that the recipe `mixed` left in float.
    float_layers: tuple[str, ...] = ()
    # Of a file of several sizes: WIDTHxHEIGHT of each, the names of its signatures.
    signatures: tuple[str, ...] = ()
    # The exact rewrites of `lpie.export.rewrites.targets` that changed the network.
    rewrites: tuple[str, ...] = ()
    color: str = "RGB, sRGB transfer"
    value_range: tuple[float, float] = (0.0, 1.0)
    layout: str = "NHWC"
    # What `verify` measured, null when it was skipped.
    verified: dict[str, Any] | None = None
    file: str = ""
    file_bytes: int | None = None
    sha256: str | None = None

    def to_json(self) -> str:
        """The spec as JSON; infinite numbers (equal outputs) become null."""
        return to_json(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str, name: str = "the spec") -> "ModelSpec":
        """The spec in `text`; an `InputError` when it is none."""
        try:
            table = json.loads(text)
            table["value_range"] = tuple(table["value_range"])
            for key in ("float_layers", "signatures", "rewrites"):
                table[key] = tuple(table.get(key, ()))
            return ModelSpec(**table)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{name} is not a model spec: {error}.") from None


def spec_path(model: Path) -> Path:
    """Where the spec of the file `model` lies."""
    return model.with_suffix(".spec.json")
