"""The fault script: TOML in, rules out, and for a mistake its file, line, key and reason.

This prevents a script that is accepted and then does something else, or nothing. The rule:
a misspelt key, a key that its fault does not use, a number that can never apply are errors, with
the line to go to.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar, cast

from mock_claude.errors import FaultScriptError
from mock_claude.faults import FaultKind, Latency, Rule
from mock_claude.toml_places import line_of

LARGEST = 1e9  # of any number: thirty years in seconds
_Read = TypeVar("_Read")
RESERVED_NAME = "header"  # how the log marks a fault that a request asked for itself
_TABLES = ("latency", "rule")
_LATENCY_KEYS = ("messages_s", "search_s", "weather_s")
_RULE_KEYS = ("name", "path", "model", "after_s", "until_s", "probability", "attempts", "fault")
_FAULT_KEYS: Mapping[str, tuple[str, ...]] = {
    "status": ("status", "retry_after_s", "error_type", "error_code", "headers"),
    "delay": ("delay_s",),
    "hang": (),
    "reset": (),
    "trickle": ("chunk_bytes", "interval_s"),
}
_OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True)
class FaultScript:
    """Fault rules in their order, and latency. ``FaultScript()`` does nothing."""

    rules: tuple[Rule, ...] = ()
    latency: Latency = field(default_factory=Latency)

    @classmethod
    def load(cls, path: str | Path) -> FaultScript:
        """Read a script file. FaultScriptError if it cannot be read or is wrong."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as cause:
            reason = cause.strerror if isinstance(cause, OSError) else "not UTF-8"
            raise FaultScriptError(f"{path}:1: cannot be read: {reason}") from cause
        return cls.parse(text, source=str(path))

    @classmethod
    def parse(cls, text: str, source: str = "<script>") -> FaultScript:
        """Read a script from a text; ``source`` is what errors call it."""
        return _Parser(text, source).script()

    def without_rules(self) -> FaultScript:
        """The calm run of the same script: its latency, no faults."""
        return replace(self, rules=())


class _Parser:
    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source

    def script(self) -> FaultScript:
        try:
            tables = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as cause:
            raise self.syntax_error(str(cause)) from None
        except RecursionError:
            raise FaultScriptError(f"{self.source}:1: nested too deeply") from None
        for key in tables:
            if key not in _TABLES:
                raise self.error((key,), f"unknown key; allowed: {', '.join(_TABLES)}")
        latency = self.table(tables.get("latency", {}), ("latency",))
        rules = tables.get("rule", [])
        if not isinstance(rules, list):
            raise self.error(("rule",), "write each rule as a table under [[rule]]")
        script = FaultScript(
            rules=tuple(self.rule(number, rule) for number, rule in enumerate(rules)),
            latency=self.latency(latency),
        )
        names: set[str] = set()
        for number, rule in enumerate(script.rules):
            if rule.name in names:
                raise self.error(("rule", number, "name"), f"{rule.name!r} is taken")
            names.add(rule.name)
        return script

    def latency(self, table: _Table) -> Latency:
        table.allow(_LATENCY_KEYS)
        return Latency(**{key: table.number(key, 0.0) for key in _LATENCY_KEYS})

    def rule(self, number: int, value: object) -> Rule:
        table = self.table(value, ("rule", number))
        table.allow((*_RULE_KEYS, *chain(*_FAULT_KEYS.values())))
        fault = table.text("fault")
        if fault not in _FAULT_KEYS:
            raise table.error("fault", f"{fault!r} is none of {', '.join(_FAULT_KEYS)}")
        table.allow((*_RULE_KEYS, *_FAULT_KEYS[fault]), of=f"a {fault} rule")
        name = table.text("name")
        if not name or name == RESERVED_NAME:
            raise table.error("name", f"{name!r} cannot be a rule's name")
        path = table.text("path", Rule.path)
        if not path.startswith(("/", "*")):
            raise table.error("path", f"{path!r} matches no path; begin it with / or *")
        after_s = table.number("after_s", 0.0)
        until_s = table.optional("until_s", table.number)
        if until_s is not None and until_s <= after_s:
            raise table.error("until_s", f"{until_s:g} is not later than after_s ({after_s:g})")
        return Rule(
            name=name,
            fault=cast(FaultKind, fault),
            path=path,
            model=table.optional("model", table.text),
            after_s=after_s,
            until_s=until_s,
            probability=table.number("probability", 1.0, most=1.0),
            attempts=table.optional("attempts", table.whole),
            status=table.whole("status", least=400, most=599) if fault == "status" else Rule.status,
            retry_after_s=table.optional("retry_after_s", table.number),
            error_type=table.optional("error_type", table.text),
            error_code=self.error_code(table),
            headers=self.headers(table),
            delay_s=table.number("delay_s") if fault == "delay" else Rule.delay_s,
            chunk_bytes=table.whole("chunk_bytes", Rule.chunk_bytes),
            interval_s=table.number("interval_s", Rule.interval_s),
        )

    def error_code(self, rule: _Table) -> str | None:
        code = rule.optional("error_code", rule.text)
        if code is not None and not re.fullmatch(r"[A-Za-z0-9_.-]+", code):
            raise rule.error("error_code", f"{code!r} is not made of letters, digits and _ . -")
        return code

    def headers(self, rule: _Table) -> Mapping[str, str]:
        table = self.table(rule.values.get("headers", {}), (*rule.place, "headers"))
        for name in table.values:
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
                raise table.error(name, "not a header name")
            if name.lower() in _OWN_HEADERS:
                raise table.error(name, "the server sets this header itself")
            if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", table.text(name)):
                raise table.error(name, "a header's value is printable ASCII")
        return {name.lower(): table.text(name) for name in table.values}

    def table(self, value: object, place: tuple[str | int, ...]) -> _Table:
        if not isinstance(value, dict):
            raise self.error(place, f"a table is needed, not {_kind(value)}")
        return _Table(self, value, place)

    def error(self, place: Sequence[str | int], reason: str) -> FaultScriptError:
        names = ".".join(step for step in place if isinstance(step, str))
        return FaultScriptError(f"{self.source}:{line_of(self.text, place)}: {names}: {reason}")

    def syntax_error(self, reason: str) -> FaultScriptError:
        at = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", reason)
        if at is None:
            return FaultScriptError(f"{self.source}:1: {reason}")
        line = int(at[1] or self.text.count("\n") + 1)
        return FaultScriptError(f"{self.source}:{line}: {reason[: at.start()]}")


@dataclass(frozen=True)
class _Table:
    """One table of the script: typed reads that fail with file, line and key."""

    parser: _Parser
    values: Mapping[str, object]
    place: tuple[str | int, ...]

    def optional(self, key: str, read: Callable[[str], _Read]) -> _Read | None:
        return read(key) if key in self.values else None

    def error(self, key: str, reason: str) -> FaultScriptError:
        return self.parser.error((*self.place, key), reason)

    def allow(self, keys: Sequence[str], of: str = "") -> None:
        for key in self.values:
            if key not in keys:
                what = f"not a key of {of}" if of else "unknown key"
                raise self.error(key, f"{what}; allowed: {', '.join(keys)}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "is missing")
        if not isinstance(value, str):
            raise self.error(key, f"a string is needed, not {_kind(value)}")
        return value

    def number(self, key: str, default: float | None = None, most: float = LARGEST) -> float:
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "is missing")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"a number is needed, not {_kind(value)}")
        if not 0 <= value <= most:  # also not a number, and infinity
            raise self.error(key, f"{value} is not between 0 and {most:.0f}")
        return float(value)

    def whole(
        self, key: str, default: int | None = None, least: int = 1, most: int = int(LARGEST)
    ) -> int:
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "is missing")
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, f"a whole number is needed, not {_kind(value)}")
        if not least <= value <= most:
            raise self.error(key, f"{value} is not between {least} and {most}")
        return value


def _kind(value: object) -> str:
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    names |= {list: "an array", dict: "a table"}
    return names.get(type(value), "a date or time")
