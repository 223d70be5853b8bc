"""The request body of POST /v1/messages, checked as the API checks it.

This prevents an agent from passing its tests with a request that the real API refuses. The rule:
every documented field is accepted, an unknown one is ``x: Extra inputs are not permitted``, and
the first problem is the answer, with its dotted path. The fields follow
``types/message_create_params.py`` of anthropic 2.11.0. What concerns several messages at once is
in ``request_rules``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic import ValidationError as PydanticError
from pydantic_core import ErrorDetails

from mock_claude.blocks import (
    Block,
    Cacheable,
    CacheControl,
    Json,
    Loose,
    Strict,
    Texts,
    ToolName,
    as_blocks,
)
from mock_claude.errors import ApiError

VERSIONS = ("2023-06-01", "2026-10-21")
MAX_MESSAGES = 100_000
_LONGEST_TEXT = 2_000  # of a refusal: it may quote a field as long as the body


def _as_container(value: object) -> object:
    return {"id": value} if isinstance(value, str) else value


def _by_type(value: object) -> object:
    """The ``type`` of a tool, which may be missing for a tool of the caller's own."""
    kind = value.get("type", "custom") if isinstance(value, dict) else "custom"
    return "custom" if kind is None else str(kind)


class Message(Strict):
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Block], BeforeValidator(as_blocks)]


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
            "|web_search|web_fetch|tool_search_tool_bm25|tool_search_tool_regex)(_[0-9]{8})?$"
        ),
    ]
    name: str | None = None


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


class CreateMessage(Strict):
    """The body of POST /v1/messages at version 2026-10-21."""

    max_tokens: Annotated[int, Field(ge=0)]
    messages: Annotated[list[Message], Field(max_length=MAX_MESSAGES)]
    model: str
    cache_control: CacheControl | None = None
    container: Annotated[Container | None, BeforeValidator(_as_container)] = None
    diagnostics: Diagnostics | None = None
    inference_geo: str | None = None
    metadata: Metadata = Metadata()
    output_config: OutputConfig = OutputConfig()
    service_tier: Literal["auto", "standard_only"] = "auto"
    speed: Literal["standard", "fast"] | None = None
    stop_sequences: list[str] = Field(default_factory=list)
    stream: bool = False
    system: Texts = Field(default_factory=list)
    thinking: ThinkingConfig | None = None
    tool_choice: ToolChoice | None = None
    tools: list[Tool] = Field(default_factory=list)


class CreateMessage2023(CreateMessage):
    """The same at version 2023-06-01, which still takes sampling parameters."""

    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None


def as_object(body: object) -> dict[str, object]:
    """The body, if it is a JSON object; else ApiError 400."""
    if not isinstance(body, dict):
        raise ApiError(400, "The request body must be a JSON object.")
    return body


def check_body(body: dict[str, object], version: str) -> CreateMessage:
    """The body as typed values. ApiError 400 names the first field that is wrong."""
    shape = CreateMessage2023 if version == "2023-06-01" else CreateMessage
    try:
        return shape.model_validate(body)
    except PydanticError as problem:
        first = problem.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ApiError(400, _text(first)[:_LONGEST_TEXT]) from None


def _text(problem: ErrorDetails) -> str:
    path = ".".join(map(str, problem["loc"]))
    match problem["type"]:
        case "union_tag_not_found":
            return f"{path}.type: Field required"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{path}: Input should be an object"  # pydantic would name our classes
        case _:
            return f"{path}: {problem['msg']}"
