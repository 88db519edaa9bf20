"""Errors that are one sentence: the parameter, the rule, what was received, what works."""

import difflib
import importlib.util
import re
import reprlib
from collections.abc import Iterable, Mapping

from lpie.printable import printable

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 3
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 8
_SHORT.maxstring = _SHORT.maxother = 60
_WHAT = {int: "a whole number", list: "a list", dict: "a section"}


class LpieError(Exception):
    """Work could not be finished, or its result is not good enough.

    The message is one or two sentences for a person. The command line prints it and exits with
    `exit_code`, which is 1. Names of files in it are safe to print: see `lpie.printable`.
    """

    exit_code = 1

    def __str__(self) -> str:
        return printable(super().__str__(), lines=True)


class InputError(LpieError, ValueError):
    """What was asked for cannot be done as asked: a wrong file, name, value or combination.

    The message names the parameter, its rule, what was received and a value that works. A Python
    parameter stands in backticks (`tile_px`); the command line puts the flag there that sets it
    (--tile). The command line exits with `exit_code`, which is 2.
    """

    exit_code = 2


def with_flags(message: str, flags: Mapping[str, str]) -> str:
    """`message` with the flag of each parameter in backticks that `flags` has one for."""
    return re.sub(r"`(\w+)`", lambda name: flags.get(name[1], name[0]), message)


def shown(value: object, most: int = 80) -> str:
    """`value` as a sentence shows what it received: on one line, short, without escapes.

    It copes with what `repr` cannot print: deep nesting and numbers of thousands of digits.
    """
    try:
        text = repr(value) if isinstance(value, str | float) else _SHORT.repr(value)
    except (RecursionError, ValueError):
        return f"{_WHAT.get(type(value), type(value).__name__)} too large to show"
    return text if len(text) <= most else f"{text[: most - 4]}...{text[-1]}"


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> InputError:
    """An error that names the nearest valid name and lists them all."""
    choices = sorted(valid)
    near = difflib.get_close_matches(name[:80], choices, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return InputError(f"Unknown {kind} {shown(name)}.{hint} Valid: {', '.join(choices)}.")


def require(module: str, *, extra: str) -> None:
    """Raise an `InputError` that says which extra brings `module`, when it is not installed."""
    if importlib.util.find_spec(module) is None:
        raise InputError(
            f"This needs the package {module}, which is not installed. "
            f"Run: pip install 'lpie[{extra}]'."
        )


def last_line(printed: str) -> str:
    """The last line that a failed program printed, without the class name of our errors."""
    line = (printed.strip().splitlines() or ["no message"])[-1]
    return re.sub(r"^lpie\.errors\.\w+: ", "", line)
