"""Whether a JSON value fits a JSON Schema, for the keywords that tool schemas use.

This prevents a made-up value from being kept although its schema refuses it. Keywords as in JSON
Schema 2020-12: type, enum, const, properties, required, additionalProperties, min/maxProperties,
items, prefixItems, min/maxItems, uniqueItems, min/maxLength, pattern, minimum, maximum and their
exclusive forms, multipleOf, allOf, anyOf, oneOf, not, $ref within the schema. ``format`` is an
annotation there, so it refuses nothing here. An unknown keyword, or one whose value makes no
sense, refuses nothing either: a broken schema must not break an answer. Nor must a large or
twisted one hold up others: all work is counted, and what exceeds a share is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from mock_claude.api.patterns import Pattern, compiled
from mock_claude.api.schema_parts import (
    DEEPEST,
    LARGEST,
    SMALLEST_STEP,
    Schema,
    identity,
    kind_of,
    listed,
    names,
    number,
    pointed,
    same,
    types_of,
)

_MOST_PARTS = 50_000  # of a schema; one with more is not looked at
_PARTS_PER_STEP = 20
_WORK_PER_STEP = 2_000  # steps of a pattern times characters
_WEIGHT_PER_STEP = 10  # of a pattern that is compiled


class Effort:
    """How many steps are left to fit values to the schemas of one request.

    A schema can refer to itself in ways that would take for ever; once the steps are used up,
    ``is_tired`` is true and everything fits. A step takes some microseconds.
    """

    def __init__(self, steps: int = 20_000) -> None:
        self._steps = steps

    @property
    def is_tired(self) -> bool:
        """Whether all steps are used up."""
        return self._steps <= 0

    def step(self, count: int = 1) -> None:
        """Some more steps are done."""
        self._steps -= count


def fits(schema: object, value: object, root: object, effort: Effort | None = None) -> bool:
    """Whether ``value`` fits ``schema``; ``root`` is what its ``$ref`` point into."""
    return Checker(root, effort or Effort()).fits(schema, value)


def _is_large(root: object) -> bool:
    """Whether a schema has more parts than anybody writes by hand."""
    left, waiting = _MOST_PARTS, [root]
    while waiting and left > 0:
        part = waiting.pop()
        if isinstance(part, dict):
            left -= len(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            left -= len(part)
            waiting.extend(part)
    return left <= 0


class Checker:
    """Checks values against one schema and its parts, as long as the effort lasts."""

    def __init__(self, root: object, effort: Effort) -> None:
        self.root = root
        self.effort = effort
        self._is_large = _is_large(root)
        self._targets: dict[str, object] = {}
        self._patterns: dict[str, Pattern | None] = {}

    @property
    def is_tired(self) -> bool:
        """Whether the rest is not looked at."""
        return self._is_large or self.effort.is_tired

    def step(self, *parts: object) -> None:
        """One more step is done, or more if these parts are long."""
        size = 0
        for part in parts:
            if isinstance(part, (dict, list, str)):
                size += len(part)
        self.effort.step(1 + size // _PARTS_PER_STEP)

    def resolved(self, schema: Schema) -> Schema:
        """The schema with its ``$ref`` followed; keywords beside the ``$ref`` stay."""
        for _ in range(DEEPEST):
            pointer = schema.get("$ref")
            if not isinstance(pointer, str):
                break
            if pointer not in self._targets:
                self._targets[pointer] = pointed(self.root, pointer)
            beside = {key: item for key, item in schema.items() if key != "$ref"}
            target = self._targets[pointer]
            schema = {**target, **beside} if isinstance(target, Mapping) else beside
            self.step(schema)
        return schema

    def matches(self, schema: Schema, value: str) -> bool:
        """Whether a text has what the schema's pattern asks for."""
        pattern = schema.get("pattern")
        if not isinstance(pattern, str):
            return True
        if pattern not in self._patterns:
            self._patterns[pattern] = found = compiled(pattern)
            self.effort.step(1 + (0 if found is None else found.weight // _WEIGHT_PER_STEP))
        expression = self._patterns[pattern]
        if expression is None:
            return True
        self.effort.step(expression.work(value) // _WORK_PER_STEP)
        return expression.is_in(value)

    def fits(self, schema: object, value: object, depth: int = 0) -> bool:
        """Whether ``value`` fits ``schema``, a part of the root."""
        if not isinstance(schema, dict):
            self.effort.step()
            return schema is not False
        if depth > DEEPEST or self.is_tired:
            return True
        if "$ref" in schema:
            schema = self.resolved(schema)
        self.step(schema, None if isinstance(value, str) else value, *schema.values())

        def inner(part: object, item: object) -> bool:
            return self.fits(part, item, depth + 1)

        return (
            _typed(schema, value)
            and _is_named(schema, value)
            and ("allOf" not in schema or all(inner(p, value) for p in listed(schema, "allOf")))
            and ("anyOf" not in schema or any(inner(p, value) for p in listed(schema, "anyOf")))
            and (
                "oneOf" not in schema or sum(inner(p, value) for p in listed(schema, "oneOf")) == 1
            )
            and ("not" not in schema or not inner(schema["not"], value))
            and self.fits_kind(schema, value, inner)
        )

    def fits_kind(
        self, schema: Schema, value: object, inner: Callable[[object, object], bool]
    ) -> bool:
        """What only texts, only arrays, only objects or only numbers are asked."""
        if isinstance(value, str):
            return _sized(schema, "Length", len(value)) and self.matches(schema, value)
        if isinstance(value, list):
            return _fits_array(schema, value, inner)
        if isinstance(value, Mapping):
            return _fits_object(schema, value, inner)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _in_range(schema, value)
        return True


def _is_named(schema: Schema, value: object) -> bool:
    if "enum" in schema and not any(same(each, value) for each in listed(schema, "enum")):
        return False
    return "const" not in schema or same(schema["const"], value)


def _typed(schema: Schema, value: object) -> bool:
    types, kind = types_of(schema), kind_of(value)
    return not types or kind in types or (kind == "integer" and "number" in types)


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
    if step < SMALLEST_STEP or abs(value) > LARGEST:
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
        and (schema.get("uniqueItems") is not True or len(set(map(identity, value))) == len(value))
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
