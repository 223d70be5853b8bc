"""Typed reads from a script's tables, whose errors say where to look.

This prevents a wrong value from being found out by what it does. The rule: every read names its
place, and a mistake is a FaultScriptError with it: ``FILE:LINE: table.KEY: reason`` for TOML,
``body: table.NUMBER.KEY: reason`` for JSON, which has no lines worth naming.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mock_claude.errors import FaultScriptError
from mock_claude.toml_places import line_of

LARGEST = 1e9  # of any number: thirty years in seconds
Place = tuple[str | int, ...]
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Source:
    """Where tables come from: a file's name and its TOML text; None for JSON."""

    name: str
    text: str | None

    def error(self, place: Sequence[str | int], reason: str) -> FaultScriptError:
        """The error for what stands at this place."""
        if self.text is None:
            return FaultScriptError(f"{self.name}: {'.'.join(map(str, place))}: {reason}")
        names = ".".join(step for step in place if isinstance(step, str))
        return FaultScriptError(f"{self.name}:{line_of(self.text, place)}: {names}: {reason}")

    def table(self, value: object, place: Place) -> Table:
        """The table at this place."""
        if not isinstance(value, dict):
            raise self.error(place, f"a table is needed, not {kind_of(value)}")
        return Table(self, value, place)

    def array(self, value: object, place: Place) -> list[Table]:
        """The tables of an array written as ``[[a.b]]``."""
        if not isinstance(value, list):
            name = ".".join(map(str, place))
            raise self.error(place, f"write each {place[-1]} as a table under [[{name}]]")
        return [self.table(each, (*place, number)) for number, each in enumerate(value)]


@dataclass(frozen=True)
class Table:
    """One table. Every read raises FaultScriptError if the value is missing or wrong."""

    source: Source
    values: Mapping[str, object]
    place: Place

    def optional(self, key: str, read: Callable[[str], _Read]) -> _Read | None:
        """What ``read`` makes of the key; None if it is not there."""
        return read(key) if key in self.values else None

    def error(self, key: str, reason: str) -> FaultScriptError:
        """The error for this key's value."""
        return self.source.error((*self.place, key), reason)

    def allow(self, keys: Sequence[str], of: str = "") -> None:
        """Refuse every other key."""
        for key in self.values:
            if key not in keys:
                what = f"not a key of {of}" if of else "unknown key"
                raise self.error(key, f"{what}; allowed: {', '.join(keys)}")

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, self._missing(key, "a string"))
        if not isinstance(value, str):
            raise self.error(key, f"a string is needed, not {kind_of(value)}")
        return value

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """One of these strings."""
        value = self.text(key)
        if value not in allowed:
            raise self.error(key, f"{value!r} is none of {', '.join(allowed)}")
        return value

    def number(self, key: str, default: float | None = None, most: float = LARGEST) -> float:
        """A number from 0 to ``most``."""
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, self._missing(key, "a number"))
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"a number is needed, not {kind_of(value)}")
        if not 0 <= value <= most:  # also not a number, and infinity
            raise self.error(key, f"{_short(value)} is not between 0 and {most:.0f}")
        return float(value)

    def whole(
        self, key: str, default: int | None = None, least: int = 1, most: int = int(LARGEST)
    ) -> int:
        """A whole number from ``least`` to ``most``."""
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, self._missing(key, "a whole number"))
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, f"a whole number is needed, not {kind_of(value)}")
        if not least <= value <= most:
            raise self.error(key, f"{_short(value)} is not between {least} and {most}")
        return value

    def json(self, key: str) -> Mapping[str, object]:
        """A table that JSON can say."""
        table = self.source.table(self.values[key], (*self.place, key))
        if not _is_json(table.values):
            raise self.error(key, "a date, a time or an infinite number is not JSON")
        return table.values

    def _missing(self, key: str, needed: str) -> str:
        return f"{needed} is needed, not null" if key in self.values else "is missing"


def unique_names(tables: Sequence[Table], names: Sequence[str]) -> None:
    """Refuse the second of two tables with one name."""
    seen: set[str] = set()
    for table, name in zip(tables, names, strict=True):
        if name in seen:
            raise table.error("name", f"{name!r} is taken")
        seen.add(name)


def kind_of(value: object) -> str:
    """What a value is, in a reader's words."""
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    names |= {list: "an array", dict: "a table", type(None): "null"}
    return names.get(type(value), "a date or time")


def _short(value: float) -> str:
    """Python refuses to write an integer of thousands of digits."""
    if isinstance(value, int) and abs(value) >= 10**4000:
        return "a number of more than 4,000 digits"
    return str(value)


def _is_json(value: object) -> bool:
    match value:
        case dict():
            return all(map(_is_json, value.values()))
        case list():
            return all(map(_is_json, value))
        case float():
            return math.isfinite(value)
        case _:
            return value is None or isinstance(value, str | bool | int)
