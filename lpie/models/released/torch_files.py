"""Reads what PyTorch saves: zip archives, the older rows of pickles, and pickles of arrays."""

import io
import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.models.released.pickles import Standin, Storage, Tensor, read_pickle

_BFLOAT16 = "bf16"
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "ComplexFloatStorage": "<c8",
    "ComplexDoubleStorage": "<c16",
    # Whose type stands in the tensor.
    "UntypedStorage": "u1",
}
_TORCH_DTYPES = {"uint16": "<u2", "uint32": "<u4", "uint64": "<u8"}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_MOST_DIMENSIONS = 16

Arrays = Callable[[Tensor], NDArray]


def read_torch_zip(file: BinaryIO) -> tuple[Any, Arrays]:
    """(the content, what reads one of its tensors) of a file in PyTorch's format since 1.6.

    Tensors can be read as long as `file` is open.
    """
    size = file.seek(0, io.SEEK_END)
    archive = zipfile.ZipFile(file)
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise InputError("it is a compressed archive, which PyTorch never writes.")
    if sum(info.file_size for info in archive.infolist()) > size:
        raise ValueError("its parts lie over one another")
    names = {name.partition("/")[2]: name for name in archive.namelist()}
    pickled = io.BytesIO(archive.read(names["data.pkl"]))
    content = read_pickle(pickled, _KNOWN, room=size)
    big = "byteorder" in names and archive.read(names["byteorder"]).strip() == b"big"
    return content, _lazily(lambda key: archive.read(names[f"data/{key}"]), ">" if big else "<")


def read_pickles(file: BinaryIO) -> tuple[Any, Arrays]:
    """The same for the format before, and for one pickle of arrays."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    known = {**_KNOWN, ("torch.storage", "_load_from_bytes"): _storage_in}
    content = read_pickle(file, known, room=size)
    if not isinstance(content, int) or content != _LEGACY_MAGIC:
        return content, _lazily(_nowhere, "<")
    content, data = _rest_of_legacy(file, size)
    return content, _lazily(lambda key: data[key], "<")


def _rest_of_legacy(file: BinaryIO, size: int) -> tuple[Any, dict[str, bytes]]:
    """A few pickles, then the storages one after another."""
    read_pickle(file, _KNOWN, room=size), read_pickle(file, _KNOWN, room=size)  # version, system
    kinds: dict[str, str] = {}
    content = read_pickle(file, _KNOWN, room=size, storages=kinds)
    keys = read_pickle(file, _KNOWN, room=size)
    data: dict[str, bytes] = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        wanted = count * _item_bytes(kinds[key])
        if not 0 <= wanted <= size - file.tell():
            raise EOFError("the file ends within its weights")
        data[key] = file.read(wanted)
    return content, data


def _storage_in(data: bytes) -> Storage:
    """The storage that a pickle of tensors holds as a file of its own."""
    file = io.BytesIO(data)
    if read_pickle(file, _KNOWN, room=len(data)) != _LEGACY_MAGIC:
        raise ValueError("a storage without data")
    content, stored = _rest_of_legacy(file, len(data))
    if not isinstance(content, Storage):
        raise ValueError("a storage without data")
    return content._replace(data=stored[content.key])


def _nowhere(key: str) -> bytes:
    raise ValueError(f"the storage {key} is missing")


def _lazily(data_of: Callable[[str], bytes], order: str) -> Arrays:
    """What reads tensors: the numbers of each storage once, however many tensors view them."""
    numbers: dict[Any, NDArray] = {}

    def read(tensor: Tensor) -> NDArray:
        kind, key, data = tensor.storage
        place = (kind, key, id(data))
        if place not in numbers:
            numbers[place] = _numbers(kind, data_of(key) if data is None else data, order)
        return _view(numbers[place], tensor)

    return read


def _item_bytes(kind: str) -> int:
    return 2 if _DTYPES[kind] == _BFLOAT16 else np.dtype(_DTYPES[kind]).itemsize


def _numbers(kind: str, data: bytes, order: str) -> NDArray:
    if _DTYPES[kind] == _BFLOAT16:
        return (np.frombuffer(data, f"{order}u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, _DTYPES[kind].replace("<", order))


def _view(flat: NDArray, tensor: Tensor) -> NDArray:
    """The tensor as a view of its storage, which is not copied."""
    if tensor.dtype:
        flat = flat.view(tensor.dtype)
    last = tensor.offset + sum(
        (n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True)
    )
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, flat.dtype)
    if last >= flat.size:
        raise ValueError("a tensor reaches beyond its data")
    if math.prod(tensor.shape) > flat.size:
        raise ValueError("a tensor is larger than its data")
    strides = [step * flat.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(
        flat[tensor.offset :], tensor.shape, strides, writeable=False
    )


def _rebuild_tensor(
    storage: Storage, offset: int, shape: Iterable[int], strides: Iterable[int], *_: Any
) -> Tensor:
    tensor = Tensor(storage, offset, tuple(shape), tuple(strides))
    numbers = (offset, *tensor.shape, *tensor.strides)
    whole = all(type(number) is int and 0 <= number < 2**48 for number in numbers)
    if not isinstance(storage, Storage) or storage.kind not in _DTYPES or not whole:
        raise ValueError("a tensor of no known kind")
    if len(tensor.shape) > _MOST_DIMENSIONS or len(tensor.shape) != len(tensor.strides):
        raise ValueError("a tensor of no known shape")
    return tensor


def _rebuild_typed_tensor(*parts: Any) -> Tensor | Standin:
    """A tensor of a type that has no storage of its own."""
    dtype = str(parts[6]).removeprefix("torch.")
    if dtype not in _TORCH_DTYPES:
        return Standin(f"a tensor of {dtype}")
    return _rebuild_tensor(*parts[:4])._replace(dtype=_TORCH_DTYPES[dtype])


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, *_: Any) -> Any:
    """A tensor of a subclass."""
    known = _KNOWN.get(function)
    return known(*arguments) if known else Standin("a tensor of another class", arguments)


class PickledArray:
    """A numpy array as its pickle builds it."""

    def __init__(self) -> None:
        self.array: NDArray | None = None

    def build(self, state: Any) -> None:
        """Take (version, shape, dtype, in Fortran's order, data)."""
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            return  # an array of objects
        flat = np.frombuffer(data, dtype.name)
        self.array = flat.reshape(shape, order="F" if fortran else "C")


class _Dtype:
    """A plain numpy dtype."""

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self, state: Any) -> None:
        """Take (version, byte order, ...)."""
        if state[1] in ("<", ">"):
            self.name = state[1] + self.name.lstrip("<>=|")


def _dtype(name: Any, *_: Any) -> Any:
    plain = isinstance(name, str) and _PLAIN_DTYPE.fullmatch(name)
    return _Dtype(name) if plain else Standin("numpy.dtype", name)


_PLAIN_DTYPE = re.compile(r"[<>=|]?(?:b1|[iu][1248]|f[248]|c8|c16)")


def _encoded(text: Any, encoding: Any = "latin1", *_: Any) -> bytes:
    """Bytes, which pickles of Python 2 spell as text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("text in an unknown encoding")
    return text.encode("latin1")


def _mapping(entries: Any = (), *_: Any) -> Any:
    """An ordered or defaulting dictionary; what it was made from, a list of pairs at most."""
    if isinstance(entries, dict):
        return dict(entries)
    if not isinstance(entries, list):
        return {}
    return {pair[0]: pair[1] for pair in entries if isinstance(pair[0], str)}


def _of_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> PickledArray:
    pickled = PickledArray()
    pickled.build((1, shape, dtype, order == "F", bytes(data)))
    return pickled


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _mapping,
    ("collections", "defaultdict"): _mapping,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _rebuild_typed_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    ("_codecs", "encode"): _encoded,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: PickledArray(),
    ("numpy._core.multiarray", "_reconstruct"): lambda *_: PickledArray(),
    ("numpy.core.numeric", "_frombuffer"): _of_buffer,
    ("numpy._core.numeric", "_frombuffer"): _of_buffer,
    ("numpy", "dtype"): _dtype,
}
