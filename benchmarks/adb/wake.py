"""A phone made ready for measuring and left as it was found, however the measuring ends."""

import contextlib
import re
import secrets
import time
from collections.abc import Iterator

from lpie.benchmarks.adb.adb import LIMIT_S, Adb
from lpie.benchmarks.adb.failures import PhoneError, last_words
from lpie.system.signals import undone_by_signals

# Plugged in by AC, USB or wireless: bits of the setting.
STAY_ON = "7"
UNDO_S = 8.0  # somebody has pressed Ctrl-C
# A connection that broke in the middle is often back a moment later.
UNDO_TRIES, UNDO_PAUSE_S = 3, 1.0


@contextlib.contextmanager
def workplace(adb: Adb) -> Iterator[str]:
    """A folder on the device, which goes with the block and takes along what still runs in it."""
    folder = f"/data/local/tmp/lpie-{secrets.token_hex(4)}"
    undo = [f"{end_all(folder)} || true", f"rm -rf {folder}"]
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
    keep, undo = _stay_on(adb)
    power = adb.shell("dumpsys power | grep -m1 mWakefulness=").text
    if re.search(r"mWakefulness=(?!Awake)\w", power):
        keep, undo = (
            [*keep, "input keyevent KEYCODE_WAKEUP"],
            [*undo, "input keyevent KEYCODE_SLEEP"],
        )
    with _undone(adb, undo):
        if keep:
            adb.shell("; ".join(keep))
        yield


def _stay_on(adb: Adb) -> tuple[list[str], list[str]]:
    """The commands that keep the screen on while plugged in, and those that undo them.

    None where the setting cannot be read: then it could not be set back either.
    """
    name = "global stay_on_while_plugged_in"
    answer = adb.shell(f"settings get {name}")
    setting = answer.text.strip()
    change = [f"settings put {name} {STAY_ON}"]
    if answer.code == 0 and setting == "null":  # Android's word for one that nobody has made
        return change, [f"settings delete {name}"]
    if answer.code == 0 and re.fullmatch(r"[0-9]{1,9}", setting):
        return change, [f"settings put {name} {setting}"]
    return [], []


@contextlib.contextmanager
def _undone(adb: Adb, commands: list[str]) -> Iterator[None]:
    """A block after which, however it ends, the device runs `commands`, all of them."""
    script = "; ".join(["bad=0", *(f"{{ {command}; }} || bad=1" for command in commands)])

    def undo(limit_s: float, tries: int) -> None:
        for left in reversed(range(tries if commands else 0)):
            # One that has gone for good cannot be restored.
            with contextlib.suppress(PhoneError):
                if adb.shell(f"{script}; exit $bad", limit_s=limit_s).code == 0:
                    return
            time.sleep(UNDO_PAUSE_S if left else 0)

    with undone_by_signals(lambda: undo(UNDO_S, 1)):
        try:
            yield
        finally:
            undo(LIMIT_S, UNDO_TRIES)
