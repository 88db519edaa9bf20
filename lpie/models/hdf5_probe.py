"""Looks into the HDF5 file of a network, in a process of its own: a library in C reads it.

    python hdf5_probe.py FILE

FILE: a `.keras` or HDF5 file. Prints JSON: how many numbers it stores, and the config of a network
that stands in an HDF5 file; or what is wrong with it, in words. Needs h5py, not lpie.
"""

import io
import json
import sys
import zipfile
from typing import Any

MOST_MEMBERS = 10_000  # arrays and groups
MOST_TIMES = 64  # an array may take so many times its bytes in the file
SPARE_BYTES = 2**24


def main(path: str) -> None:
    """Print what is in the file."""
    import h5py

    try:
        with h5py.File(_content(path), "r") as file:
            answer = {"values": _values(file), "config": _config(file)}
    except Exception as error:  # noqa: BLE001 (whatever h5py raises is what is wrong with it)
        answer = {"wrong": str(error) or type(error).__name__}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def _content(path: str) -> Any:
    """The path of an HDF5 file, or the one inside a `.keras` file."""
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read("model.weights.h5"))


def _values(file: Any) -> int:
    """How many numbers all arrays have; each of them is read once."""
    import h5py

    count = 0
    names: list[str] = []
    file.visit(lambda name: names.append(name) if len(names) <= MOST_MEMBERS else True)
    if len(names) > MOST_MEMBERS:
        raise ValueError(f"it has more than {MOST_MEMBERS} parts")
    for name in names:
        array = file[name]
        if not isinstance(array, h5py.Dataset) or array.shape is None:
            continue
        if (
            array.size * array.dtype.itemsize
            > array.id.get_storage_size() * MOST_TIMES + SPARE_BYTES
        ):
            raise ValueError(f"its array {name} claims {array.size} values and stores far less")
        array[()]
        count += int(array.size)
    return count


def _config(file: Any) -> str:
    """The config of the network in the old format of Keras; "" where it has none."""
    config = file.attrs.get("model_config", "")
    return config.decode() if isinstance(config, bytes) else str(config)


if __name__ == "__main__":
    main(sys.argv[1])
