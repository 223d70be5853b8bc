"""Where a request may carry ``cache_control``, and how often.

This prevents a fifth breakpoint, which the API refuses, from passing here. Rules from the
documentation of prompt caching (2026-09-26): at most four; a ``cache_control`` of the whole
request takes one of them and must agree with a mark on the last block; what lives an hour stands
before what lives five minutes, in the order tools, system, messages. Texts as the API sends them;
the two about the whole request are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mock_claude.api.blocks import Blocks, CacheControl, Document, SearchResult, Text, ToolResult
from mock_claude.api.validation import Prompt
from mock_claude.errors import ApiError

MOST = 4

Mark = tuple[str, CacheControl]


def check(request: Prompt) -> None:
    """ApiError 400 with the first thing that is wrong."""
    marks = list(_marks(request))
    if len(marks) > MOST:
        raise ApiError(
            400,
            f"A maximum of {MOST} blocks with cache_control may be provided. Found {len(marks)}.",
        )
    seen_5m = False
    for path, mark in marks:
        if mark.ttl == "1h" and seen_5m:
            raise _out_of_order(f"{path}.cache_control.ttl")
        seen_5m = seen_5m or mark.ttl == "5m"
    if request.cache_control is not None:
        _check_automatic(request, request.cache_control, marks)
        if request.cache_control.ttl == "1h" and seen_5m:
            raise _out_of_order("cache_control.ttl")


def _out_of_order(path: str) -> ApiError:
    return ApiError(
        400,
        f"{path}: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control "
        "block. Note that blocks are processed in the following order: `tools`, `system`, "
        "`messages`.",
    )


def check_texts(request: Prompt, system_is_list: bool) -> None:
    """ApiError 400 for an empty text with a mark, or an empty block of the system prompt."""
    for path in _empty_marked("system", request.system):
        raise ApiError(400, f"{path}: cache_control cannot be set for empty text blocks")
    for place, message in enumerate(request.messages):
        for path in _empty_marked("messages", message.content):
            within = f"messages.{place}.content{path.removeprefix('messages')}"
            raise ApiError(400, f"{within}: cache_control cannot be set for empty text blocks")
    if system_is_list and any(not text.text for text in request.system):
        raise ApiError(400, "system: text content blocks must be non-empty")


def _empty_marked(path: str, blocks: Sequence[object]) -> Iterator[str]:
    """The path of every empty text with a mark, also within results and documents."""
    for place, block in enumerate(blocks):
        if isinstance(block, Text):
            if not block.text and block.cache_control is not None:
                yield f"{path}.{place}.text"
        elif isinstance(block, ToolResult | SearchResult):
            yield from _empty_marked(f"{path}.{place}.{block.type}.content", block.content)
        elif isinstance(block, Document) and isinstance(block.source, Blocks):
            yield from _empty_marked(
                f"{path}.{place}.document.source.content", block.source.content
            )


def _check_automatic(request: Prompt, automatic: CacheControl, marks: Sequence[Mark]) -> None:
    if len(marks) == MOST:
        raise ApiError(
            400,
            "cache_control: takes one of the 4 breakpoints, and 4 blocks with cache_control are "
            "given already.",
        )
    content = request.messages[-1].content
    last = content[-1] if content else None
    own = getattr(last, "cache_control", None)
    if isinstance(own, CacheControl) and own.ttl != automatic.ttl:
        raise ApiError(
            400, f"cache_control.ttl: the last block has ttl='{own.ttl}', which differs."
        )


def _marks(request: Prompt) -> Iterator[Mark]:
    """Every mark with the path of its block, in the order in which prompts are processed."""
    for place, tool in enumerate(request.tools):
        yield from _mark(f"tools.{place}", tool.cache_control)
    yield from _block_marks("system", request.system)
    for place, message in enumerate(request.messages):
        yield from _block_marks(f"messages.{place}.content", message.content)


def _block_marks(path: str, blocks: Sequence[object]) -> Iterator[Mark]:
    for place, block in enumerate(blocks):
        if isinstance(block, ToolResult):
            yield from _block_marks(f"{path}.{place}.content", block.content)
        yield from _mark(f"{path}.{place}", getattr(block, "cache_control", None))


def _mark(path: str, value: object) -> Iterator[Mark]:
    if isinstance(value, CacheControl):
        yield path, value
