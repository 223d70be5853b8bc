"""The prompt cache for five minutes: which part of a prompt is read, which is written.

This prevents a bill for caching that no one can foresee. The rules, from the documentation of
prompt caching (2026-09-26):

- A prompt is a row of pieces: tools, then system, then messages. A prefix is known by a hash of
  its pieces, exactly as sent (cache marks aside), for one API key and one model.
- Writes happen at breakpoints only. A read takes the longest prefix known, looking back at most
  20 positions from each breakpoint, itself the first; a run of tool_use or of tool_result blocks
  is one position.
- A prefix below the model's minimum is neither written nor read, and nobody is told.
- An entry lives five minutes from the start of the request that last used it. It can be read
  once the response to the request that wrote it has begun: parallel requests miss.
- The choice of tools, thinking, effort and the presence of images count as part of the messages;
  speed and citations as part of the system prompt.

The one-hour cache is not simulated: a mark with ``ttl: "1h"`` is accounted as one of five minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from mock_claude.accounts.prefixes import MESSAGES, Piece
from mock_claude.accounts.prefixes import prefixes as known_by

TTL_S = 300.0
LOOKBACK = 20  # positions per breakpoint, the breakpoint included
ENTRIES = 50_000  # prefixes kept; beyond them the least recently used are forgotten (about 10 MB)

_RUNS = frozenset({"tool_use", "tool_result"})

DEFAULT_MINIMUM = 512
"""Tokens; assumed for claude-haiku-5-5 and the 5.2 models, whose minimum no source states."""

MINIMUM: Mapping[str, int] = MappingProxyType(
    {
        "claude-opus-4-8": 1024,
        "claude-opus-4-7": 2048,
        "claude-opus-4-6": 4096,
        "claude-opus-4-5": 4096,
        "claude-opus-4-5-20251101": 4096,
        "claude-sonnet-5": 1024,
        "claude-sonnet-4-6": 1024,
        "claude-sonnet-4-5": 1024,
        "claude-sonnet-4-5-20250929": 1024,
        "claude-haiku-4-5": 4096,
        "claude-haiku-4-5-20251001": 4096,
    }
)


class Write(NamedTuple):
    """Prefixes that become readable when the response begins, and when they expire."""

    prefixes: tuple[bytes, ...]
    expires_at: float


@dataclass(frozen=True)
class Account:
    """What of a prompt was written and read, in tokens; ``write`` is for :meth:`begin`."""

    created: int = 0
    read: int = 0
    write: Write | None = None


_NOTHING = Account()


class PromptCache:
    """The known prefixes. Times are seconds of the caller's clock."""

    def __init__(self, limit: int = ENTRIES) -> None:
        self._limit = limit
        self._expires_at: dict[bytes, float] = {}  # the least recently used first

    def __len__(self) -> int:
        return len(self._expires_at)

    def account(
        self,
        pieces: Sequence[Piece],
        salts: Sequence[str],
        minimum: int,
        now: float,
    ) -> Account:
        """Read what is known; what is new is written by :meth:`begin`.

        ``salts`` holds, for each section, what else its content depends on; the first one also
        says whose cache it is.
        """
        totals, total = list[int](), 0
        for piece in pieces:
            total += piece.tokens
            totals.append(total)
        marks = [n for n, each in enumerate(pieces) if each.marked and totals[n] >= minimum]
        if not marks:
            return _NOTHING
        prefixes = known_by(pieces[: marks[-1] + 1], salts)
        hit = self._longest_hit(pieces, prefixes, marks, now)
        used = {prefixes[mark] for mark in marks}
        if hit is not None:
            used.add(prefixes[hit])
        known = [each for each in used if self._is_fresh(each, now)]
        for prefix in known:
            self._put(prefix, now + TTL_S)
        read = 0 if hit is None else totals[hit]
        new = tuple(used.difference(known))
        return Account(totals[marks[-1]] - read, read, Write(new, now + TTL_S) if new else None)

    def begin(self, write: Write, now: float) -> None:
        """The response has begun: from now on, what it wrote can be read."""
        for prefix in write.prefixes:
            self._put(prefix, max(write.expires_at, self._expires_at.get(prefix, 0.0)))
        while self._expires_at:
            oldest = next(iter(self._expires_at))
            if len(self._expires_at) <= self._limit and self._is_fresh(oldest, now):
                return
            del self._expires_at[oldest]

    def _longest_hit(
        self, pieces: Sequence[Piece], prefixes: Sequence[bytes], marks: Sequence[int], now: float
    ) -> int | None:
        longest = None
        for mark in marks:
            position, place = 1, mark
            while place >= 0 and position <= LOOKBACK and (longest is None or place > longest):
                if self._is_fresh(prefixes[place], now):
                    longest = place
                    break
                position += not (place and _is_one_run(pieces[place - 1], pieces[place]))
                place -= 1
        return longest

    def _is_fresh(self, prefix: bytes, now: float) -> bool:
        return now < self._expires_at.get(prefix, now)

    def _put(self, prefix: bytes, expires_at: float) -> None:
        self._expires_at.pop(prefix, None)  # to the end: the most recently used
        self._expires_at[prefix] = expires_at


def _is_one_run(one: Piece, two: Piece) -> bool:
    kind = _kind(two.block)
    return kind in _RUNS and one.section == two.section == MESSAGES and _kind(one.block) == kind


def _kind(block: object) -> object:
    return block.get("type") if isinstance(block, dict) else None
