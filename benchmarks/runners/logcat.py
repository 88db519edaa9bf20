"""What an app says in logcat, from its start to its last word."""

import re
import time
from collections.abc import Callable, Sequence

from lpie.benchmarks.adb.adb import Adb
from lpie.benchmarks.adb.failures import PhoneError

# Of any app: how the system tells that it has crashed, whoever it was.
CRASHES = ("AndroidRuntime:E", "libc:F", "DEBUG:F", "ActivityManager:W")
LOOK_S = 1.0


def start_and_follow(
    adb: Adb,
    activity: str,
    extras: Sequence[str],
    *,
    tags: Sequence[str],
    ended: str,
    limit_s: float,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, bool]:
    """(what `activity` said under `tags`, whether it came to an end) after starting it anew.

    ended: a pattern of its last word, or of the crash of its package. Raises a `PhoneError` where
    the app is not installed.
    """
    package = activity.partition("/")[0]
    if adb.shell(["pm", "path", package]).code:
        raise PhoneError(
            "no app", f"{package} is not installed on {adb.serial}: install it, or give --apk."
        )
    adb.shell(["logcat", "-c"])
    printed = adb.shell(["am", "start", "-S", "-n", activity, *extras])
    if printed.code or "Error" in printed.text:
        last = (printed.text.strip().splitlines() or ["nothing"])[-1]
        raise PhoneError("no app", f"{activity} does not start on {adb.serial}: {last}")
    crash = rf"Process: {re.escape(package)}\b|Fatal signal \d+|{re.escape(package)}.* has died"
    until, text = time.monotonic() + limit_s, ""
    while True:
        words = ["logcat", "-d", "-v", "threadtime", "-s", *tags, *CRASHES]
        text = adb.shell(words).text
        if re.search(f"{ended}|{crash}", text):
            # What comes with the last word may come a moment later.
            sleep(LOOK_S / 2)
            return adb.shell(words).text, True
        if time.monotonic() > until:
            adb.shell(["am", "force-stop", package])
            return text, False
        sleep(LOOK_S)
