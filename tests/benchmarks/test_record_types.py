"""`Record` as a type and `record.schema.json` say the same."""

import json
import types
import typing
from pathlib import Path

import pytest

from lpie.benchmarks.records import schema

FILE = Path(schema.__file__).with_name("record.schema.json")
SCHEMA = json.loads(FILE.read_text())
SCALARS = {"string": str, "integer": int, "number": float, "boolean": bool, "null": type(None)}


def resolved(rule):
    return SCHEMA["definitions"][rule["$ref"].rsplit("/", 1)[1]] if "$ref" in rule else rule


def kinds(rule):
    """The Python types that a rule of the schema admits: a set, objects as sets of their fields."""
    rule = resolved(rule)
    if "oneOf" in rule:
        return frozenset().union(*(kinds(alternative) for alternative in rule["oneOf"]))
    if "const" in rule:
        return frozenset({str})
    if "enum" in rule:
        return frozenset(type(None) if value is None else value for value in rule["enum"])
    names = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return frozenset(_kind(name, rule) for name in names)


def _kind(name, rule):
    if name == "array":
        return ("list", kinds(rule["items"]))
    if name != "object":
        return SCALARS[name]
    if "properties" in rule:
        return ("object", fields(rule))
    values = rule.get("additionalProperties")
    return ("dict", kinds(values) if values else "any")


def fields(rule):
    required = rule["required"]
    return frozenset(
        (name, name in required, kinds(field)) for name, field in rule["properties"].items()
    )


def typed(hint):
    """The same of a Python type."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return frozenset().union(*(typed(part) for part in typing.get_args(hint)))
    if origin is typing.Literal:
        return frozenset(typing.get_args(hint))
    if origin is list:
        return frozenset({("list", typed(typing.get_args(hint)[0]))})
    if origin is dict:
        value = typing.get_args(hint)[1]
        return frozenset({("dict", "any" if value is typing.Any else typed(value))})
    if typing.is_typeddict(hint):
        return frozenset({("object", typed_fields(hint))})
    return frozenset({hint})


def typed_fields(hint):
    required = hint.__required_keys__
    return frozenset(
        (name, name in required, typed(kind)) for name, kind in typing.get_type_hints(hint).items()
    )


def test_the_type_of_a_record_is_that_of_the_schema():
    assert typed(schema.Record) == kinds(SCHEMA)


@pytest.mark.parametrize("change", ["a field more", "a field less", "never null", "optional"])
def test_a_difference_is_seen(change):
    table = dict(typing.get_type_hints(schema.Energy))
    if change == "a field more":
        table["watts"] = float | None
    elif change == "a field less":
        del table["joules"]
    elif change == "never null":
        table["joules"] = float
    else:
        table["joules"] = typing.NotRequired[float | None]
    other = typing.TypedDict("Energy", table)
    assert typed(other) != kinds({"$ref": "#/definitions/energy"})
