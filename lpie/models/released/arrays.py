"""Reads `.npz` and `.safetensors`, and never takes more memory than such a file can be worth."""

import io
import json
import math
import re
import zipfile
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError

# Weights hardly compress; what unpacks to more than this many times its file is no set of weights.
_MOST_EXPANSION, _ROOM = 16, 64_000_000
_LONGEST_HEADER = 32_000_000
_NPY = b"\x93NUMPY"
_NPY_HEADER = re.compile(
    r"\{\s*'descr':\s*'(?P<descr>[<>|=]?[biufc]\d{1,2})',\s*'fortran_order':\s*(?P<fortran>True|False),"
    r"\s*'shape':\s*\((?P<shape>[\d, ]*)\),?\s*\}\s*"
)
_SAFETENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def read_npz(file: BinaryIO) -> dict[str, NDArray]:
    """The arrays of a `.npz`; arrays of objects are refused."""
    size = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if sum(info.file_size for info in infos) > _MOST_EXPANSION * size + _ROOM:
            raise InputError("it unpacks to far more than weights of its size would.")
        return {info.filename.removesuffix(".npy"): _npy(archive.read(info)) for info in infos}


def _npy(data: bytes) -> NDArray:
    if data[:6] != _NPY or len(data) < 12:
        raise ValueError("an array without a header")
    width = 2 if data[6] == 1 else 4
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    header = _NPY_HEADER.fullmatch(data[8 + width : start].decode("latin1"))
    if header is None:
        raise ValueError("an array that needs a pickle or has a damaged header")
    shape = tuple(int(n) for n in header["shape"].replace(" ", "").split(",") if n)
    flat = np.frombuffer(data, header["descr"], offset=start)
    if flat.size != math.prod(shape):
        raise ValueError("an array of another size than it says")
    return flat.reshape(shape, order="F" if header["fortran"] == "True" else "C")


def read_safetensors(file: BinaryIO) -> dict[str, NDArray]:
    """The tensors of a `.safetensors`: views of the bytes behind its header."""
    length = int.from_bytes(file.read(8), "little")
    if length > _LONGEST_HEADER:
        raise ValueError("a header longer than the file")
    header = json.loads(file.read(length))
    data = memoryview(file.read())
    header.pop("__metadata__", None)
    offsets = [entry["data_offsets"] for entry in header.values()]
    if sum(end - start for start, end in offsets) > len(data):
        raise ValueError("its tensors lie over one another or beyond its end")
    return {str(name): _tensor(entry, data) for name, entry in header.items()}


def _tensor(entry: dict[str, Any], data: memoryview) -> NDArray:
    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= len(data):
        raise ValueError("a tensor reaches beyond its data")
    if entry["dtype"] == "BF16":
        halves = np.frombuffer(data[start:end], "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(entry["shape"])
    return np.frombuffer(data[start:end], _SAFETENSORS[entry["dtype"]]).reshape(entry["shape"])
