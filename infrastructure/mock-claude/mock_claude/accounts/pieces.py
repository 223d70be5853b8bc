"""A request's prompt as a row of pieces, and what else each section of it depends on.

This prevents a prompt that is counted in one way and cached in another: tokens, bills, the cache
and its diagnostics all read the same row. A message costs four tokens more, for its role and
separators.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from mock_claude.accounts.prefixes import (
    FIVE_MINUTES_S,
    MESSAGES,
    ONE_HOUR_S,
    SYSTEM,
    TOOLS,
    Piece,
)
from mock_claude.accounts.tokens import block_tokens

MESSAGE_TOKENS = 4

_UNMARKABLE = frozenset({"thinking", "redacted_thinking"})


def prompt_tokens(request: Mapping[str, object]) -> int:
    """The estimate for everything a validated request shows the model: at least one token."""
    return max(sum(piece.tokens for piece in pieces(request)), 1)


def pieces(request: Mapping[str, object]) -> Iterator[Piece]:
    """The request's prompt, piece by piece, each with its tokens and whether it is a breakpoint.

    A ``cache_control`` of the whole request marks the last piece that may carry one.
    """
    row = list(_tool_pieces(request))
    row += _content_pieces(SYSTEM, "", request.get("system"))
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else ():
        row += _content_pieces(MESSAGES, str(message.get("role")), message.get("content"))
    automatic = _life_s(request)
    if automatic:
        for place in range(len(row) - 1, -1, -1):
            block = row[place].block
            if not (isinstance(block, dict) and block.get("type") in _UNMARKABLE):
                life_s = max(row[place].life_s, automatic)
                row[place] = row[place]._replace(life_s=life_s)
                break
    return iter(row)


def _tool_pieces(request: Mapping[str, object]) -> Iterator[Piece]:
    tools = request.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        yield Piece(TOOLS, "", tool, block_tokens(tool), _life_s(tool))


def _content_pieces(section: int, role: str, content: object) -> Iterator[Piece]:
    """A string is short for one text block; the first block of a message carries its overhead."""
    blocks = content if isinstance(content, list) else []
    if isinstance(content, str):
        blocks = [{"type": "text", "text": content}]
    extra = MESSAGE_TOKENS if section == MESSAGES else 0
    for block in blocks:
        yield Piece(section, role, block, extra + block_tokens(block), _life_s(block))
        role, extra = "", 0
    if extra:  # a message without blocks
        yield Piece(section, role, {}, extra)


def _life_s(block: object) -> int:
    """The life asked for by the mark of a block, or of one within the tool result that it is."""
    if not isinstance(block, dict):
        return 0
    mark = block.get("cache_control")
    if mark:
        is_long = isinstance(mark, dict) and mark.get("ttl") == "1h"
        return ONE_HOUR_S if is_long else FIVE_MINUTES_S
    inner = block.get("content")
    return max(map(_life_s, inner), default=0) if isinstance(inner, list) else 0


def salts_of(
    raw: Mapping[str, object], row: list[Piece], model: str, workspace: str
) -> tuple[str, str, str]:
    """What each section depends on beside its pieces."""
    blocks = [block for piece in row for block in _with_inner(piece.block)]
    cites = any(_cites(block) for block in blocks)
    images = any(block.get("type") == "image" for block in blocks)
    config = raw.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    choice = [raw.get("tool_choice"), raw.get("thinking"), effort, images]
    return (
        json.dumps([model, workspace]),
        json.dumps([raw.get("speed") or "standard", cites]),
        json.dumps(choice, sort_keys=True),
    )


def _with_inner(block: object) -> Iterator[Mapping[str, object]]:
    if isinstance(block, dict):
        yield block
        inner = block.get("content")
        yield from (
            (each for each in inner if isinstance(each, dict)) if isinstance(inner, list) else ()
        )


def _cites(block: Mapping[str, object]) -> bool:
    citations = block.get("citations")
    return isinstance(citations, dict) and citations.get("enabled") is True
