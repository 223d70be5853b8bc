"""What makes two requests "the same request": the key that faults are drawn by.

This prevents faults that depend on luck. Were they drawn in order of arrival, two runs of one
seed would differ as soon as two tasks overlap. The rule: a request's key depends on what it asks
(task and turn), and its attempt on how often that was asked before; never on when it arrives.

For POST /v1/messages the task is the text of the last user message that has text, with
everything before it; the turn is the number of assistant messages after it. Results of tools in
the running task are left out: a tool that failed once must not give the next turn another fate.
Ids are left out because they are random, the model because a fallback model continues a task,
cache marks because they change what a request costs, not what it asks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import islice
from urllib.parse import parse_qsl

_SORTED = json.JSONEncoder(sort_keys=True)
_LEFT_OUT = frozenset({"id", "tool_use_id", "cache_control"})


def digest(*parts: str | bytes) -> str:
    """A short stable hash of the parts, in hex; ("ab", "c") and ("a", "bc") differ."""
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def message_key(body: object) -> str | None:
    """The key of a parsed body of /v1/messages; None if it has no list of message objects."""
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        return None
    last = _last_with_text(messages)
    task = _SORTED.encode(_asked(messages[: last + 1]))
    turn = sum(message.get("role") == "assistant" for message in messages[last + 1 :])
    return digest("messages", task, str(turn))


def query_key(path: str, query: str, body: bytes = b"") -> str:
    """The key of any other request: its path, its query in any order, its body as it is."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return digest("query", path, json.dumps(pairs), body)


def _last_with_text(messages: Sequence[dict[str, object]]) -> int:
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") == "user" and _has_text(messages[index].get("content")):
            return index
    return -1


def _has_text(content: object) -> bool:
    if isinstance(content, str):
        return True
    return isinstance(content, list) and any(
        isinstance(block, dict) and block.get("type") == "text" for block in content
    )


def _asked(content: object) -> object:
    """What messages or blocks ask; a string is short for one text block, as in the API."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [_asked_by_item(item) for item in content]
    return content


def _asked_by_item(item: object) -> object:
    if not isinstance(item, dict):
        return item
    kept = {key: value for key, value in item.items() if key not in _LEFT_OUT}
    if "content" in kept:
        kept["content"] = _asked(kept["content"])
    return kept  # a tool's arguments stay whole: they may well have a field called id


class Attempts:
    """How often each key was asked; the least recently asked are forgotten beyond ``limit``."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}  # the least recently asked first

    def next(self, key: str) -> int:
        """The number of this attempt, from 1."""
        attempt = self._counts.pop(key, 0) + 1
        self._counts[key] = attempt
        excess = len(self._counts) - self._limit
        if excess > 0:  # several at once: to find the first of a dict costs more, the more are gone
            for old in list(islice(self._counts, excess + self._limit // 20)):
                del self._counts[old]
        return attempt
