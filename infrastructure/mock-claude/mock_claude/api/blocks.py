"""The content blocks a request may carry, as the API checks them.

This prevents a block that the real API refuses from passing here. The fields follow the
``*_block_param.py`` types of anthropic 2.11.0; unknown fields are refused, except in blocks of
tools that run on the server, which this model never produces and which only their type checks.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field


class Strict(BaseModel):
    """An object whose fields are all known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Loose(BaseModel):
    """An object that only its ``type`` is checked of: parts that this model never produces."""

    model_config = ConfigDict(extra="allow", strict=True)


def as_blocks(content: object) -> object:
    """A string is short for a list of one text block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


Id = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]+$")]
ToolName = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,128}$")]
Json = dict[str, Any]


class CacheControl(Strict):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class Cacheable(Strict):
    cache_control: CacheControl | None = None


class Text(Cacheable):
    type: Literal["text"]
    text: str
    citations: list[Json] | None = None


Texts = Annotated[list[Text], BeforeValidator(as_blocks)]


class Base64Image(Strict):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class Base64Pdf(Strict):
    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: str


class PlainText(Strict):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class Url(Strict):
    type: Literal["url"]
    url: str


class UploadedFile(Strict):
    type: Literal["file"]
    file_id: str


ImageSource = Annotated[Base64Image | Url | UploadedFile, Discriminator("type")]


class Image(Cacheable):
    type: Literal["image"]
    source: ImageSource
    transformations: Json | None = None


class Citations(Strict):
    enabled: bool = False


class Blocks(Strict):
    type: Literal["content"]
    content: Annotated[
        list[Annotated[Text | Image, Discriminator("type")]], BeforeValidator(as_blocks)
    ]


DocumentSource = Annotated[
    Base64Pdf | PlainText | Blocks | Url | UploadedFile, Discriminator("type")
]


class Document(Cacheable):
    type: Literal["document"]
    source: DocumentSource
    citations: Citations | None = None
    context: str | None = None
    title: str | None = None


class SearchResult(Cacheable):
    type: Literal["search_result"]
    content: list[Text]
    source: str
    title: str
    citations: Citations | None = None


class Thinking(Strict):
    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinking(Strict):
    type: Literal["redacted_thinking"]
    data: str


class ToolUse(Cacheable):
    type: Literal["tool_use"]
    id: Id
    name: ToolName
    input: Json
    caller: Json | None = None
    toolset_name: str | None = None


class ToolReference(Cacheable):
    type: Literal["tool_reference"]
    tool_name: str


class BrowserState(Loose):
    type: Literal["browser_state"]


ResultBlock = Annotated[
    Text | Image | Document | SearchResult | ToolReference | BrowserState, Discriminator("type")
]


class ToolResult(Cacheable):
    type: Literal["tool_result"]
    tool_use_id: Id
    content: Annotated[list[ResultBlock], BeforeValidator(as_blocks)] = []
    is_error: bool = False
    toolset_name: str | None = None


class ServerBlock(Loose):
    """Blocks around tools that run on the server, and files for its containers."""

    type: Literal[
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "container_upload",
    ]
    cache_control: CacheControl | None = None


Block = Annotated[
    Text
    | Image
    | Document
    | SearchResult
    | Thinking
    | RedactedThinking
    | ToolUse
    | ToolResult
    | ServerBlock,
    Discriminator("type"),
]
