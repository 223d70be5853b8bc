"""The pieces of a prompt, and the hash that each prefix of them is known by.

This prevents a cache hit on a prompt that was never sent. The rule: a prefix is the same only if
each of its pieces is, in order, and all that its sections depend on; cache marks do not count, for
they say what to keep and not what is asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

TOOLS, SYSTEM, MESSAGES = range(3)
FIVE_MINUTES_S, ONE_HOUR_S = 300, 3600


class Piece(NamedTuple):
    """One position of a prompt: a tool, a block of the system prompt, or one of a message."""

    section: int
    """TOOLS, SYSTEM or MESSAGES."""
    role: str
    """Of the message; a message's first block says so, because a message costs tokens too."""
    block: object
    tokens: int
    life_s: int = 0
    """How long what ends here is to be kept; 0: the piece is no breakpoint."""

    @property
    def marked(self) -> bool:
        """Whether the piece is a breakpoint."""
        return self.life_s > 0


_LONG = 65_536  # characters; longer data is hashed by itself, for JSON escapes it too slowly


def prefixes(pieces: Sequence[Piece], salts: Sequence[str]) -> list[bytes]:
    """The hash of each prefix: of the pieces up to and including that one."""
    state = hashlib.blake2b(digest_size=16)
    found, section = list[bytes](), -1
    for piece in pieces:
        while section < piece.section:
            section += 1
            _add(state, salts[section])
        _add(state, piece.role)
        _add(state, canonical(piece.block))
        found.append(state.digest())
    return found


def _add(state: hashlib.blake2b, text: str) -> None:
    data = text.encode(errors="surrogatepass")
    state.update(len(data).to_bytes(8, "big"))
    state.update(data)


def canonical(block: object) -> str:
    """A block as the cache compares it: all of it but its cache marks.

    The order of a block's own fields is free; inside them it counts, as with the real API: tool
    arguments in another order are another prompt.
    """
    if not isinstance(block, dict):
        return json.dumps(block)
    kept = {key: _unmarked(block[key]) for key in sorted(block) if key != "cache_control"}
    source = kept.get("source")
    if isinstance(source, dict):
        kept["source"] = {key: _short(value) for key, value in source.items()}
    return json.dumps({key: value for key, value in kept.items() if value is not None})


def _short(data: object) -> object:
    """The data of an image or a document, or the hash of it."""
    if not isinstance(data, str) or len(data) <= _LONG:
        return data
    return hashlib.blake2b(data.encode(errors="surrogatepass")).hexdigest()


def _unmarked(content: object) -> object:
    """Blocks inside a tool result may carry marks of their own."""
    if not isinstance(content, list):
        return content
    return [
        {key: value for key, value in item.items() if key != "cache_control"}
        if isinstance(item, dict)
        else item
        for item in content
    ]
