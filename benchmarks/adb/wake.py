"""A phone made ready for measuring and left as it was found, however the measuring ends."""

import contextlib
import re
import secrets
from collections.abc import Iterator

from lpie.benchmarks.adb.adb import LIMIT_S, Adb
from lpie.benchmarks.adb.failures import PhoneError, last_words
from lpie.system.signals import undone_by_signals

# Plugged in by AC, USB or wireless: bits of the setting.
STAY_ON = "7"
UNDO_S = 8.0  # somebody has pressed Ctrl-C


@contextlib.contextmanager
def workplace(adb: Adb) -> Iterator[str]:
    """A folder on the device, which goes with the block and takes along what still runs in it."""
    folder = f"/data/local/tmp/lpie-{secrets.token_hex(4)}"
    undo = f"{end_all(folder)}; rm -rf {folder}"
    # Others may read it: an app runs as another user.
    result = adb.shell(f"mkdir -p {folder} && chmod 755 {folder}")
    if result.code:
        raise PhoneError("no folder", f"{adb.serial} makes no folder: {last_words(result.text)}.")
    with _undone(adb, undo):
        yield folder


def end_all(folder: str) -> str:
    """The script that ends every program in a `workplace`."""
    # The brackets keep the pattern from matching the shell that runs it.
    return f"pkill -9 -f '{folder.replace('/lpie-', '/[l]pie-')}/'"


@contextlib.contextmanager
def awake(adb: Adb) -> Iterator[None]:
    """The screen is on and stays on in the block; afterwards it is as before."""
    setting = adb.shell("settings get global stay_on_while_plugged_in").text.strip()
    power = adb.shell("dumpsys power | grep -m1 mWakefulness=").text
    asleep = bool(re.search(r"mWakefulness=(?!Awake)\w", power))
    key = "settings put global stay_on_while_plugged_in"
    # "null" is Android's word for a setting that nobody has made.
    undo = f"{key} {setting}" if setting.isdigit() else key.replace("put", "delete")
    if asleep:
        undo += "; input keyevent KEYCODE_SLEEP"
    with _undone(adb, undo):
        adb.shell(f"{key} {STAY_ON}" + ("; input keyevent KEYCODE_WAKEUP" if asleep else ""))
        yield


@contextlib.contextmanager
def _undone(adb: Adb, script: str) -> Iterator[None]:
    def undo(limit_s: float) -> None:
        with contextlib.suppress(PhoneError):  # a phone that has gone cannot be restored
            adb.shell(script, limit_s=limit_s)

    with undone_by_signals(lambda: undo(UNDO_S)):
        try:
            yield
        finally:
            undo(LIMIT_S)
