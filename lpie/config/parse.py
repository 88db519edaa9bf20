"""Builds dataclasses from nested tables of TOML, JSON and `--set`, checked by the field types."""

import dataclasses
import tomllib
import typing
from typing import Any, Literal

from lpie.errors import InputError, unknown_name

# What the values of a setting are, by the type of its field.
TYPES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "a section of keys",
    tuple: "a list",
}


def build(kind: Any, table: Any, prefix: str = "") -> Any:
    """A dataclass of type `kind` from a mapping; an unknown key or a wrong type is refused."""
    if not isinstance(table, dict):
        raise InputError(f"{prefix.rstrip('.')} must be a section of keys. Received: {table!r}.")
    fields = typing.get_type_hints(kind)
    for key in table:
        if key not in fields:
            raise unknown_name(f"setting {prefix}{key}; its name", key, fields)
    return kind(**{k: _value(fields[k], v, f"{prefix}{k}") for k, v in table.items()})


def override(table: dict[str, Any], assignment: str) -> None:
    """Set one value of a nested table; assignment: `section.key=value`, as `--set` takes it."""
    name, equals, text = assignment.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not sections:
        raise InputError(f"--set takes SECTION.KEY=VALUE. Received: {assignment}.")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise InputError(f"--set {assignment}: {section} is a value, not a section.")
    try:
        table[key] = tomllib.loads(f"v = {text.strip()}")["v"]
    except tomllib.TOMLDecodeError:
        table[key] = text.strip()


def differences(a: dict[str, Any], b: dict[str, Any], prefix: str = "") -> list[str]:
    """The keys, dotted, whose values differ between two nested mappings."""
    different = []
    for key in sorted(a.keys() | b.keys()):
        x, y = a.get(key), b.get(key)
        if isinstance(x, dict) and isinstance(y, dict):
            different += differences(x, y, f"{prefix}{key}.")
        elif x != y:
            different.append(f"{prefix}{key} ({x} there, {y} now)")
    return different


def _value(kind: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return build(kind, value, f"{name}.")
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal and isinstance(value, str):
        if value not in arguments:
            raise unknown_name(name, value, arguments)
        return value
    if origin is tuple and isinstance(value, list | tuple):
        if Ellipsis not in arguments and len(value) != len(arguments):
            rule = "two numbers [low, high]" if len(arguments) == 2 else f"{len(arguments)} numbers"
            raise InputError(f"{name} must be {rule}. Received: {value}.")
        return tuple(_value(arguments[0], v, name) for v in value)
    if origin is tuple and arguments[0] is float and isinstance(value, int | float):
        return (float(value), float(value))  # one number: always that one
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = str if origin is Literal else kind if isinstance(kind, type) else origin
    if not isinstance(value, plain) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{name} must be {TYPES[plain]}. Received: {value!r}.")
    return value
