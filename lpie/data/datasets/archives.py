"""Reads the files of a download from a folder, a .zip, a .tar or a .tar.gz.

Nothing is extracted, so a path inside an archive never becomes a path on this disk.
"""

import contextlib
import gzip
import lzma
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from lpie.errors import InputError, LpieError
from lpie.image.listing import ignored

# No photo of the known data sets takes more; SIDD's validation .mat files have 250 MB.
MOST_FILE_BYTES = 2**30
# Photos hardly compress and HDR floats at most some ten times: what unpacks to more is a bomb.
MOST_EXPANSION = 100
SMALL_BYTES = 2**26  # below this no expansion does harm

# (of which file, how many bytes from its start)
Fetch = Callable[[str, int], bytes]


class Source(NamedTuple):
    """The files of `path`: sizes in bytes by path inside it, with forward slashes."""

    path: Path
    sizes: dict[str, int]
    fetch: Fetch
    root: str = ""

    def read(self, name: str, first_bytes: int | None = None) -> bytes:
        """The file's bytes, or the first of them; an `InputError` says what is wrong with it."""
        size = self.sizes[name]
        if size > MOST_FILE_BYTES:
            raise InputError(
                f"{self.where(name)} unpacks to {size / 1e9:.1f} GB, which no photo takes."
            )
        try:
            return self.fetch(self.root + name, size if first_bytes is None else first_bytes)
        except _UNREADABLE as error:
            raise InputError(
                f"{self.where(name)} cannot be read ({_reason(error)}). Download it again."
            ) from None

    def where(self, name: str) -> str:
        """The file as an error names it."""
        inside = self.root + name
        return str(self.path / inside) if self.path.is_dir() else f"{self.path}: {inside}"

    def under(self, root: str) -> "Source":
        """The files below the folder `root` (empty, or ending in a slash), by their paths there."""
        sizes = {n.removeprefix(root): s for n, s in self.sizes.items() if n.startswith(root)}
        return self._replace(sizes=sizes, root=self.root + root)


_UNREADABLE = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    RuntimeError,
    ValueError,
    struct.error,
)


@contextlib.contextmanager
def open_source(path: Path, *, scratch: Path) -> Iterator[Source]:
    """The files of the folder or archive `path`; several threads may read at once.

    scratch: an existing folder; a .tar.gz, which can only be read from its start, is expanded
    there to a nameless file that vanishes with this process.
    """
    with contextlib.ExitStack() as stack:
        if path.is_dir():
            yield _folder(path)
        elif not path.is_file():
            raise InputError(f"{path} does not exist.")
        elif path.name.lower().endswith(".zip"):
            yield _zip(path, stack)
        elif path.name.lower().endswith((".tar.gz", ".tgz")):
            yield _tar(path, stack.enter_context(_expanded(path, scratch)))
        elif path.name.lower().endswith(".tar"):
            yield _tar(path, stack.enter_context(path.open("rb")))
        else:
            raise InputError(f"{path} must be a folder, a .zip, a .tar or a .tar.gz file.")


def _folder(path: Path) -> Source:
    sizes: dict[str, int] = {}
    seen = set()
    # Links are followed, as large sets are often linked together from several disks.
    for base, folders, files in os.walk(path, followlinks=True):
        if (real := os.path.realpath(base)) in seen:
            folders.clear()
            continue
        seen.add(real)
        for file in (Path(base, name) for name in files):
            with contextlib.suppress(OSError):  # a link to nowhere
                status = file.stat()
                if stat.S_ISREG(status.st_mode):
                    sizes[file.relative_to(path).as_posix()] = status.st_size

    def fetch(name: str, count: int) -> bytes:
        with (path / name).open("rb") as f:
            return f.read(count)

    return Source(path, _visible(path, sizes.items()), fetch)


def _zip(path: Path, stack: contextlib.ExitStack) -> Source:
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise _damaged(path, error) from None
    # Windows programs write backslashes.
    members = {_inner(m.filename.replace("\\", "/")): m for m in archive.infolist()}
    members = {name: member for name, member in members.items() if not member.is_dir()}
    sizes = {name: member.file_size for name, member in members.items()}
    _refuse_bomb(path, sum(sizes.values()))

    def fetch(name: str, count: int) -> bytes:
        with archive.open(members[name]) as f:
            return f.read(count)

    return Source(path, _visible(path, sizes.items()), fetch)


def _tar(path: Path, file: IO[bytes]) -> Source:
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            members = {_inner(m.name): m for m in archive if m.isreg() and not m.issparse()}
            end = archive.offset
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise _damaged(path, error) from None
    # `tarfile` takes a file that was cut between two members for a whole one.
    if os.fstat(file.fileno()).st_size < end + tarfile.BLOCKSIZE:
        raise _damaged(path, EOFError("its end is missing"))

    def fetch(name: str, count: int) -> bytes:
        member = members[name]
        return os.pread(file.fileno(), min(count, member.size), member.offset_data)

    return Source(path, _visible(path, ((n, m.size) for n, m in members.items())), fetch)


@contextlib.contextmanager
def _expanded(path: Path, scratch: Path) -> Iterator[IO[bytes]]:
    with _scratch_file(path, scratch) as plain:
        try:
            with gzip.open(path) as packed:
                while block := packed.read(2**22):
                    _write_scratch(path, plain, block)
                    _refuse_bomb(path, plain.tell())
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _damaged(path, error) from None
        plain.seek(0)
        yield plain


def _scratch_file(path: Path, scratch: Path) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=scratch)
    except OSError as error:
        raise LpieError(f"Cannot expand {path} in {scratch}: {error.strerror}.") from None


def _write_scratch(path: Path, plain: IO[bytes], block: bytes) -> None:
    try:
        plain.write(block)
    except OSError as error:
        raise LpieError(f"Cannot expand {path}: {error.strerror}. Unpack it elsewhere.") from None


def _inner(name: str) -> str:
    return name.removeprefix("./")


def _visible(path: Path, sizes: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Without files that computers add; a path that leads out of `path` is refused."""
    kept = {}
    for name, size in sizes:
        parts = PurePosixPath(name).parts
        if ".." in parts or name.startswith("/"):
            raise InputError(f"{path} holds the path {name}, which leads out of it. Do not use it.")
        hidden = "__MACOSX" in parts or any(part.startswith(".") for part in parts)
        if parts and not hidden and not ignored(parts[-1]):
            kept[name] = size
    return kept


def _refuse_bomb(path: Path, unpacked_bytes: int) -> None:
    if unpacked_bytes > SMALL_BYTES + MOST_EXPANSION * path.stat().st_size:
        raise InputError(
            f"{path} unpacks to more than {MOST_EXPANSION} times its size, which no photos do. "
            "Do not use it."
        )


def _damaged(path: Path, error: BaseException) -> InputError:
    return InputError(
        f"{path} is not a whole archive ({_reason(error)}): truncated or damaged. "
        "Download it again."
    )


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
