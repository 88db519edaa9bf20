"""Looks at a file of a Keras network before Keras does: whole, of honest sizes, not too deep.

Keras takes memory for whatever a file declares, and raises whatever comes to pass on a damaged one.
"""

import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

from lpie.errors import InputError
from lpie.system.child import ended_by
from lpie.system.limits import Limits
from lpie.system.signals import child

PROBE = Path(__file__).with_name("hdf5_probe.py")
HDF5 = (".h5", ".hdf5")
SUFFIXES = (".keras", *HDF5)
MOST_MEMBERS = 1000
MOST_CONFIG_BYTES = 2**26
MOST_TIMES, SPARE_BYTES = 20, 2**26  # unpacked, a file may be so many times as large, and so much
MOST_LEVELS = 200
PROBE_S = 60.0  # of computing, for a small file
PROBE_BYTES_PER_S = 1e7
# What zipfile and its decompressors raise for a damaged archive.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, IndexError, ValueError,
    OSError, OverflowError, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


class Contents:
    """What a file of a network holds: `config`, and how many numbers it stores."""

    def __init__(self, config: Any, values: int) -> None:
        self.config, self.values = config, values


def look_into(file: Path) -> Contents:
    """What is in a `.keras` or HDF5 file.

    Raises:
        InputError: It is damaged, or declares far more than it holds.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"{file} is no file of a network: its name must end in {_listed()}.")
    old = file.suffix.lower() in HDF5
    text = "" if old else _config_in_archive(file)
    probed = _probe(file)
    if old and not probed["config"]:
        raise InputError(f"{file} holds weights alone. Save the whole network: model.save(NAME).")
    return Contents(_parsed(file, probed["config"] if old else text), int(probed["values"]))


def refuse_saved_model(path: Path) -> None:
    """Raise an `InputError` where `path` is a SavedModel, whose graph Keras 3 cannot change."""
    if (path / "saved_model.pb").is_file():
        raise InputError(
            f"{path} is a SavedModel, which holds a graph and no layers. Load it with the Keras "
            "that wrote it and save it again: model.save('NAME.keras')."
        )


def _listed() -> str:
    return ", ".join(SUFFIXES)


def _config_in_archive(file: Path) -> str:
    """The text of the config in a `.keras` file, all of which is whole."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if len(members) > MOST_MEMBERS or total > MOST_TIMES * _size(file) + SPARE_BYTES:
                raise InputError(f"{file} unpacks to {total} bytes: that is no honest network.")
            damaged = archive.testzip()
            if damaged is not None:
                raise InputError(f"{file} is damaged: its {damaged} is not what was written.")
            if archive.getinfo("config.json").file_size > MOST_CONFIG_BYTES:
                raise InputError(f"{file} is no network: its config.json is too long.")
            archive.getinfo("model.weights.h5")
            return archive.read("config.json").decode()
    except InputError:
        raise
    except _DAMAGE as error:
        reason = _reason(error)
        raise InputError(f"{file} is not a Keras model that can be loaded: {reason}.") from None


def _parsed(file: Path, text: str) -> Any:
    try:
        config = json.loads(text)
        deep = _deeper(config, MOST_LEVELS)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is damaged: its config is no JSON: {_reason(error)}.") from None
    if deep or not isinstance(config, dict):
        raise InputError(f"{file} is no network: its config is nested too deeply or no table.")
    return config


def _probe(file: Path) -> dict[str, Any]:
    """What `hdf5_probe` prints."""
    limits = Limits(
        cpu_s=PROBE_S + _size(file) / PROBE_BYTES_PER_S,
        memory_mb=(2 * MOST_TIMES * _size(file) + 4 * SPARE_BYTES) / 1e6 + 512,
    )
    command = [sys.executable, "-P", str(PROBE), str(file)]
    with child(
        command, limits=limits, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        printed, _ = process.communicate()
    lines = printed.strip().splitlines()
    if process.returncode or not lines:
        how = ended_by(process.returncode) or "failed"
        raise InputError(f"{file} is damaged: the HDF5 library {how} on it.")
    answer: dict[str, Any] = json.loads(lines[-1])
    if "wrong" in answer:
        raise InputError(f"{file} is damaged or no network: {answer['wrong'][:200]}.")
    return answer


def _deeper(value: Any, levels: int) -> bool:
    """Whether a JSON value is nested deeper than that."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(part, levels - 1) for part in inner)


def _size(file: Path) -> int:
    return file.stat().st_size


def _reason(error: BaseException) -> str:
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")
