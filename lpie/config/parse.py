"""Builds dataclasses from nested tables of TOML, JSON and `--set`, checked by the field types."""

import dataclasses
import math
import typing
from typing import Any, Literal

from lpie.errors import InputError, shown, unknown_name
from lpie.system.documents import parse_toml

# What the values of a setting are, by the type of its field.
TYPES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "a section of keys",
    tuple: "a list",
}
LONGEST_TEXT = 4096  # characters, as of a path
# Of a section whose keys are free, as the hyperparameters of a network.
DEEPEST, MOST_VALUES, LARGEST = 8, 1000, 1_000_000
LONGEST_SETTING = 100_000  # characters of one --set


def build(kind: Any, table: Any, prefix: str = "") -> Any:
    """A dataclass of type `kind` from a mapping.

    Raises an `InputError` for an unknown key, a wrong type, or a number that is out of the limits
    of its field (see `lpie.data.degrade.degradation.setting`).
    """
    if not isinstance(table, dict):
        name = prefix.rstrip(".")
        raise InputError(f"{name} must be a section of keys. Received: {shown(table)}.")
    fields = typing.get_type_hints(kind)
    for key in table:
        if key not in fields:
            raise unknown_name(f"setting {prefix}{shown(key)[1:-1]}; its name", key, fields)
    return kind(**{k: _value(fields[k], v, f"{prefix}{k}") for k, v in table.items()})


def override(table: dict[str, Any], assignment: str) -> None:
    """Set one value of a nested table; assignment: `section.key=value`, as `--set` takes it."""
    if len(assignment) > LONGEST_SETTING:
        raise InputError(
            f"--set takes at most {LONGEST_SETTING:,} characters. Received: {len(assignment):,}, "
            f"{shown(assignment)}."
        )
    name, equals, text = assignment.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not sections:
        raise InputError(f"--set takes SECTION.KEY=VALUE. Received: {shown(assignment)}.")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise InputError(
                f"--set {name.strip()}: {shown(section)} is a value, not a section. "
                f"Received: {shown(assignment)}."
            )
    table[key] = _typed(name.strip(), text.strip())


def differences(a: dict[str, Any], b: dict[str, Any], prefix: str = "") -> list[str]:
    """The keys, dotted, whose values differ between two nested mappings."""
    different = []
    for key in sorted(a.keys() | b.keys()):
        x, y = a.get(key), b.get(key)
        if isinstance(x, dict) and isinstance(y, dict):
            different += differences(x, y, f"{prefix}{key}.")
        elif x != y:
            there, now = (
                shown(value) if isinstance(value, list | dict) else f"{value}"[:80]
                for value in (x, y)
            )
            different.append(f"{prefix}{key} ({there} there, {now} now)")
    return different


def limit_broken(value: float, least: float, most: float) -> str:
    """The rule, "at least 1", that the number breaks, or nothing."""
    if not isinstance(value, int) and not math.isfinite(value):
        return "a finite number"
    if value < least:
        return f"at least {least:g}"
    return f"at most {most:,.0f}" if value > most else ""


def _typed(name: str, text: str) -> Any:
    """The value that somebody typed as TOML writes it; a bare word is text."""
    try:
        table = parse_toml(f"v = {text}")
    except ValueError as error:
        if text[:1] in tuple("[{\"'"):
            raise InputError(
                f"--set {name} must be a value as TOML writes it ({error}). "
                f"Received: {shown(text)}."
            ) from None
        return text
    return table["v"] if len(table) == 1 else text


def _value(kind: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return build(kind, value, f"{name}.")
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal and isinstance(value, str):
        if value not in arguments:
            raise unknown_name(name, value, arguments)
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return _values(arguments, value, name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if origin is tuple and arguments[0] is float and number:
        return (_float(value, name),) * 2  # one number: always that one
    if kind is float and number:
        return _float(value, name)
    plain = str if origin is Literal else kind if isinstance(kind, type) else origin
    if not isinstance(value, plain) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{name} must be {TYPES[plain]}. Received: {shown(value)}.")
    if plain in (str, dict):
        _check_free(value, name)
    return value


def _values(arguments: tuple[Any, ...], value: list[Any] | tuple[Any, ...], name: str) -> Any:
    """The values of a list, all of one type."""
    if Ellipsis not in arguments and len(value) != len(arguments):
        rule = "two numbers [low, high]" if len(arguments) == 2 else f"{len(arguments)} numbers"
        raise InputError(f"{name} must be {rule}. Received: {shown(value)}.")
    if len(value) > MOST_VALUES:
        raise InputError(f"{name} must have at most {MOST_VALUES} values. Received: {len(value)}.")
    return tuple(_value(arguments[0], v, name) for v in value)


def _float(value: float, name: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{name} must be a finite number. Received: {shown(value)}.") from None


def _check_free(value: Any, name: str, depth: int = 0) -> None:
    """Refuse what neither a file's name nor a network's hyperparameter can be."""
    if isinstance(value, str):
        rule = f"text of at most {LONGEST_TEXT:,} characters, without a zero byte"
        good = len(value) <= LONGEST_TEXT and "\0" not in value
    elif isinstance(value, dict | list | tuple):
        rule = f"at most {MOST_VALUES:,} values, nested at most {DEEPEST} deep"
        good = len(value) <= MOST_VALUES and depth < DEEPEST
    else:
        rule = f"text, true, false or a number within {LARGEST:,}"
        good = value is None or (isinstance(value, int | float) and abs(value) <= LARGEST)
    if not good:
        raise InputError(f"{name} must be {rule}. Received: {shown(value)}.")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_free(inner, f"{name}.{shown(key)[1:-1]}", depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_free(inner, name, depth + 1)
