"""Reading the parts of a JSON Schema that may be broken, and comparing JSON values.

This prevents a schema with a text where a number belongs from becoming an error of ours: each
function answers with the part, or with what its absence means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

Schema = Mapping[str, object]

DEEPEST = 32  # nested schemas; deeper ones are taken to fit
LARGEST = 1e15
SMALLEST_STEP = 1e-6  # of multipleOf; a smaller one refuses nothing
_MOST_BUILT = 1_000


def listed(schema: Schema, keyword: str) -> Sequence[object]:
    """The keyword's list; empty if it is missing or no list."""
    value = schema.get(keyword)
    return value if isinstance(value, list) else []


def names(schema: Schema, keyword: str) -> list[str]:
    """The texts of the keyword's list."""
    return [each for each in listed(schema, keyword) if isinstance(each, str)]


def number(schema: Schema, keyword: str) -> float | None:
    """The keyword's number; None if it is missing, no number, or beyond what floats count."""
    value = schema.get(keyword)
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > LARGEST:
        return None
    return value


def count(schema: Schema, keyword: str) -> int:
    """The keyword's number as the size of something to build: at least 0, at most 1,000."""
    return min(max(int(number(schema, keyword) or 0), 0), _MOST_BUILT)


def kind_of(value: object) -> str:
    """The JSON Schema type; a whole number is ``integer``."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    kinds = {float: "number", str: "string", list: "array", type(None): "null"}
    return kinds.get(type(value), "object")


def types_of(schema: Schema) -> list[str]:
    """The types the schema names; none if any will do."""
    given = schema.get("type")
    return [given] if isinstance(given, str) else names(schema, "type")


def same(one: object, other: object) -> bool:
    """JSON equality: ``true`` is not 1, but 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def identity(value: object) -> str:
    """A text that two values share if they are equal in JSON: ``true`` is not 1, but 1.0 is."""
    return json.dumps(_with_whole(value), sort_keys=True)


def _with_whole(value: object) -> object:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_with_whole(each) for each in value]
        case Mapping():
            return {key: _with_whole(each) for key, each in value.items()}
    return value


def pointed(root: object, pointer: str) -> object:
    """What a JSON pointer such as ``#/$defs/x`` points at; None if there is nothing."""
    target = root
    for step in pointer.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, Mapping) or step not in target:
            return None
        target = target[step]
    return target
