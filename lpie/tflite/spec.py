"""What travels with an exported model: how to feed it, where it comes from, how it was checked."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpie.errors import InputError
from lpie.printable import printable
from lpie.system.files import to_json

MOST_CHARACTERS = 2**20


@dataclass(frozen=True)
class ModelSpec:
    """The facts about a `.tflite` file, written beside it (FILE.spec.json) and inside it.

    Inside the file `sha256` and `file_bytes` are null, as no file can hold its own digest.

    Args:
        network: The name of the network.
        recipe: The recipe of the export, as it was typed (`lpie.export.recipes`).
        width: Width of the image in px; of several sizes that of the first.
        height: Height of the image in px; of several sizes that of the first.
        multiple: Image sides must be multiples of this, in px.
        halo_px: How far the network looks beyond a pixel, in px; None when it looks over the whole
            image.
        parameters: How many numbers the network learned.
        input_dtype: Type of the input: float32, uint8, int8, int16 or uint16.
        output_dtype: Type of the output, likewise.
        source_sha256: SHA-256 of the file that the weights come from, or "".
        versions: Of the packages that wrote the file.
        float_layers: The layers of an int8 file that the recipe `mixed` left in float.
        signatures: WIDTHxHEIGHT of each size of a file of several, the names of its signatures.
        rewrites: The exact rewrites (`lpie.export.rewrites.targets`) that changed the network.
        color: The colour space of input and output.
        value_range: What the type's least and greatest value of a pixel mean.
        layout: The order of dimensions: batch, height, width, channels.
        verified: What `lpie.export.verify` measured; None when it was skipped.
        npu: Of a file compiled for an NPU: the chip, what its NPU takes and moves, the SHA-256 of
            the file that it was compiled from, and what the emulator measured.
        scale: How many times as high and wide as its input the output is.
        file: The file's name.
        file_bytes: The file's size in bytes.
        sha256: The file's SHA-256.
    """

    network: str
    recipe: str
    width: int
    height: int
    multiple: int
    halo_px: int | None
    parameters: int
    input_dtype: str
    output_dtype: str
    source_sha256: str
    versions: dict[str, str]
    float_layers: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    color: str = "RGB, sRGB transfer"
    value_range: tuple[float, float] = (0.0, 1.0)
    layout: str = "NHWC"
    scale: int = 1
    verified: dict[str, Any] | None = None
    npu: dict[str, Any] | None = None
    file: str = ""
    file_bytes: int | None = None
    sha256: str | None = None

    def to_json(self) -> str:
        """The spec as JSON text; infinite numbers (equal outputs) become null."""
        return to_json(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str, name: str = "the spec") -> "ModelSpec":
        """The spec in `text`, whose fields are of their types and within reason; an `InputError`
        when it is none."""
        if len(text) > MOST_CHARACTERS:
            raise InputError(f"{name} is not a model spec: it is longer than {MOST_CHARACTERS}.")
        try:
            table = json.loads(text)
            table["value_range"] = tuple(table["value_range"])
            for key in ("float_layers", "signatures", "rewrites"):
                table[key] = tuple(table.get(key, ()))
            spec = ModelSpec(**table)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{name} is not a model spec: {printable(error)[:200]}.") from None
        except RecursionError:
            raise InputError(f"{name} is not a model spec: it is nested too deeply.") from None
        for key in spec.__dataclass_fields__:
            if not _plausible(key, getattr(spec, key), spec.multiple):
                value = printable(repr(getattr(spec, key)))[:80]
                raise InputError(f"{name} is damaged: its {key} is {value}.")
        return spec


# The fields that are whole numbers, with their least and greatest value; other fields are below.
_NUMBERS = {
    "multiple": (1, 4096),
    "scale": (1, 16),
    "width": (1, 2**24),
    "height": (1, 2**24),
    "halo_px": (0, 2**16),
    "parameters": (0, 2**53),
    "file_bytes": (0, 2**53),
}
_MAY_BE_NONE = ("halo_px", "verified", "npu", "file_bytes", "sha256")
_WORDS = ("float_layers", "signatures", "rewrites")


def _plausible(key: str, value: Any, multiple: int) -> bool:
    """Whether a field of a spec is of its type and within reason."""
    if value is None:
        return key in _MAY_BE_NONE
    if key in _NUMBERS:
        least, most = _NUMBERS[key]
        whole = type(value) is int and least <= value <= most
        return whole and (key != "halo_px" or value % multiple == 0)
    if key in _WORDS:
        return all(isinstance(word, str) for word in value)
    if key == "value_range":
        return len(value) == 2 and all(type(end) in (int, float) for end in value)
    if key in ("versions", "verified", "npu"):
        return isinstance(value, dict) and not _deeper(value, 4)
    return isinstance(value, str)


def _deeper(value: Any, levels: int) -> bool:
    """Whether a JSON value is nested deeper than that."""
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return False
    return levels == 0 or any(_deeper(part, levels - 1) for part in inner)


def spec_path(model: Path) -> Path:
    """Where the spec of the file `model` lies."""
    return model.with_suffix(".spec.json")
