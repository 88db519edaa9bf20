"""What travels with an exported model: how to feed it, how it was made, how it was checked."""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpie.errors import InputError
from lpie.system.files import to_json
from lpie.tflite import model as flatbuffer

SIZES = {"fhd": (1920, 1080), "4k": (3840, 2160)}


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
    # The exact rewrites of `lpie.export.rewrites.targets` that found something in the network.
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


def spec_inside(model: Any, name: str = "the model") -> ModelSpec | None:
    """The spec inside a parsed TFLite model, or None when it was not made by lpie."""
    note = flatbuffer.read_note(flatbuffer.schema_of(model))
    return None if note is None else ModelSpec.from_json(note, f"The note inside {name}")


def parse_size(text: str, *, multiple: int = 1) -> tuple[int, int]:
    """(width, height) in px from WIDTHxHEIGHT, `fhd` or `4k`.

    Raises `InputError` when it is not a size, or not a multiple of `multiple`; the error names
    the nearest sizes that are.
    """
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text.strip().lower())
    if text.strip().lower() in SIZES:
        width, height = SIZES[text.strip().lower()]
    elif match:
        width, height = int(match[1]), int(match[2])
    else:
        raise InputError(f"A size is WIDTHxHEIGHT, fhd or 4k. Received: {text!r}. Try 1920x1080.")
    if min(width, height) < 1:
        raise InputError(f"A size must be at least 1x1. Received: {text}.")
    if width % multiple or height % multiple:
        low = [max(n // multiple, 1) * multiple for n in (width, height)]
        high = [-(-n // multiple) * multiple for n in (width, height)]
        raise InputError(
            f"Width and height must be multiples of {multiple}. Received: {width}x{height}. "
            f"Nearest: {low[0]}x{low[1]}, {high[0]}x{high[1]}."
        )
    return width, height
