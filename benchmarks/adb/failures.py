"""What goes wrong between this computer and a device, each in its sentence with the remedy."""

import re

from lpie.errors import LpieError
from lpie.printable import printable


class PhoneError(LpieError):
    """The phone, or adb, did not do what was asked; `kind` names why in a word or two."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


# What adb says: (pattern, kind, the sentence, with {serial}). The first that fits counts.
FAILURES = (
    (
        r"unauthorized",
        "unauthorized",
        "{serial} does not trust this computer yet: unlock it and confirm the question about USB "
        "debugging; if there is none, revoke the authorizations in its developer options and "
        "plug it in again.",
    ),
    (
        r"authorizing",
        "unauthorized",
        "{serial} is still being authorized: unlock it, confirm the question about USB debugging "
        "and try again.",
    ),
    (
        r"no permissions|insufficient permissions",
        "no permission",
        "This user may not open {serial} over USB: on Linux install the udev rules (Debian: "
        "android-sdk-platform-tools-common), join the group plugdev, log in anew and plug it in "
        "again.",
    ),
    (
        r"device offline|^offline$",
        "offline",
        "{serial} is offline: it is plugged in but does not answer. Plug it in again, or run `adb "
        "reconnect offline`.",
    ),
    (
        r"^(recovery|rescue|sideload|bootloader|host|detached|connecting|unknown)$",
        "not started",
        "{serial} does not run Android now: start it and wait until it shows its home screen.",
    ),
    (
        r"more than one device",
        "several devices",
        "More than one device is connected: choose one with --device SERIAL "
        "(`lpie bench --list-devices` "
        "lists them).",
    ),
    (
        r"no devices/emulators found",
        "no device",
        "No device is connected: plug it in and allow USB debugging in its developer options.",
    ),
    (
        r"device '.*' not found|device not found|error: closed|device still connecting|"
        r"connection reset|protocol fault|no response|failed to read response|couldn't read from "
        r"device|connect failed|EOF",
        "gone",
        "{serial} went away in the middle: check its cable or its network and begin again.",
    ),
    (
        r"cannot connect to daemon|failed to start daemon|failed to check server version|"
        r"ADB server didn't ACK|address already in use",
        "no daemon",
        "adb's daemon on this computer does not start: run `adb kill-server`, then `adb "
        "start-server`, and see what it says.",
    ),
    (
        r"No space left on device",
        "full",
        "{serial} has no space left in its /data: remove something there.",
    ),
)


def failure(message: str, serial: str) -> PhoneError:
    """The sentence for a message of adb."""
    for pattern, kind, sentence in FAILURES:
        if re.search(pattern, message, re.IGNORECASE | re.MULTILINE):
            return PhoneError(kind, sentence.format(serial=serial))
    return PhoneError("adb", f"adb failed on {serial}: {last_words(message)}.")


def last_words(message: str) -> str:
    """The last line that says something, without its full stop."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    return printable((lines or ["no message"])[-1].rstrip("."))
