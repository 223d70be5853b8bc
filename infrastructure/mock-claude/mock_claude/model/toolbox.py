"""The tools a request offers, and the arguments in the shape that each asks for.

Prevents a call that the offered schema refuses, such as ``city`` where the tool says ``location``.
Rule: only offered tools are called, with the property names of their own ``input_schema``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from mock_claude.model.reply import ToolCall

ARGUMENTS = {
    "search_web": "query",
    "get_weather": "city",
    "calculate": "expression",
    "save_note": "text",
    "read_notes": "",
}
"""The tools the stand-in knows, and the usual name of each one's argument."""

_MOST = 1_000
"""Properties of a schema that are looked at."""


_LOOKS_LIKE = {
    "search_web": re.compile(
        "(?:web|internet|google|wikipedia|brave)?_?search(?:_(?:the_)?(?:web|internet|"
        "wikipedia|google|online))?"
        r"|google|wikipedia|look_?up|(?:run|do|perform)_(?:web_)?search"
    ),
    "get_weather": re.compile(
        "(?:(?:get|fetch|check|current|lookup)_?)*weather(?:_?(?:report|now|info|data|"
        "for|by|in|city|location|lookup|"
        r"current|tool))*"
    ),
    "calculate": re.compile(
        r"(?:calculat(?:e|or)|calc|evaluate|compute|math)(?:_(?:expression|tool))?"
    ),
    "save_note": re.compile(
        r"(?:(?:add|create|write|make|take|store)_?note|note_(?:add|create|save))"
    ),
    "read_notes": re.compile(r"(?:(?:list|get|show|fetch)_?(?:all_)?notes|notes_(?:list|read))"),
}


def _typed(schema: object, kind: str) -> bool:
    given = schema.get("type") if isinstance(schema, Mapping) else None
    return given == kind or (isinstance(given, list) and kind in given)


def _placeholder(schema: object, value: str) -> object:
    """A value for a required property that the task says nothing about."""
    if not isinstance(schema, Mapping):
        return value
    if "default" in schema:
        return schema["default"]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    for kind, empty in (("integer", 1), ("number", 1), ("boolean", False), ("null", None)):
        if _typed(schema, kind):
            return empty
    if _typed(schema, "array"):
        return [value]
    return {} if _typed(schema, "object") else value


@dataclass(frozen=True)
class Toolbox:
    """The offered tools by name, each with its ``input_schema``."""

    schemas: Mapping[str, Mapping[str, object]]
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def serving(self, name: str) -> str:
        """The offered tool that does what the known one does: "web_search" for "search_web".

        The name itself if it is offered, or if no other, or more than one, looks like it.
        """
        if name in self.schemas or name not in _LOOKS_LIKE:
            return name
        alike = [each for each in self.schemas if _LOOKS_LIKE[name].fullmatch(each.lower())]
        return alike[0] if len(alike) == 1 else name

    def takes(self, name: str) -> int:
        """How many properties the tool has that serves as the known one; 0 if none does."""
        properties = self.schemas.get(self.serving(name), {}).get("properties")
        return len(properties) if isinstance(properties, Mapping) else 0

    def __contains__(self, name: str) -> bool:
        return name in self.schemas

    def call(self, name: str, value: str) -> ToolCall:
        """A call of an offered tool with one value, under the name its schema gives it."""
        schema = self.schemas[name]
        given, needed = schema.get("properties"), schema.get("required")
        properties = given if isinstance(given, Mapping) else {}
        required = (
            [item for item in needed[:_MOST] if isinstance(item, str)]
            if isinstance(needed, list)
            else []
        )
        usual = ARGUMENTS.get(next((own for own in ARGUMENTS if self.serving(own) == name), name))
        target = usual
        if usual is None or (usual and properties and usual not in properties):
            texts = [
                key
                for key in (*required, *islice(properties, _MOST))
                if _typed(properties.get(key), "string")
            ]
            target = next(iter([*texts, *required, *properties, usual or "input"]))
        arguments: dict[str, object] = {}
        if target:
            as_list = _typed(properties.get(target), "array")
            arguments[target] = [value] if as_list else value
        for key in required:
            arguments.setdefault(key, _placeholder(properties.get(key), value))
        return ToolCall(name, arguments)


def offered(request: Mapping[str, object]) -> Toolbox:
    """The tools that this request lets the model call."""
    tools, choice = request.get("tools"), request.get("tool_choice")
    if not isinstance(tools, list) or (
        isinstance(choice, Mapping) and choice.get("type") == "none"
    ):
        return Toolbox({})
    schemas: dict[str, Mapping[str, object]] = {}
    descriptions: dict[str, str] = {}
    for tool in tools:
        if isinstance(tool, Mapping) and isinstance(tool.get("name"), str):
            schema = tool.get("input_schema")
            schemas[tool["name"]] = schema if isinstance(schema, Mapping) else {}
            descriptions[tool["name"]] = str(tool.get("description") or "")
    return Toolbox(schemas, descriptions)
