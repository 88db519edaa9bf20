"""Reads arrays from the files of other frameworks, without running anything in them."""

import json
import struct
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.models.released.arrays import read_npz, read_safetensors
from lpie.models.released.pickles import Tensor
from lpie.models.released.selection import choose
from lpie.models.released.torch_files import read_pickles, read_torch_zip
from lpie.system.paths import refuse_special

# What the readers raise for a file that is cut off, altered or another kind.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)
_ZIP = b"PK\x03\x04"
# How other files begin that are mistaken for weights, and what to do.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "is a pointer of Git LFS and not the file itself. Run `git lfs pull` in its repository, or "
        "download the file from its page.",
    ),
    (b"\x1f\x8b", "is packed with gzip. Unpack it first: gunzip or tar -xzf."),
    (b"BZh", "is packed with bzip2. Unpack it first."),
    (b"\xfd7zXZ", "is packed with xz. Unpack it first."),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd. Unpack it first."),
    (b"7z\xbc\xaf", "is a 7z archive. Unpack it first."),
    (b"Rar!", "is a RAR archive. Unpack it first."),
    (b"\x89HDF", "is an HDF5 file of Keras. Load it in Keras and save it as .keras or .npz."),
    (b"%PDF", "is a PDF and no weights."),
    (b"\x89PNG", "is a picture and no weights."),
    (b"\xff\xd8\xff", "is a picture and no weights."),
)


class Weights(NamedTuple):
    """Arrays by name.

    place: the key of a checkpoint that held them. left_out: what else the file holds.
    """

    arrays: dict[str, NDArray]
    place: str = ""
    left_out: tuple[str, ...] = ()


_Arrays = TypeVar("_Arrays")


def read_state(path: Path) -> dict[str, NDArray]:
    """The arrays of a `.safetensors`, `.npz` or PyTorch file (`.pth`, `.pt`, `.ckpt`, ...) by name.

    The content decides, not the suffix. A pickle may hold tensors, arrays and any settings; nothing
    in it is imported or called, and one that asks to run a program is refused. Of a checkpoint, the
    averaged weights (`params_ema`, `ema` and the like) come before the others, and what all names
    begin with (`module.`, `net_g.`) is dropped. Raises `InputError`.
    """
    return read_weights(path).arrays


def check_weights(path: Path) -> None:
    """Raise an `InputError` where the file shows without its network that it cannot be used."""
    _opened(path, lambda file: choose(_content(file)[0]).arrays)


def read_weights(path: Path, wanted: Sequence[Collection[str]] = ()) -> Weights:
    """What `read_state` reads, and where in the file it was.

    wanted: sets of names of which one must be complete, to choose among what the file holds. The
    arrays are views of the file's data where it allows: they must not be written to. Raises
    `InputError`, also for arrays with NaN or infinity.
    """
    return _opened(path, lambda file: _read(file, wanted))


def _opened(path: Path, read: Callable[[BinaryIO], _Arrays]) -> _Arrays:
    """What `read` makes of the file; an `InputError` for a file that holds no weights."""
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    refuse_special(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder. Give the file of weights in it.")
    try:
        with path.open("rb") as file:
            weights = read(file)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except _DAMAGE as error:
        reason = _printable(str(error)) or type(error).__name__
        raise InputError(
            f"{path} is damaged, cut off or no file of weights: {reason}. Give a complete "
            ".safetensors, .npz or PyTorch file (.pth)."
        ) from None
    if not (weights.arrays if isinstance(weights, Weights) else weights):
        raise InputError(f"{path} holds no named arrays.")
    return weights


def _read(file: BinaryIO, wanted: Sequence[Collection[str]]) -> Weights:
    content, array_of = _content(file)
    choice = choose(content, wanted)
    arrays = {
        name: array_of(value) if isinstance(value, Tensor) else value
        for name, value in choice.arrays.items()
    }
    _check_finite(arrays)
    return Weights(arrays, _printable(choice.place), tuple(map(_printable, choice.left_out)))


def _content(file: BinaryIO) -> tuple[Any, Callable[[Tensor], NDArray]]:
    """What the file holds, and what reads one of its tensors."""
    start = file.read(4096)
    size = file.seek(0, 2)
    file.seek(0)
    _refuse_others(start, file)
    if zipfile.is_zipfile(file):
        return _zip_content(file)
    file.seek(0)
    if start.startswith(_ZIP):
        raise EOFError("the archive ends too early, as after a download that broke off")
    header = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and header < size:
        return read_safetensors(file), _no_tensor
    return read_pickles(file)


def _zip_content(file: BinaryIO) -> tuple[Any, Callable[[Tensor], NDArray]]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    parts = {name.rpartition("/")[2] for name in names}
    if "data.pkl" in parts:
        return read_torch_zip(file)
    if any(name.endswith(".npy") for name in names):
        return read_npz(file), _no_tensor
    if "config.json" in parts:
        raise InputError("it is a .keras file, which every command takes as a model as it is.")
    raise InputError("it is a zip archive, but none that PyTorch wrote (no data.pkl).")


def _no_tensor(tensor: Tensor) -> NDArray:
    raise ValueError("a tensor in a file of arrays")


def _refuse_others(start: bytes, file: BinaryIO) -> None:
    """Say what the file is, where its beginning shows that it holds no weights."""
    if not start:
        raise InputError("it is empty.")
    for magic, what in _OTHERS:
        if start.startswith(magic):
            raise InputError(f"it {what}")
    if start[4:8] == b"TFL3":
        raise InputError("it is a .tflite file, which every command takes as a model as it is.")
    if start[257:262] == b"ustar":
        raise InputError("it is a tar archive. Unpack it, and give the file in it.")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<":
        raise InputError(
            "it is a web page (HTML or XML), as a server sends for a link that needs a login or a "
            "confirmation. Download the file by a browser."
        )
    if text[:1] in (b"{", b"[") and _is_json(file, text):
        raise InputError(
            f"it is JSON and no weights: {_printable(text[:80].decode(errors='replace'))}"
        )


def _is_json(file: BinaryIO, text: bytes) -> bool:
    """Whether the file is JSON; of a long one, whether it begins so."""
    if len(text) >= 4000:
        return text[1:].lstrip()[:1] in (b'"', b"{", b"[")
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _check_finite(arrays: dict[str, NDArray]) -> None:
    """Refuse NaN and infinity; what several names share is looked at once."""
    fine: set[tuple[int, str]] = set()
    for name, array in arrays.items():
        if array.dtype.kind not in "fc":
            continue
        whole = _whole(array)
        place = (whole.__array_interface__["data"][0], whole.dtype.str)
        if place in fine:
            continue
        if np.isfinite(whole).all():
            fine.add(place)
        elif not np.isfinite(array).all():
            raise InputError(
                f"{_printable(name)} holds NaN or infinity: the training that wrote it had failed. "
                "Take an earlier checkpoint."
            )


def _whole(array: NDArray) -> NDArray:
    """The numbers that `array` is a view of."""
    base = array
    while isinstance(base.base, np.ndarray) and base.base.dtype == base.dtype:
        base = base.base
    return base


def _printable(text: str) -> str:
    line = (text.splitlines() or [""])[0][:200].rstrip(". ")
    return "".join(c if c.isprintable() else "?" for c in line)
