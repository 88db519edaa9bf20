"""Writes the files that `torch.save` writes, of numpy arrays and of calls of any class."""

import pickle
import struct
import zipfile
from typing import Any, NamedTuple

import numpy as np

KINDS = {"<f4": "FloatStorage", "<f8": "DoubleStorage", "<f2": "HalfStorage", "<i8": "LongStorage"}


class Call(NamedTuple):
    """An object of any class: what it is called with, and its state."""

    module: str
    name: str
    args: tuple = ()
    state: Any = None


def save_zip(path, content):
    arrays = []
    data = b"\x80\x02" + pickled(content, arrays) + b"."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        for i, array in enumerate(arrays):
            archive.writestr(f"archive/data/{i}", array.tobytes())


def save_legacy(path, content):
    arrays = []
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})]
    parts.append(b"\x80\x02" + pickled(content, arrays) + b".")
    parts.append(pickle.dumps([str(i) for i in range(len(arrays))], 2))
    parts += [struct.pack("<q", array.size) + array.tobytes() for array in arrays]
    path.write_bytes(b"".join(parts))


def pickled(value, arrays):
    """`value` in pickle's opcodes; `arrays` takes the storages of its tensors."""
    if isinstance(value, np.ndarray):
        return _tensor(value, arrays)
    if isinstance(value, Call):
        arguments = b"(" + b"".join(pickled(v, arrays) for v in value.args) + b"t"
        state = b"" if value.state is None else pickled(value.state, arrays) + b"b"
        return f"c{value.module}\n{value.name}\n".encode() + arguments + b"R" + state
    if isinstance(value, dict):
        entries = (pickled(k, arrays) + pickled(v, arrays) for k, v in value.items())
        return b"}(" + b"".join(entries) + b"u"
    if isinstance(value, list | tuple):
        inner = b"(" + b"".join(pickled(v, arrays) for v in value)
        return inner + (b"t" if isinstance(value, tuple) else b"l")
    return pickle.dumps(value, 2)[2:-1]


def _tensor(array, arrays):
    arrays.append(np.asarray(array, order="C"))
    kind = KINDS[array.dtype.str]
    strides = [stride // array.itemsize for stride in arrays[-1].strides]
    storage = (
        b"("
        + b"".join(
            [
                pickled("storage", []),
                f"ctorch\n{kind}\n".encode(),
                pickled(str(len(arrays) - 1), []),
                pickled("cpu", []),
                pickled(array.size, []),
            ]
        )
        + b"tQ"
    )
    shape, steps = (pickled(tuple(numbers), []) for numbers in (array.shape, strides))
    rest = pickled(0, []) + shape + steps + pickled(False, [])
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"}" + b"tR"
