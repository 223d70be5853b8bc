"""The bodies of POST /v1/messages and its count_tokens, checked as the API checks them.

This prevents an agent from passing its tests with a request that the real API refuses. The rule:
every documented field is accepted, an unknown one is ``x: Extra inputs are not permitted``, and
the first problem is the answer, with its dotted path. The fields follow
``types/message_create_params.py`` and ``types/message_count_tokens_params.py`` of anthropic
2.11.0. What concerns several fields at once is in ``request_rules`` and ``model_rules``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic_core import ErrorDetails

from mock_claude.api.blocks import (
    Block,
    CacheControl,
    Document,
    SearchResult,
    Strict,
    Text,
    Texts,
    as_blocks,
)
from mock_claude.api.parameters import (
    ContainerOrId,
    Diagnostics,
    Metadata,
    OutputConfig,
    ThinkingConfig,
    Tool,
    ToolChoice,
)
from mock_claude.errors import ApiError

OLD_VERSION = "2023-06-01"
VERSIONS = (OLD_VERSION, "2026-10-21")
MAX_MESSAGES = 100_000
_LONGEST_TEXT = 2_000  # of a refusal: it may quote a field as long as the body


class Message(Strict):
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Block], BeforeValidator(as_blocks)]


class Prompt(Strict):
    """The body of POST /v1/messages/count_tokens: what a model would be shown."""

    messages: list[Message]
    model: str
    cache_control: CacheControl | None = None
    output_config: OutputConfig = Field(default_factory=OutputConfig)
    speed: Literal["standard", "fast"] | None = None
    system: Texts = Field(default_factory=list)
    thinking: ThinkingConfig | None = None
    tool_choice: ToolChoice | None = None
    tools: list[Tool] = Field(default_factory=list)


class CreateMessage(Prompt):
    """The body of POST /v1/messages at version 2026-10-21."""

    max_tokens: Annotated[int, Field(ge=0)]
    container: ContainerOrId = None
    diagnostics: Diagnostics | None = None
    inference_geo: str | None = None
    metadata: Metadata = Field(default_factory=Metadata)
    service_tier: Literal["auto", "standard_only"] = "auto"
    stop_sequences: list[str] = Field(default_factory=list)
    stream: bool = False


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
    """The body of a message request. ApiError 400 names the first field that is wrong."""
    asked = _typed(CreateMessage2023 if version == OLD_VERSION else CreateMessage, body)
    if version != OLD_VERSION:
        _check_version_2026(asked.messages)
    return asked


def check_prompt(body: dict[str, object], version: str) -> Prompt:
    """The body of a count_tokens request. ApiError 400 names the first field that is wrong."""
    asked = _typed(Prompt, body)
    if version != OLD_VERSION:
        _check_version_2026(asked.messages)
    return asked


_Body = TypeVar("_Body", bound=Prompt)


def _typed(shape: type[_Body], body: dict[str, object]) -> _Body:
    messages = body.get("messages")
    if isinstance(messages, list) and len(messages) > MAX_MESSAGES:  # before each is looked at
        found = f"at most {MAX_MESSAGES} items after validation, not {len(messages)}"
        raise ApiError(400, f"messages: List should have {found}")
    try:
        return shape.model_validate(body)
    except PydanticError as problem:
        raise _refusal(problem) from None


def first_problem(shape: TypeAdapter[Any], value: object, path: str) -> None:
    """ApiError 400 if a value, which stands at this path, is not of the shape."""
    try:
        shape.validate_python(value)
    except PydanticError as problem:
        raise _refusal(problem, path) from None


def _refusal(problem: PydanticError, *path: str) -> ApiError:
    first = problem.errors(include_url=False, include_context=False, include_input=False)[0]
    return ApiError(400, _text({**first, "loc": (*path, *first["loc"])})[:_LONGEST_TEXT])


def _check_version_2026(messages: Sequence[Message]) -> None:
    """What 2023-06-01 still takes. The rules are documented, their texts are ours."""
    for number, message in enumerate(messages):
        for index, block in enumerate(message.content):
            path = f"messages.{number}.content.{index}"
            if message.role == "assistant" and isinstance(block, Document):
                raise ApiError(
                    400, f"{path}: `document` blocks are not permitted in `assistant` messages"
                )
            if message.role != "user":
                continue
            inner = block.content if isinstance(block, SearchResult) else [block]
            if any(isinstance(each, Text) and each.citations for each in inner):
                raise ApiError(
                    400, f"{path}.citations: not permitted on `text` blocks in `user` messages"
                )


def _text(problem: ErrorDetails) -> str:
    path = ".".join(map(str, problem["loc"]))
    match problem["type"]:
        case "union_tag_not_found":
            return f"{path}.type: Field required"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{path}: Input should be an object"  # pydantic would name our classes
        case _:
            return f"{path}: {problem['msg']}"
