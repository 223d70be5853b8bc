"""How many tokens a text, a tool call or a block is: the one estimate of the package.

This prevents counts that cannot be explained. It is stated here, and depends on nothing but what
is counted:

- text: one token per four bytes of UTF-8, rounded up;
- a tool, a tool call, any other JSON: the text of its compact JSON; ids and cache marks are free;
- an image or a PDF, whatever its size: 1,500 tokens.

The real tokenizer is not public; ratios between requests are meaningful, absolute counts are not.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import to_json

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1_500

_FREE = frozenset({"type", "id", "tool_use_id", "cache_control", "caller", "citations"})


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


def _content_tokens(content: object) -> int:
    if isinstance(content, str):
        return text_tokens(content)
    if isinstance(content, list):
        return sum(block_tokens(block) for block in content)
    return 0


def block_tokens(block: object) -> int:
    """The estimate for one content block, or for a tool."""
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
    return -(-len(to_json(value)) // BYTES_PER_TOKEN)
