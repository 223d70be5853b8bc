"""What of a prompt is cached, and what a request costs.

This prevents a bill that cannot be explained. One estimate (``tokens``) serves usage, limits,
bills and count_tokens; a message costs four tokens more, for its role and separators.
``input_tokens`` is what the cache neither wrote nor read (see ``prompt_cache``): all input is
input + creation + read.

Billing: a request that is refused, hangs, is reset or is answered by a status fault costs
nothing, because the fault comes before the model. Every other one is billed in full, also when a
delay or a broken stream made its client leave before the end: the model had done its work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mock_claude.accounts.prefixes import MESSAGES, SYSTEM, TOOLS, Piece
from mock_claude.accounts.prompt_cache import DEFAULT_MINIMUM, MINIMUM, PromptCache, Write
from mock_claude.accounts.tokens import block_tokens, call_tokens, cut_text, text_tokens
from mock_claude.api.catalog import Model, Price

__all__ = [
    "Accounts",
    "Usage",
    "call_tokens",
    "cost_usd",
    "cut_text",
    "pieces",
    "prompt_tokens",
    "text_tokens",
]

MESSAGE_TOKENS = 4

_UNMARKABLE = frozenset({"thinking", "redacted_thinking"})
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Usage:
    """The token counts of one answered request."""

    input_tokens: int
    """Input that the cache neither wrote nor read."""
    output_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    write: Write | None = field(default=None, compare=False, repr=False)
    """What becomes readable when the response begins."""

    @property
    def total_input_tokens(self) -> int:
        """Everything the request showed the model."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens


class Accounts:
    """Usage per request, with a prompt cache of its own. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._cache = PromptCache()

    def usage(
        self, raw: Mapping[str, object], model: Model, api_key: str, output_tokens: int
    ) -> Usage:
        """What a validated request uses now; it reads the cache and prepares what it writes."""
        row = list(pieces(raw))
        total = max(sum(piece.tokens for piece in row), 1)
        if not any(piece.marked for piece in row):
            return Usage(total, output_tokens)
        minimum = MINIMUM.get(model.id, DEFAULT_MINIMUM)
        salts = _salts(raw, row, model, api_key)
        found = self._cache.account(row, salts, minimum, self._clock())
        rest = total - found.created - found.read
        return Usage(rest, output_tokens, found.created, found.read, found.write)

    def began(self, usage: Usage) -> None:
        """The response has begun: what the request wrote can be read from now on."""
        if usage.write is not None:
            self._cache.begin(usage.write, self._clock())

    def preview(self, raw: Mapping[str, object]) -> int:
        """All input tokens of the request, without touching the cache."""
        return prompt_tokens(raw)


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
    if request.get("cache_control"):
        for place in range(len(row) - 1, -1, -1):
            block = row[place].block
            if not (isinstance(block, dict) and block.get("type") in _UNMARKABLE):
                row[place] = row[place]._replace(marked=True)
                break
    return iter(row)


def _tool_pieces(request: Mapping[str, object]) -> Iterator[Piece]:
    tools = request.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        yield Piece(TOOLS, "", tool, block_tokens(tool), _is_marked(tool))


def _content_pieces(section: int, role: str, content: object) -> Iterator[Piece]:
    """A string is short for one text block; the first block of a message carries its overhead."""
    blocks = content if isinstance(content, list) else []
    if isinstance(content, str):
        blocks = [{"type": "text", "text": content}]
    extra = MESSAGE_TOKENS if section == MESSAGES else 0
    for block in blocks:
        yield Piece(section, role, block, extra + block_tokens(block), _is_marked(block))
        role, extra = "", 0
    if extra:  # a message without blocks
        yield Piece(section, role, {}, extra, marked=False)


def _is_marked(block: object) -> bool:
    """Whether the block, or a block within the tool result that it is, is a breakpoint."""
    if not isinstance(block, dict):
        return False
    if block.get("cache_control"):
        return True
    inner = block.get("content")
    return isinstance(inner, list) and any(map(_is_marked, inner))


def _salts(
    raw: Mapping[str, object], row: list[Piece], model: Model, api_key: str
) -> tuple[str, str, str]:
    """What each section depends on beside its pieces."""
    blocks = [block for piece in row for block in _with_inner(piece.block)]
    cites = any(_cites(block) for block in blocks)
    images = any(block.get("type") == "image" for block in blocks)
    config = raw.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    choice = [raw.get("tool_choice"), raw.get("thinking"), effort, images]
    return (
        json.dumps([model.id, api_key]),
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


def cost_usd(price: Price, usage: Usage) -> Decimal:
    """What the request costs in USD, exactly. The size of the whole prompt decides the rate."""
    rate = price.for_prompt(usage.total_input_tokens)
    return (
        usage.input_tokens * rate.input
        + usage.cache_creation_input_tokens * rate.write_5m
        + usage.cache_read_input_tokens * rate.cache_read
        + usage.output_tokens * rate.output
    ) / _MILLION
