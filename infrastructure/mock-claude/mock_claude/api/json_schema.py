"""Whether a JSON Schema is one: each keyword's value has the kind that draft 2020-12 gives it.

This prevents a misspelt type, or an array of draft 7's items, from passing here: the API refuses
a tool whose schema the draft's own schema refuses. Unknown keywords are allowed, as in the draft,
and what a pattern or a reference says is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_MOST = 50_000  # parts that are looked at


def is_valid(schema: object) -> bool:
    """Whether the schema agrees with draft 2020-12; the rest of a huge one is taken to."""
    waiting, left = [schema], _MOST
    while waiting and left > 0:
        part = waiting.pop()
        left -= 1
        if isinstance(part, bool):
            continue
        if not isinstance(part, dict):
            return False
        for keyword, value in part.items():
            check = _CHECKS.get(keyword)
            if check is not None and not check(value):
                return False
            if keyword in _SCHEMAS:
                waiting.append(value)
            elif keyword in _LISTS:
                waiting.extend(value)
            elif keyword in _MAPS:
                waiting.extend(value.values())
    return True


def named_parts(schema: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The schemas right within a valid one, each with its path from there."""
    for key, value in schema.items():
        if key in _SCHEMAS:
            yield key, value
        elif key in _LISTS and isinstance(value, list):
            yield from ((f"{key}.{number}", each) for number, each in enumerate(value))
        elif key in _MAPS and isinstance(value, Mapping):
            yield from ((f"{key}.{name}", each) for name, each in value.items())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and value >= 0
        and (isinstance(value, int) or value.is_integer())
    )


def _is_step(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_names(value: object) -> bool:
    texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return texts and isinstance(value, list) and len(set(value)) == len(value)


def _is_type(value: object) -> bool:
    if isinstance(value, str):
        return value in TYPES
    return _is_names(value) and value != [] and all(each in TYPES for each in _listed(value))


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _of(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


_SCHEMAS = frozenset(
    [
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    ]
)
_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_MAPS = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"))


def _checks() -> Mapping[str, Callable[[object], bool]]:
    kinds: list[tuple[str, Callable[[object], bool]]] = [
        ("maximum minimum exclusiveMaximum exclusiveMinimum", _is_number),
        ("maxLength minLength maxItems minItems maxProperties minProperties", _is_count),
        ("maxContains minContains", _is_count),
        ("multipleOf", _is_step),
        ("uniqueItems deprecated readOnly writeOnly", _of(bool)),
        ("pattern format title description contentEncoding contentMediaType", _of(str)),
        ("$ref $id $schema $anchor $comment $dynamicRef $dynamicAnchor", _of(str)),
        ("enum examples", _of(list)),
        ("required", _is_names),
        ("type", _is_type),
        (" ".join(_LISTS), lambda value: isinstance(value, list) and value != []),
        (" ".join(_MAPS), _of(dict)),
        (
            "dependentRequired",
            lambda value: isinstance(value, dict) and all(map(_is_names, value.values())),
        ),
    ]
    return {name: check for names, check in kinds for name in names.split()}


_CHECKS = _checks()
