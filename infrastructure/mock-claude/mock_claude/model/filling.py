"""Finds in a text what a JSON Schema asks for: ``Ann is 41 years old.`` holds a name and an age.

Prevents a tool of other people's making from being called with invented arguments. Rule: a value
is taken from the text by its label, its type, its format, or what its name means, each place in the
text once; what is not there is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from mock_claude.model import meanings
from mock_claude.model.reading import arithmetic
from mock_claude.model.reading.numbers import with_digits
from mock_claude.world import places

ABSENT = object()
_DEEPEST = 5
_LONGEST = 2_000  # characters of a text that are searched
_MOST_ROWS = 20
_MOST = 60  # properties that are looked for in one text


def words_of(name: str) -> list[str]:
    """The words of a name in snake_case, kebab-case or camelCase."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.\s]+", " ", name).lower().split()


def filled(schema: Mapping[str, object], text: str) -> dict[str, object]:
    """The properties of an object's schema that the text holds."""
    return _Filler(text[:_LONGEST], schema).members_of(schema, 0)


def lacking(schema: Mapping[str, object], given: Mapping[str, object]) -> list[str]:
    """The required properties that are not given, and have no default; "user.email" in objects."""
    needed, properties = schema.get("required"), properties_of(schema)
    missing = list[str]()
    for name in needed if isinstance(needed, list) else []:
        wanted, value = mapping(properties.get(name)), given.get(name)
        if not isinstance(name, str):
            continue
        if name not in given and not {"default", "const"} & set(wanted):
            missing.append(name)
        elif isinstance(value, Mapping):
            missing += [f"{name}.{each}" for each in lacking(wanted, value)]
    return missing


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def properties_of(schema: Mapping[str, object]) -> Mapping[str, object]:
    """The schemas of an object's properties."""
    return mapping(schema.get("properties"))


class _Filler:
    """One text being searched; ``used`` are the places that gave a value already."""

    def __init__(self, text: str, root: Mapping[str, object]) -> None:
        self.text = with_digits(text)
        self.root = root
        self.used: list[tuple[int, int]] = []
        self.left = _MOST

    def members_of(self, schema: Mapping[str, object], depth: int) -> dict[str, object]:
        properties = properties_of(schema)
        found: dict[str, object] = {}
        # What is told by format or label first: "to" must not take what "email" needs.
        order = sorted(properties, key=lambda name: _vagueness(name, mapping(properties[name])))
        for name in order:
            value = self.value(name, self.resolved(properties[name]), depth)
            if value is not ABSENT:
                found[name] = value
        return {name: found[name] for name in properties if name in found}

    def resolved(self, schema: object, depth: int = 0) -> Mapping[str, object]:
        schema = mapping(schema)
        ref = schema.get("$ref")
        if isinstance(ref, str) and ref.startswith("#/"):
            target: object = self.root
            for part in ref[2:].split("/"):
                target = mapping(target).get(part)
            return mapping(target)
        for key in ("anyOf", "oneOf"):
            options = schema.get(key)
            if isinstance(options, list) and depth < _DEEPEST:
                kinds = [each for each in map(mapping, options) if each.get("type") != "null"]
                return self.resolved(kinds[0], depth + 1) if kinds else schema
        return schema

    def value(self, name: str, schema: Mapping[str, object], depth: int) -> object:
        self.left -= 1
        if depth > _DEEPEST or self.left < 0:
            return ABSENT
        members = schema.get("enum")
        if isinstance(members, list):
            return self.member(members)
        kinds = schema.get("type")
        kind = (
            next((each for each in kinds if each != "null"), "")
            if isinstance(kinds, list)
            else kinds
        )
        match kind:
            case "object":
                return self.members_of(schema, depth + 1) or ABSENT
            case "array":
                return self.array(name, schema, depth)
            case "integer" | "number":
                return self.number(name, whole=kind == "integer")
            case "boolean":
                return self.boolean(name)
            case "string" | None:
                return self.string(name, schema)
        return ABSENT

    def member(self, members: list[object]) -> object:
        said = [each for each in members if self.says(str(each))]
        return max(said, key=lambda each: len(str(each))) if said else ABSENT

    def says(self, member: str) -> bool:
        words = meanings.SPOKEN.get(member.lower(), re.escape(member).replace("_", r"[\s_-]?"))
        return bool(re.search(rf"(?<!\w)(?:{words})(?!\w)", self.text, re.IGNORECASE))

    def boolean(self, name: str) -> object:
        if meanings.STATES & set(words_of(name)):
            switched = re.search(
                r"\b(on|off|enable|disable|(?:de)?activate)\b", self.text, re.IGNORECASE
            )
            if switched:
                return switched[1].lower() in ("on", "enable", "activate")
        words = [re.escape(word) for word in words_of(name) if word not in meanings.VAGUE]
        key = "|".join(words)
        said = re.search(
            rf"(?P<no>\b(?:not?|without|isn['\u2019]?t|un)[\s-]?(?:\w+\s)?)?\b(?:{key})",
            self.text,
            re.IGNORECASE,
        )
        if not key or said is None:
            return ABSENT
        off = re.match(
            r"\s*(?::|=|is)\s*(?:no|false|off)\b", self.text[said.end() :], re.IGNORECASE
        )
        return not (said["no"] or off)

    def number(self, name: str, *, whole: bool) -> object:
        found = self.first(meanings.of_number(words_of(name)))
        if found is None:
            return ABSENT
        value = Decimal(found.replace(",", ""))
        if whole and value != value.to_integral_value():
            return ABSENT
        return int(value) if value == value.to_integral_value() else float(value)

    def string(self, name: str, schema: Mapping[str, object]) -> object:
        form = schema.get("format")
        if isinstance(form, str) and form in meanings.FORMATS:
            found = self.first([meanings.FORMATS[form]])
            return ABSENT if found is None else found
        words = words_of(name)
        if "expression" in words or "formula" in words:
            sums = arithmetic.calculations(self.text.strip(" .?!"))
            return sums[0] if sums else ABSENT
        found = self.first(meanings.of_text(words))
        city = {"city", "location", "place"} & set(words)
        if found is None and city:
            named = (
                each for each in re.findall(r"[^\W\d_]+", self.text) if places.city_named(each)
            )
            found = next(named, None)
        return ABSENT if found is None else found.strip(" ,;\"'")

    def first(self, patterns: list[str]) -> str | None:
        """What the first pattern finds in a place that is not used yet."""
        for pattern in patterns:
            sensitive = meanings.CAPITAL in pattern
            for match in re.finditer(pattern, self.text, 0 if sensitive else re.IGNORECASE):
                groups = {key: each for key, each in match.groupdict().items() if each}
                key = next(iter(groups), None)
                start, end = match.span(key) if key else match.span()
                text = self.text[start:end].strip(" ,;")
                if text and all(end <= a or start >= b for a, b in self.used):
                    self.used.append((start, end))
                    return text
        return None

    def array(self, name: str, schema: Mapping[str, object], depth: int) -> object:
        items = self.resolved(schema.get("items"))
        members = items.get("enum")
        if isinstance(members, list):
            return [each for each in members if self.says(str(each))] or ABSENT
        if items.get("type") == "object":
            parts = re.split(r"[;\n]|[.!?]\s|,\s(?:and\s)?|\sand\s", self.text)
            rows = [
                _Filler(part, self.root).members_of(items, depth + 1)
                for part in parts[:_MOST_ROWS]
                if part.strip()
            ]
            rows = [row for row in rows if row and not lacking(items, row)]
            return rows or ABSENT
        if items.get("type") in ("integer", "number"):
            found = [
                Decimal(each.replace(",", "")) for each in re.findall(meanings.NUMBER, self.text)
            ]
            values = [int(each) if each == int(each) else float(each) for each in found]
            return values or ABSENT
        return self.listed(name) or ABSENT

    def listed(self, name: str) -> list[str]:
        """The items of "tags: a, b and c" or of "add milk, eggs and bread to the list"."""
        words = words_of(name)
        found = re.findall(meanings.FORMATS["email"], self.text)
        if found and {"email", "emails", "to", "recipients", "attendees"} & set(words):
            return found
        for form in meanings.of_list(words):
            if match := re.search(form, self.text, re.IGNORECASE):
                items = re.split(r"\s*,\s*(?:and\s)?|\s(?:and|&)\s", match["v"].strip())
                return [
                    re.sub(r"^(?:some|an?|the)\s", "", each).strip(" \"'") for each in items if each
                ]
        return []


def _vagueness(name: str, schema: Mapping[str, object]) -> int:
    words = set(words_of(name))
    if schema.get("format") or "enum" in schema or words & {"email", "url", "phone", "age", "date"}:
        return 0
    if schema.get("type") in ("integer", "number", "boolean"):
        return 1
    return 2 + bool(words & {"body", "message", "text", "content", "description"})
