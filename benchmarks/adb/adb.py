"""A thin layer over the `adb` program: every call has a time limit, every failure its sentence."""

import contextlib
import importlib.util
import os
import re
import selectors
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lpie.benchmarks.adb.failures import PhoneError, failure, last_words
from lpie.errors import InputError, unknown_name
from lpie.printable import printable
from lpie.system.signals import child, undone_by_signals

LIMIT_S = 30.0  # of a call that does no work on the phone
PUSH_BYTES_PER_S = 1e6  # slower than any USB or Wi-Fi that one would wait for
PULL_BYTES = 200_000_000  # the outputs of a 4K image; what one does not know beforehand
# The most that is taken from a device: of text, and of a file.
MOST_PRINTED, MOST_PULLED = 32_000_000, 4 * PULL_BYTES
# Ends what a command printed. adb's own exit code is 0 on old devices, and where the device went
# away it prints nothing.
END = "lpie-exit:"
STATES = (
    "device|offline|unauthorized|authorizing|connecting|no permissions.*?|recovery|rescue|sideload|"
    "bootloader|host|detached|unknown"
)


@dataclass(frozen=True)
class Printed:
    """What a command on the phone printed, stdout and stderr, and its exit code."""

    text: str
    code: int


@dataclass(frozen=True)
class Listed:
    """A line of `adb devices -l`. state: `device` where it can be used, else why not."""

    serial: str
    state: str
    about: str


class Adb:
    """One device by its serial.

    program: the adb executable. Every method raises a `PhoneError` where adb or the device fails
    it, or where the limit has passed.
    """

    def __init__(self, program: str, serial: str) -> None:
        self.program, self.serial = program, serial

    def shell(self, command: str | Sequence[str], *, limit_s: float = LIMIT_S) -> Printed:
        """What a command prints on the device, and its exit code.

        command: a list of words, each of which arrives as it is, or a script for its shell.
        stdout and stderr come merged, in their order.
        """
        script = command if isinstance(command, str) else shlex.join(command)
        printed = self._call(["shell", f'( {script}\n) 2>&1; echo "{END}$?"'], limit_s)
        text, end, code = printed.text.rpartition(END)
        if end and code.strip().isdigit():
            return Printed(text, int(code))
        # The device's own words are in stdout, those of adb in stderr, and they may be none.
        raise failure(printed.errors if printed.errors.strip() else "error: closed", self.serial)

    def push(self, source: Path, target: str) -> None:
        """Copy the file `source` to the device."""
        self._copy(["push", str(source), target], source.stat().st_size)

    def send(self, data: bytes, target: str) -> None:
        """Write `data` to a file on the device."""
        with _temporary() as path:
            path.write_bytes(data)
            self.push(path, target)

    def fetch(self, source: str) -> bytes:
        """What a file on the device holds."""
        with _temporary() as path:
            self.pull(source, path)
            return path.read_bytes()

    def pull(self, source: str, target: Path) -> None:
        """Copy the device's file `source` here."""

        def check() -> None:
            if target.is_file() and target.stat().st_size > MOST_PULLED:
                raise _endless(self.serial, f"{source} has", MOST_PULLED)

        self._copy(["pull", source, str(target)], PULL_BYTES, check)

    def install(self, package: Path) -> None:
        """Install an APK with every permission that it asks for."""
        printed = self._call(["install", "-r", "-d", "-g", str(package)], 300)
        answer = f"{printed.text}\n{printed.errors}"
        if printed.code or "Success" not in answer:
            raise PhoneError(
                "not installed", f"{self.serial} did not install {package}: {last_words(answer)}."
            )

    def _copy(self, words: list[str], size: int, check: Callable[[], None] = lambda: None) -> None:
        limit_s = LIMIT_S + size / PUSH_BYTES_PER_S
        printed = _run(self.program, ["-s", self.serial, *words], limit_s, self.serial, check)
        check()
        if printed.code:
            raise failure(f"{printed.errors}\n{printed.text}", self.serial)

    def _call(self, words: Sequence[str], limit_s: float) -> "_Called":
        return _run(self.program, ["-s", self.serial, *words], limit_s, self.serial)


def find_adb(program: str | None = None) -> str:
    """The adb executable: `program`, else $ADB, the one in PATH, the one that adbutils brings."""
    asked = program or os.environ.get("ADB")
    if asked:
        path = shutil.which(asked)
        if path is None:
            raise InputError(f"{asked} is not an executable adb. Give its path: --adb.")
        return path
    path = shutil.which("adb") or _bundled()
    if path is None:
        raise InputError(
            "adb was not found: install it (Debian: apt install adb; any system: pip install "
            "'lpie[adb]'), or give its path with --adb or $ADB."
        )
    return path


def list_devices(program: str) -> list[Listed]:
    """The devices that adb knows, in its order."""
    printed = _run(program, ["devices", "-l"], LIMIT_S, "adb")
    if printed.code:
        raise failure(printed.errors or printed.text, "adb")
    _, _, rows = printed.text.partition("List of devices attached")
    return [_listed(printable(row)) for row in rows.splitlines() if row.strip()]


def choose(devices: Sequence[Listed], asked: Sequence[str]) -> list[str]:
    """The serials of `asked`, each of which must be usable; `all` stands for all usable ones."""
    if not devices:
        raise failure("no devices/emulators found", "")
    if "all" in asked:
        usable = [device.serial for device in devices if device.state == "device"]
        if not usable:
            raise failure(devices[0].state, devices[0].serial)
        return usable
    known = {device.serial: device.state for device in devices}
    for serial in asked:
        if serial not in known:
            raise unknown_name("device", serial, known)
        if known[serial] != "device":
            raise failure(known[serial], serial)
    return list(dict.fromkeys(asked))


@dataclass(frozen=True)
class _Called:
    text: str
    errors: str
    code: int


def _run(
    program: str,
    words: Sequence[str],
    limit_s: float,
    serial: str,
    check: Callable[[], None] = lambda: None,
) -> _Called:
    """What adb printed. A hung daemon and a hung device look the same: nothing comes.

    check: is called at least every second, and may raise to end it.
    """
    pipe = subprocess.PIPE
    until = time.monotonic() + limit_s
    try:
        with child(
            [program, *words], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        ) as process:
            text, errors = _read(process, until, serial, check)
            process.wait(max(until - time.monotonic(), 1))
    except subprocess.TimeoutExpired:
        if words[-2:] == ["devices", "-l"]:
            raise PhoneError(
                "daemon hung",
                f"adb's daemon did not answer within {limit_s:.0f} s: run `adb kill-server` and "
                "try again.",
            ) from None
        raise PhoneError(
            "hung",
            f"{serial} did not end `{words[2]}` within {limit_s:.0f} s: it, or adb's daemon, "
            "hangs. Try again after `adb kill-server`, or after a restart of the device.",
        ) from None
    return _Called(text, errors, process.returncode)


def _read(
    process: "subprocess.Popen[str]", until: float, serial: str, check: Callable[[], None]
) -> list[str]:
    """All that the process prints to stdout and to stderr, up to MOST_PRINTED bytes of each."""
    pipes = [process.stdout, process.stderr]
    printed = [bytearray() for _ in pipes]
    with selectors.DefaultSelector() as selector:
        for stream, data in zip(pipes, printed, strict=True):
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ, data)
        while selector.get_map():
            left = until - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, until)
            for key, _ in selector.select(min(left, 1)):
                read = os.read(key.fd, 1 << 16)
                key.data.extend(read)
                if not read:
                    selector.unregister(key.fileobj)
                if len(key.data) > MOST_PRINTED:
                    raise _endless(serial, "What it printed has", MOST_PRINTED)
            check()
    return [data.decode(errors="replace").replace("\r\n", "\n") for data in printed]


def _endless(serial: str, what: str, most: int) -> PhoneError:
    return PhoneError(
        "endless",
        f"{serial} does not stop answering. {what} more than {most / 1e6:.0f} MB, which no answer "
        "of a working device has: restart it and try again.",
    )


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    """A file's name; what lies there goes with the block, or with the process: it may be large."""
    with (
        tempfile.TemporaryDirectory(prefix="lpie-") as folder,
        undone_by_signals(lambda: shutil.rmtree(folder, ignore_errors=True)),
    ):
        yield Path(folder, "file")


def _listed(row: str) -> Listed:
    """Serials ("adb-1 (2)._adb-tls") and states ("no permissions (missing udev rules?)") may have
    spaces.
    """
    match = re.fullmatch(
        rf"(.+?)\s+({STATES})(?:\s+((?:usb|product|transport_id):.*))?", row.strip()
    )
    if match is None:
        return Listed(row.split()[0], "unknown", row.strip())
    return Listed(match[1], match[2].strip(), match[3] or "")


def _bundled() -> str | None:
    spec = importlib.util.find_spec("adbutils")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        with contextlib.suppress(StopIteration):
            return next(str(p) for p in Path(folder, "binaries").glob("adb*") if p.is_file())
    return None
