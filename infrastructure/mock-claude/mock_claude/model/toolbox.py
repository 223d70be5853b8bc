"""The tools a request offers, and the arguments in the shape that each asks for.

Prevents a call that the offered schema refuses, such as ``city`` where the tool says ``location``.
Rule: only offered tools are called, with the property names of their own ``input_schema``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
        usual = ARGUMENTS.get(name)
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
    for tool in tools:
        if isinstance(tool, Mapping) and isinstance(tool.get("name"), str):
            schema = tool.get("input_schema")
            schemas[tool["name"]] = schema if isinstance(schema, Mapping) else {}
    return Toolbox(schemas)
