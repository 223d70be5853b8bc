"""Makes a JSON value that fits a JSON Schema, from what is given and the words of the task.

This prevents a tool call, or a structured answer, that its own schema refuses, without a model.
The rule: what is given and fits stays; what is missing or wrong is made from the schema alone,
the same every time. Objects get their required properties, arrays one item, texts the task's
words where these fit, an enum the member that the task names or else its first. Keywords as in
``schema_check``, patterns as far as ``pattern_text`` reads them; conditions (if, dependent...)
are not looked at. What one request may cost is bounded: see ``Effort``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mock_claude.api.schema_check import Checker, Effort
from mock_claude.api.schema_leaves import any_number, text, whole_number
from mock_claude.api.schema_parts import (
    DEEPEST,
    Schema,
    count,
    identity,
    kind_of,
    listed,
    names,
    number,
    types_of,
)

ABSENT = object()
"""No value is given (None is a value)."""

_MOST_READ = 10_000  # characters of the task in which members of an enum are looked for
_DEEPEST_SPARE = 6  # levels down to which an array gets an item that it need not have
_KEYWORDS = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


def fit(
    schema: object, given: object = ABSENT, words: str = "", effort: Effort | None = None
) -> object:
    """A value that fits ``schema``, as near to ``given`` as it can be."""
    return _Fitter(schema, words, effort or Effort()).value(schema, given, 0)


class _Fitter:
    """One schema being met: what its references point into, and the task's words."""

    def __init__(self, root: object, words: str, effort: Effort) -> None:
        self.words = words
        self.low = f" {words[:_MOST_READ].lower()} "
        self.checker = Checker(root, effort)
        self.fits = self.checker.fits

    def value(self, schema: object, given: object, depth: int) -> object:
        self.checker.step()
        if given is not ABSENT and self.fits(schema, given):
            return given
        if not isinstance(schema, Mapping) or depth > DEEPEST or self.checker.is_tired:
            return None if given is ABSENT else given
        whole = self.merged(schema, depth)
        choice = [*listed(whole, "anyOf"), *listed(whole, "oneOf")]
        rest = {key: item for key, item in whole.items() if key not in ("anyOf", "oneOf")}
        made = ABSENT
        for part in choice or [{}]:
            whole = self.merged({**rest, "allOf": [part]}, depth)
            has_choice = bool(choice) and ("anyOf" in whole or "oneOf" in whole)
            make = self.value if has_choice else self.made
            made = make(whole, given, depth + has_choice)
            if self.fits(schema, made):
                break
        return made

    def merged(self, schema: Schema, depth: int) -> Schema:
        """The schema with its ``$ref`` followed and its ``allOf`` taken in."""
        schema = self.checker.resolved(schema)
        self.checker.step(schema)
        merged: dict[str, object] = {key: item for key, item in schema.items() if key != "allOf"}
        for part in listed(schema, "allOf"):
            self.checker.step()
            if not isinstance(part, Mapping) or depth > DEEPEST or self.checker.is_tired:
                continue
            for key, new in self.merged(part, depth + 1).items():
                old = merged.get(key)
                self.checker.step(old, new)
                if isinstance(old, Mapping) and isinstance(new, Mapping):
                    new = {**old, **new}
                elif key == "required" and isinstance(old, list) and isinstance(new, list):
                    new = [*old, *new]
                elif key == "type" and old is not None:
                    new = [each for each in types_of({"type": new}) if _allows(old, each)] or new
                merged[key] = new
        return merged

    def made(self, schema: Schema, given: object, depth: int) -> object:
        """A value for a schema without choice or reference."""
        for fixed in self.fixed(schema):
            if self.fits(schema, fixed):
                return fixed
        match _kind(schema, given):
            case "object":
                return self.made_object(schema, given, depth)
            case "array":
                return self.made_array(schema, given, depth)
            case "integer":
                return whole_number(schema, self.fits)
            case "number":
                return any_number(schema, self.fits)
            case "boolean":
                return False
            case "null":
                return None
        return text(schema, given if isinstance(given, str) else self.words, self.fits)

    def fixed(self, schema: Schema) -> Iterator[object]:
        """Values that the schema itself names, the likeliest first."""
        if "const" in schema:
            yield schema["const"]
        members = listed(schema, "enum")
        for _ in range(1 + len(members) * len(self.low) // 20_000):
            self.checker.step()
        yield from (each for each in members if isinstance(each, str) and self.says(each))
        yield from members
        if "default" in schema:
            yield schema["default"]
        yield from listed(schema, "examples")

    def says(self, member: str) -> bool:
        """Whether the task says this word."""
        low, at = member.lower(), -1
        while low and (at := self.low.find(low, at + 1)) >= 0:
            around = self.low[at - 1] + self.low[at + len(low)]
            if not any(each.isalnum() or each == "_" for each in around):
                return True
        return False

    def made_object(self, schema: Schema, given: object, depth: int) -> dict[str, object]:
        known = schema.get("properties")
        properties = known if isinstance(known, Mapping) else {}
        others = schema.get("additionalProperties", True)
        old = given if isinstance(given, Mapping) else {}
        made = {
            name: self.value(properties.get(name, others), item, depth + 1)
            for name, item in old.items()
            if name in properties or others is not False
        }
        required = names(schema, "required")
        needed = set(required)
        least = count(schema, "minProperties")
        for name in (*required, *properties, *(f"key{place}" for place in range(least))):
            if self.checker.is_tired:
                break
            if name not in made and (name in needed or len(made) < least):
                made[name] = self.value(properties.get(name, others), ABSENT, depth + 1)
        return made

    def made_array(self, schema: Schema, given: object, depth: int) -> list[object]:
        first, rest = listed(schema, "prefixItems"), schema.get("items", True)
        old = given if isinstance(given, list) else []
        spare = int(rest is not False and depth < _DEEPEST_SPARE)
        size = max(count(schema, "minItems"), len(first), len(old), spare)
        if rest is False:
            size = min(size, len(first))
        most = number(schema, "maxItems")
        made, seen = list[object](), set[str]()
        for place in range(size if most is None else min(size, int(most))):
            if self.checker.is_tired:
                break
            part = first[place] if place < len(first) else rest
            item = self.value(part, old[place] if place < len(old) else ABSENT, depth + 1)
            if schema.get("uniqueItems") is True:
                new = self.unlike(seen, part, item)
                if new is ABSENT:
                    break  # the schema has no other value: more of them would not fit either
                item = new
                seen.add(identity(item))
            made.append(item)
        return made

    def unlike(self, seen: set[str], part: object, item: object) -> object:
        """The item, or, if the array has it already, another that fits; ABSENT if none does."""
        if identity(item) not in seen:
            return item
        place = len(seen)
        members = listed(self.checker.resolved(part), "enum") if isinstance(part, Mapping) else []
        tries = [*members, place + 1, -place, f"{item} {place + 1}", f"{place}", True, False]
        if isinstance(item, int | float):
            tries[:0] = [item + place, item - place]
        self.checker.step(members)
        new = (each for each in tries if identity(each) not in seen)
        return next((each for each in new if self.fits(part, each)), ABSENT)


def _kind(schema: Schema, given: object) -> str:
    types = types_of(schema)
    if given is not ABSENT and kind_of(given) in (types or [kind_of(given)]):
        return kind_of(given)
    if types:
        return next((each for each in types if each != "null"), "null")
    kinds = (kind for kind, words in _KEYWORDS.items() if any(word in schema for word in words))
    return next(kinds, "string")


def _allows(type_: object, kind: str) -> bool:
    types = types_of({"type": type_})
    return kind in types or (kind == "integer" and "number" in types)
