"""Where Qualcomm's compiler and emulator lie among the installed packages."""

import functools
import importlib.metadata
import importlib.util
import os
import platform
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from lpie.errors import InputError

EXTRA = "pip install 'lpie[npu]'"
# The versions that belong together: LiteRT's plugin is built for one release of Qualcomm's QNN.
PINNED = {"ai-edge-litert": "2.3.0", "onnxruntime-qnn": "2.7.0"}
# LiteRT 2.3.0's plugin names this library as one that it needs and uses nothing of it, and no
# package brings it. An empty one is enough.
STUB = "libQnnLpai.so"


@dataclass(frozen=True)
class Tools:
    """Qualcomm's tools as PyPI's packages bring them.

    compiler: LiteRT's program. plugins: the folder of its plugin for Qualcomm. qnn: the folder of
    Qualcomm's libraries. versions: of the packages.
    """

    compiler: Path
    plugins: Path
    qnn: Path
    versions: dict[str, str]

    def variables(self, stub_folder: Path) -> dict[str, str]:
        """The environment in which the compiler finds Qualcomm's libraries.

        stub_folder: a folder of the caller's, into which the empty library is written.
        """
        (stub_folder / STUB).write_bytes(empty_library(STUB))
        folders = [str(self.qnn), str(stub_folder), os.environ.get("LD_LIBRARY_PATH", "")]
        return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, folders))}


@functools.cache
def npu_tools() -> Tools:
    """Qualcomm's tools on this computer.

    Raises:
        InputError: They are missing, of other versions, or not made for this computer.
    """
    system, processor = sys.platform, platform.machine()
    if system != "linux" or processor not in ("x86_64", "AMD64"):
        raise InputError(
            "Qualcomm's NPU compiler and emulator run on Linux on an x86-64 processor. "
            f"This is {platform.system()} on {processor}. Use such a computer or container."
        )
    versions = {name: _version(name) for name in (*PINNED, "onnx", "onnxruntime")}
    missing = [name for name, version in versions.items() if not version]
    if missing:
        raise InputError(
            f"NPUs need the package {missing[0]}, which is not installed. Run: {EXTRA}."
        )
    for name, pinned in PINNED.items():
        if versions[name] != pinned:
            raise InputError(
                f"NPUs need {name} {pinned}: other versions do not fit to each other. "
                f"Installed: {versions[name]}. Run: {EXTRA}."
            )
    litert, qnn = _folder("ai_edge_litert"), _folder("onnxruntime_qnn")
    tools = Tools(
        litert / "tools" / "apply_plugin_main",
        litert / "vendors" / "qualcomm" / "compiler",
        qnn,
        versions,
    )
    for path in (tools.compiler, tools.plugins, qnn / "libQnnHtp.so", qnn / "libHtpPrepare.so"):
        if not path.exists():
            raise InputError(f"The installed packages lack {path}. Run: {EXTRA}.")
    return tools


def empty_library(name: str) -> bytes:
    """A valid shared library for x86-64 Linux that is called `name` and holds nothing (ELF 64)."""
    strings = b"\0" + name.encode() + b"\0"
    symbols = bytes(24)  # the one that every table begins with
    hashes = struct.pack("<4I", 1, 1, 0, 0)  # one bucket, one symbol
    head_size, program_size = 64, 56
    at_hash = head_size + 3 * program_size
    at_symbols = _aligned(at_hash + len(hashes))
    at_strings = at_symbols + len(symbols)
    at_dynamic = _aligned(at_strings + len(strings))
    # SONAME, HASH, STRTAB, SYMTAB, STRSZ, SYMENT, NULL
    entries = [(14, 1), (4, at_hash), (5, at_strings), (6, at_symbols), (10, len(strings))]
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in [*entries, (11, 24), (0, 0)])
    end = at_dynamic + len(dynamic)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = identity + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    # LOAD (read and write), DYNAMIC, GNU_STACK (not executable)
    programs = struct.pack("<IIQQQQQQ", 1, 6, 0, 0, 0, end, end, 4096)
    here = (at_dynamic, at_dynamic, at_dynamic, len(dynamic), len(dynamic), 8)
    programs += struct.pack("<IIQQQQQQ", 2, 6, *here)
    programs += struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)
    whole = bytearray(end)
    parts = {0: head + programs, at_hash: hashes, at_strings: strings, at_dynamic: dynamic}
    for place, part in parts.items():
        whole[place : place + len(part)] = part
    return bytes(whole)


def _aligned(place: int) -> int:
    return -(-place // 8) * 8


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f"NPUs need the package {package}, which is damaged. Run: {EXTRA}.")
    return Path(spec.origin).parent
