"""Whether a JSON value fits a JSON Schema, for the keywords that tool schemas use.

This prevents a made-up value from being kept although its schema refuses it. Keywords as in JSON
Schema 2020-12: type, enum, const, properties, required, additionalProperties, min/maxProperties,
items, prefixItems, min/maxItems, uniqueItems, min/maxLength, pattern, minimum, maximum and their
exclusive forms, multipleOf, allOf, anyOf, oneOf, not, $ref within the schema. ``format`` is an
annotation there, so it refuses nothing here. An unknown keyword, or one whose value makes no
sense, refuses nothing either: a broken schema must not break an answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from mock_claude.api.pattern_text import compiled
from mock_claude.api.schema_parts import (
    DEEPEST,
    LARGEST,
    Schema,
    kind_of,
    listed,
    names,
    number,
    resolved,
    same,
    types_of,
)

_SMALLEST_STEP = 1e-6


def fits(schema: object, value: object, root: object) -> bool:
    """Whether ``value`` fits ``schema``; ``root`` is what its ``$ref`` point into."""
    return Checker(root).fits(schema, value)


class Checker:
    """Checks values against one schema and its parts, within a number of steps.

    A schema can refer to itself in ways that would take for ever; once the steps are used up,
    ``is_tired`` is true and everything fits.
    """

    def __init__(self, root: object, steps: int = 10_000) -> None:
        self.root = root
        self._steps = steps

    @property
    def is_tired(self) -> bool:
        """Whether all steps are used up."""
        return self._steps <= 0

    def step(self) -> None:
        """One more step is done."""
        self._steps -= 1

    def fits(self, schema: object, value: object, depth: int = 0) -> bool:
        """Whether ``value`` fits ``schema``, a part of the root."""
        self.step()
        if not isinstance(schema, Mapping):
            return schema is not False
        if depth > DEEPEST or self.is_tired:
            return True
        schema = resolved(schema, self.root)

        def inner(part: object, item: object) -> bool:
            return self.fits(part, item, depth + 1)

        one_of = listed(schema, "oneOf")
        return (
            _typed(schema, value)
            and _is_named(schema, value)
            and all(inner(part, value) for part in listed(schema, "allOf"))
            and ("anyOf" not in schema or any(inner(p, value) for p in listed(schema, "anyOf")))
            and ("oneOf" not in schema or sum(inner(part, value) for part in one_of) == 1)
            and ("not" not in schema or not inner(schema["not"], value))
            and _fits_kind(schema, value, inner)
        )


def _is_named(schema: Schema, value: object) -> bool:
    if "enum" in schema and not any(same(each, value) for each in listed(schema, "enum")):
        return False
    return "const" not in schema or same(schema["const"], value)


def _typed(schema: Schema, value: object) -> bool:
    types, kind = types_of(schema), kind_of(value)
    return not types or kind in types or (kind == "integer" and "number" in types)


def _fits_kind(schema: Schema, value: object, inner: Callable[[object, object], bool]) -> bool:
    if isinstance(value, str):
        return _sized(schema, "Length", len(value)) and _matches(schema, value)
    if isinstance(value, list):
        return _fits_array(schema, value, inner)
    if isinstance(value, Mapping):
        return _fits_object(schema, value, inner)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _in_range(schema, value)
    return True


def _matches(schema: Schema, value: str) -> bool:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return True
    expression = compiled(pattern)
    return expression is None or expression.search(value) is not None


def _sized(schema: Schema, noun: str, size: int) -> bool:
    least, most = number(schema, f"min{noun}"), number(schema, f"max{noun}")
    return (least is None or size >= least) and (most is None or size <= most)


def _in_range(schema: Schema, value: float) -> bool:
    low, high = number(schema, "minimum"), number(schema, "maximum")
    above, below = number(schema, "exclusiveMinimum"), number(schema, "exclusiveMaximum")
    step = number(schema, "multipleOf")
    return (
        (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
        and (below is None or value < below)
        and (step is None or _is_multiple(value, step))
    )


def _is_multiple(value: float, step: float) -> bool:
    if step < _SMALLEST_STEP or abs(value) > LARGEST:
        return True
    return math.isclose(value / step, round(value / step), abs_tol=1e-9)


def _fits_array(
    schema: Schema, value: list[object], inner: Callable[[object, object], bool]
) -> bool:
    first = listed(schema, "prefixItems")
    return (
        _sized(schema, "Items", len(value))
        and all(inner(part, item) for part, item in zip(first, value, strict=False))
        and all(inner(schema.get("items", True), item) for item in value[len(first) :])
        and (
            schema.get("uniqueItems") is not True
            or not any(same(one, two) for at, one in enumerate(value) for two in value[:at])
        )
    )


def _fits_object(
    schema: Schema, value: Mapping[str, object], inner: Callable[[object, object], bool]
) -> bool:
    given = schema.get("properties")
    properties = given if isinstance(given, Mapping) else {}
    others = schema.get("additionalProperties", True)
    return (
        all(name in value for name in names(schema, "required"))
        and _sized(schema, "Properties", len(value))
        and all(inner(properties.get(name, others), item) for name, item in value.items())
    )
