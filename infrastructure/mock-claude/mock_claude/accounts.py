"""How many tokens a text is, and what a request costs.

This prevents costs that cannot be explained. One estimate, stated here, serves usage, limits and
bills, and depends on nothing but the text:

- text: one token per four bytes of UTF-8, rounded up;
- a message: four tokens for its role and separators;
- a tool, a tool call, any other JSON: the text of its compact JSON; ids and cache marks are free;
- an image or a PDF, whatever its size: 1,500 tokens.

The real tokenizer is not public; ratios between requests are meaningful, absolute counts are not.

Billing: a request that is refused, hangs, is reset or is answered by a status fault costs
nothing, because the fault comes before the model. Every other one is billed in full, also when a
delay or a trickle made its client leave before the end: the model had done its work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from mock_claude.catalog import Price

BYTES_PER_TOKEN = 4
MESSAGE_TOKENS = 4
MEDIA_TOKENS = 1_500

_FREE = frozenset({"type", "id", "tool_use_id", "cache_control", "caller", "citations"})
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Usage:
    """The token counts of one answered request."""

    input_tokens: int
    output_tokens: int


def text_tokens(text: str) -> int:
    """The estimate for a text: a quarter of its UTF-8 bytes, rounded up."""
    size = len(text) if text.isascii() else len(text.encode())
    return -(-size // BYTES_PER_TOKEN)


def cut_text(text: str, tokens: int) -> str:
    """The longest beginning of ``text`` that is at most ``tokens`` tokens."""
    return text.encode()[: tokens * BYTES_PER_TOKEN].decode(errors="ignore")


def call_tokens(name: str, arguments: Mapping[str, object]) -> int:
    """The estimate for one tool call."""
    return text_tokens(name) + _json_tokens(arguments)


def prompt_tokens(request: Mapping[str, object]) -> int:
    """The estimate for everything a validated request shows the model: at least one token."""
    tokens = _content_tokens(request.get("system"))
    tools = request.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        tokens += _block_tokens(tool)
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else ():
        tokens += MESSAGE_TOKENS + _content_tokens(message.get("content"))
    return max(tokens, 1)


def cost_usd(price: Price, usage: Usage) -> Decimal:
    """What the request costs in USD, exactly."""
    rate = price.for_prompt(usage.input_tokens)
    return (usage.input_tokens * rate.input + usage.output_tokens * rate.output) / _MILLION


def _content_tokens(content: object) -> int:
    if isinstance(content, str):
        return text_tokens(content)
    if isinstance(content, list):
        return sum(_block_tokens(block) for block in content)
    return 0


def _block_tokens(block: object) -> int:
    if not isinstance(block, dict):
        return _json_tokens(block)
    match block.get("type"):
        case "text":
            return text_tokens(str(block.get("text", "")))
        case "tool_result":
            return _content_tokens(block.get("content"))
        case "image":
            return MEDIA_TOKENS
        case "document":
            return _document_tokens(block)
    return _json_tokens({key: value for key, value in block.items() if key not in _FREE})


def _document_tokens(block: Mapping[str, object]) -> int:
    source = block.get("source")
    if isinstance(source, dict) and source.get("type") == "text":
        return text_tokens(str(source.get("data", "")))
    if isinstance(source, dict) and source.get("type") == "content":
        return _content_tokens(source.get("content"))
    return MEDIA_TOKENS


def _json_tokens(value: object) -> int:
    return text_tokens(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
