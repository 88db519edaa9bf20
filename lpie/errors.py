"""Errors that are one sentence: the argument, the rule, what was received, what to do."""

import difflib
import importlib.util
import re
from collections.abc import Iterable


class LpieError(Exception):
    """The work could not be finished, or its result is not good enough. The CLI exits with 1."""

    exit_code = 1


class InputError(LpieError, ValueError):
    """What was asked for cannot be done as asked. The CLI exits with 2."""

    exit_code = 2


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> InputError:
    """An error that names the nearest valid name and lists them all."""
    choices = sorted(valid)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return InputError(f"Unknown {kind} {name!r}.{hint} Valid: {', '.join(choices)}.")


def require(module: str, *, extra: str) -> None:
    """Raise an `InputError` that says which extra brings `module`, when it is not installed."""
    if importlib.util.find_spec(module) is None:
        raise InputError(
            f"This needs the package {module}, which is not installed. "
            f"Run: pip install 'lpie[{extra}]'."
        )


def last_line(printed: str) -> str:
    """What a program that failed said last, without the name of an error of ours."""
    line = (printed.strip().splitlines() or ["no message"])[-1]
    return re.sub(r"^lpie\.errors\.\w+: ", "", line)
