"""Which option each kind of runner honours. What none of the devices honours is refused."""

from collections.abc import Iterable, Sequence

from lpie.errors import InputError

HOST = "this computer"
BENCHMARK_MODEL = "the runner benchmark_model"
APK = "the runner apk"
APP = "the runner app"
BOARD = "the runner python"
KINDS = {"benchmark_model": BENCHMARK_MODEL, "apk": APK, "app": APP, "python": BOARD}

ALL = (HOST, BENCHMARK_MODEL, APK, APP, BOARD)
BEHIND_ADB = (BENCHMARK_MODEL, APK, APP, BOARD)
# By the name of the parameter: the kinds that honour it. The app measures by itself: its agreement
# (docs/app-benchmark.md) has no more than rounds of a length, and neither app hands back its
# output. Python's interpreters do not tell the time of an op.
HONOURED = {
    "sizes": ALL,
    "threads": ALL,
    "delegates": ALL,
    "rounds": ALL,
    "seconds": ALL,
    "tiles": ALL,
    "whole": ALL,
    "sustained_min": ALL,
    "limit_s": ALL,
    "max_memory_mb": ALL,
    "runs": (HOST, BENCHMARK_MODEL, APK, BOARD),
    "warmup_s": (HOST, BENCHMARK_MODEL, APK, BOARD),
    "profile": (BENCHMARK_MODEL,),
    "photo": (HOST, BENCHMARK_MODEL, BOARD),
    "reference": (HOST, BENCHMARK_MODEL, BOARD),
    "cool_to_c": BEHIND_ADB,
    "cool_s": BEHIND_ADB,
    "runner": BEHIND_ADB,
    "adb": BEHIND_ADB,
    "binary": (BENCHMARK_MODEL,),
    "libraries": (BENCHMARK_MODEL,),
    "apk": (APK, APP),
    "python": (HOST, BOARD),
    "runtime": (HOST, BOARD),
}


def kinds_of(devices: Iterable[str], runner: str) -> list[str]:
    """What measures on `devices`, which are serials, `all` or `host`."""
    kinds = (HOST if device == "host" else KINDS[runner] for device in devices)
    return list(dict.fromkeys(kinds))


def check_options(typed: Iterable[str], kinds: Sequence[str]) -> None:
    """Raise an `InputError` for an option that none of `kinds` honours.

    typed: the parameters that somebody set. kinds: those of the devices that measure.
    """
    for name in sorted(typed):
        honoured = HONOURED.get(name, ALL)
        if not set(honoured) & set(kinds):
            raise InputError(
                f"`{name}` has no effect on {' or '.join(kinds)}: it is for "
                f"{', '.join(honoured)}. Omit it, or choose another --device or --runner."
            )
