"""Reads arrays from the files of other frameworks, without running anything in them."""

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError

# Under what keys training code keeps the weights, the best ones first.
_CONTAINERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "weights")
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
# What the readers raise for a file that is cut off, altered or another kind.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    KeyError,
    IndexError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
)
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def read_state(path: Path) -> dict[str, NDArray]:
    """The arrays of a `.safetensors`, `.npz` or PyTorch file (`.pth`, `.pt`, `.ckpt`) by name.

    A pickle may name tensors and plain containers; whatever else it asks for is refused, nothing
    is imported or called. Weights inside `params`, `state_dict` and the like are found, and the
    `module.` in front of every name is dropped. Raises `InputError`.
    """
    readers: dict[str, Callable[[Path], Any]] = {
        ".safetensors": _read_safetensors,
        ".npz": _read_npz,
        ".pth": _read_torch,
        ".pt": _read_torch,
        ".ckpt": _read_torch,
    }
    if path.suffix not in readers:
        raise InputError(f"{path} must end in one of {', '.join(readers)}.")
    if not path.is_file():
        raise InputError(f"{path} does not exist.")
    try:
        content = readers[path.suffix](path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is damaged or no such file: {reason}.") from None
    state = _weights_in(content)
    if not state:
        raise InputError(f"{path} holds no named arrays.")
    return state


def _weights_in(content: Any) -> dict[str, Any]:
    """The arrays, or tensors not read yet, that a mapping holds or one of its usual containers."""
    if not isinstance(content, dict):
        return {}
    for key in _CONTAINERS:
        if isinstance(content.get(key), dict):
            return _weights_in(content[key])
    weights = {str(k): v for k, v in content.items() if isinstance(v, np.ndarray | _Tensor)}
    if weights and all(name.startswith("module.") for name in weights):
        weights = {name.removeprefix("module."): v for name, v in weights.items()}
    return weights


def _read_npz(path: Path) -> dict[str, NDArray]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _read_safetensors(path: Path) -> dict[str, NDArray]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise InputError("a .safetensors file needs the package safetensors.") from None
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from None


class _Storage(NamedTuple):
    kind: str
    key: str


class _Tensor(NamedTuple):
    """A view of a storage, not read yet."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _read_torch(path: Path) -> Any:
    with path.open("rb") as file:
        return _read_zip(file) if zipfile.is_zipfile(path) else _read_legacy(file)


def _read_zip(file: BinaryIO) -> Any:
    """The format since PyTorch 1.6: a pickle, and a file for each storage."""
    with zipfile.ZipFile(file) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if "data.pkl" not in names:
            raise InputError("it is a zip archive, but none that PyTorch wrote (no data.pkl).")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise InputError("it is a compressed archive, which PyTorch never writes.")
        content = _Unpickler(io.BytesIO(archive.read(names["data.pkl"]))).load()
        return _filled(
            _weights_in(content), lambda storage: archive.read(names[f"data/{storage.key}"])
        )


def _read_legacy(file: BinaryIO) -> Any:
    """The format before: a few pickles, then the storages one after another."""
    if _Unpickler(file).load() != _LEGACY_MAGIC:
        raise InputError("it is no PyTorch checkpoint.")
    _Unpickler(file).load(), _Unpickler(file).load()  # version, system
    pickled = _Unpickler(file)
    content, keys = pickled.load(), _Unpickler(file).load()
    data: dict[str, bytes] = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        data[key] = file.read(count * _item_bytes(pickled.kinds[key]))
    return _filled(_weights_in(content), lambda storage: data[storage.key])


def _filled(weights: dict[str, _Tensor], data: Callable[[_Storage], bytes]) -> dict[str, NDArray]:
    return {name: _array(tensor, data(tensor.storage)) for name, tensor in weights.items()}


def _item_bytes(kind: str) -> int:
    return 2 if _DTYPES[kind] == "bf16" else np.dtype(_DTYPES[kind]).itemsize


def _array(tensor: _Tensor, data: bytes) -> NDArray:
    kind = tensor.storage.kind
    if _DTYPES[kind] == "bf16":
        flat = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        flat = np.frombuffer(data, _DTYPES[kind])
    last = tensor.offset + sum(
        (n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True)
    )
    if not flat.size:
        return flat
    if min((0, tensor.offset, *tensor.shape, *tensor.strides)) < 0 or last >= flat.size:
        raise ValueError("a tensor reaches beyond its data")
    strides = [step * flat.itemsize for step in tensor.strides]
    if math.prod(tensor.shape) > flat.size:
        raise ValueError("a tensor is larger than its data")
    view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides)
    return view.copy()


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: _Tensor, *_: Any) -> _Tensor:
    return tensor


class _Unpickler(pickle.Unpickler):
    """Knows tensors and plain containers, and nothing else."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.kinds: dict[str, str] = {}  # of the storages seen

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in _DTYPES:
            return name
        raise InputError(
            f"it asks to run {module}.{name}, which no file of weights needs: refused."
        )

    def persistent_load(self, pid: Any) -> _Storage:
        storage = _Storage(pid[1], str(pid[2]))
        self.kinds[storage.key] = storage.kind
        return storage
