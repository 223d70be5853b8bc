"""Why a request could not read what the one before it left in the prompt cache.

This prevents a cache that silently misses from being found out by the bill alone. A request that
names ``diagnostics.previous_message_id`` is told what in it differs: ``cache_miss_reason`` as in
``types/cache_miss_*.py`` of anthropic 2.11.0; null, as ``types/message.py`` says, if nothing does.
Of two differences the one that stands first in the prompt is told: model or speed, tools, system,
messages. Only requests that carry ``diagnostics`` are remembered, the newest few thousand of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mock_claude.accounts.prefixes import MESSAGES, SYSTEM, TOOLS, Piece, canonical

_MOST = 5_000
_OTHER = ("tool_choice", "thinking", "output_config")


class _Print(NamedTuple):
    """What a request was, as far as a later one may be compared with it."""

    model: str
    tools: bytes
    system: bytes
    messages: bytes
    pieces: int
    """Of its messages."""
    other: str
    reach: int
    """Tokens up to its last breakpoint."""


class Diagnostics:
    """The prints of requests by workspace and message id."""

    def __init__(self) -> None:
        self._prints: dict[tuple[str, str], _Print] = {}

    def miss(
        self,
        raw: Mapping[str, object],
        row: Sequence[Piece],
        workspace: str,
        read_tokens: int,
    ) -> dict[str, object] | None:
        """The response's ``diagnostics``."""
        asked = raw.get("diagnostics")
        previous = asked.get("previous_message_id") if isinstance(asked, Mapping) else None
        if not isinstance(previous, str):
            return None
        before = self._prints.get((workspace, previous))
        if before is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        kind = _difference(before, raw, row)
        if kind is None:
            return None
        reason: dict[str, object] = {"type": kind}
        if kind != "unavailable":
            reason["cache_missed_input_tokens"] = max(before.reach - read_tokens, 0)
        return {"cache_miss_reason": reason}

    def remember(
        self,
        raw: Mapping[str, object],
        row: Sequence[Piece],
        workspace: str,
        message_id: str,
        reach: int,
    ) -> None:
        """Keep the request for the one that will name this message."""
        self._prints[workspace, message_id] = _Print(
            _model(raw),
            _digest(row, TOOLS),
            _digest(row, SYSTEM),
            _digest(row, MESSAGES),
            sum(piece.section == MESSAGES for piece in row),
            _other(raw),
            reach,
        )
        if len(self._prints) > _MOST:
            for old in list(self._prints)[: _MOST // 10]:
                del self._prints[old]


def _difference(before: _Print, raw: Mapping[str, object], row: Sequence[Piece]) -> str | None:
    if _model(raw) != before.model:
        return "model_changed"
    if _digest(row, TOOLS) != before.tools:
        return "tools_changed"
    if _digest(row, SYSTEM) != before.system:
        return "system_changed"
    if _digest(row, MESSAGES, before.pieces) != before.messages:
        return "messages_changed"
    return "unavailable" if _other(raw) != before.other else None


def _model(raw: Mapping[str, object]) -> str:
    return json.dumps([raw.get("model"), raw.get("speed") or "standard"])


def _other(raw: Mapping[str, object]) -> str:
    return json.dumps([raw.get(name) for name in _OTHER], sort_keys=True)


def _digest(row: Sequence[Piece], section: int, most: int | None = None) -> bytes:
    """The hash of a section's pieces, or of its first ones; other than of fewer than asked."""
    pieces = [piece for piece in row if piece.section == section]
    state = hashlib.blake2b(digest_size=16)
    for piece in pieces if most is None else pieces[:most]:
        text = json.dumps([piece.role, canonical(piece.block)])
        state.update(text.encode(errors="surrogatepass") + b"\n")
    return state.digest()
