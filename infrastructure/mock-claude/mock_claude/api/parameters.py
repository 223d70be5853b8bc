"""The parameters of a request beside its messages: tools, choice of tool, thinking, output.

This prevents a misspelt or misplaced parameter, which the API refuses, from passing here. Fields
as in ``types/*_param.py`` of anthropic 2.11.0; tools of Anthropic's own are known by their dated
type, and only that is checked.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from mock_claude.api.blocks import Cacheable, CacheControl, Json, Loose, Strict, ToolName


def _by_type(value: object) -> object:
    """The ``type`` of a tool, which may be missing for a tool of the caller's own."""
    kind = value.get("type", "custom") if isinstance(value, dict) else "custom"
    return "custom" if kind is None else str(kind)


class InputSchema(Loose):
    type: Literal["object"]
    properties: Json | None = None
    required: list[str] | None = None


class CustomTool(Cacheable):
    type: Literal["custom"] | None = None
    name: ToolName
    description: str = ""
    input_schema: InputSchema
    allowed_callers: list[str] | None = None
    defer_loading: bool = False
    eager_input_streaming: bool | None = None
    input_examples: list[Json] | None = None
    strict: bool = False


class ServerTool(Loose):
    """A tool of Anthropic's own, known by its dated type, e.g. ``web_search_20250305``."""

    type: Annotated[
        str,
        Field(
            pattern="^(bash|code_execution|browser_toolset|memory|computer_toolset|text_editor"
            "|web_search|web_fetch|tool_search_tool_bm25|tool_search_tool_regex"
            "|computer|advisor|mcp_toolset)(_[0-9]{8})?$"
        ),
    ]
    name: ToolName | None = None
    cache_control: CacheControl | None = None


Tool = Annotated[
    Annotated[CustomTool, Tag("custom")] | Annotated[ServerTool, Tag("server")],
    Discriminator(lambda value: "custom" if _by_type(value) == "custom" else "server"),
]


class ChoiceAuto(Strict):
    type: Literal["auto"]
    disable_parallel_tool_use: bool = False


class ChoiceAny(Strict):
    type: Literal["any"]
    disable_parallel_tool_use: bool = False


class ChoiceTool(Strict):
    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: bool = False


class ChoiceNone(Strict):
    type: Literal["none"]


ToolChoice = Annotated[ChoiceAuto | ChoiceAny | ChoiceTool | ChoiceNone, Discriminator("type")]
Display = Literal["summarized", "omitted"] | None


class ThinkingEnabled(Strict):
    type: Literal["enabled"]
    budget_tokens: Annotated[int, Field(ge=1024)]
    display: Display = None


class ThinkingAdaptive(Strict):
    type: Literal["adaptive"]
    display: Display = None


class ThinkingPlain(Strict):
    type: Literal["disabled", "between_tools"]


ThinkingConfig = Annotated[
    ThinkingEnabled | ThinkingAdaptive | ThinkingPlain, Discriminator("type")
]


class OutputFormat(Strict):
    type: Literal["json_schema"]
    json_schema: Json = Field(alias="schema")


class OutputConfig(Strict):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class Metadata(Strict):
    user_id: str | None = None


class Diagnostics(Strict):
    previous_message_id: str | None = None


class Container(Strict):
    id: str | None = None
    skills: list[Json] | None = None


def _as_container(value: object) -> object:
    return {"id": value} if isinstance(value, str) else value


ContainerOrId = Annotated[Container | None, BeforeValidator(_as_container)]
