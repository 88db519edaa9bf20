"""The published schema of a record: what is missing is completed, what does not fit is refused."""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fastjsonschema

from lpie.errors import InputError

SCHEMA = "lpie-bench/1"

Record = dict[str, Any]


def completed(record: Mapping[str, Any]) -> Record:
    """A copy of a record, or of a part of one, in which every field that it lacks is null."""
    return _filled(_schema(), record)


def blank(name: str) -> Record:
    """A `round`, `state` or another definition of the schema in which nothing is known yet."""
    return _filled(_schema()["definitions"][name], {})


def check(record: Any, name: str) -> Record:
    """`record`, when it follows the schema; an `InputError` that says where it does not."""
    try:
        _validator()(record)
    except fastjsonschema.JsonSchemaException as error:
        where = str(error).removeprefix("data").lstrip(". ")[:300]
        raise InputError(f"{name} is not a record of {SCHEMA}: {where}. Measure again.") from None
    return record


@functools.cache
def _schema() -> Record:
    return json.loads(Path(__file__).with_name("record.schema.json").read_text("utf-8"))


@functools.cache
def _validator() -> Callable[[Any], Any]:
    return fastjsonschema.compile(_schema(), use_default=False)


def _filled(schema: Record, value: Any) -> Any:
    """`value` with the fields of `schema` that it lacks, at every depth: null or their default."""
    rule = _object(schema)
    if isinstance(value, Mapping) and "properties" in rule:
        absent = {name: _nothing(each) for name, each in rule["properties"].items()}
        given = {k: _filled(rule["properties"].get(k, {}), v) for k, v in value.items()}
        return {**absent, **given}
    if isinstance(value, list) and "items" in rule:
        return [_filled(rule["items"], each) for each in value]
    return value


def _nothing(schema: Record) -> Any:
    """What stands for a field of `schema` that is not known."""
    rule = _definition(schema)
    if "default" in rule:
        return type(rule["default"])()
    return _filled(rule, {}) if rule.get("type") == "object" and "properties" in rule else None


def _object(schema: Record) -> Record:
    """The definition behind `schema`; the object among its alternatives."""
    rule = _definition(schema)
    return _definition(rule["oneOf"][1]) if "oneOf" in rule else rule


def _definition(schema: Record) -> Record:
    return (
        _schema()["definitions"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    )
