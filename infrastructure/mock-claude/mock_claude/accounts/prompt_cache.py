"""The prompt cache, for five minutes or an hour: which part of a prompt is read, which is written.

This prevents a bill for caching that no one can foresee. The rules, from the documentation of
prompt caching (2026-09-26):

- A prompt is a row of pieces: tools, then system, then messages. A prefix is known by a hash of
  its pieces, exactly as sent (cache marks aside), for one workspace and one model.
- Writes happen at breakpoints only. A read takes the longest prefix known, looking back at most
  20 positions from each breakpoint, itself the first; a run of tool_use or of tool_result blocks
  is one position.
- A prefix below the model's minimum is neither written nor read, and nobody is told.
- An entry lives five minutes, or the hour that its mark asked for, from the start of the request
  that last used it; what is only read keeps the life it was written with. It can be read once the
  response to the request that wrote it has begun: parallel requests miss.
- Of what is written, all up to the last breakpoint of an hour is billed as such, the rest as five
  minutes ("mixing different TTLs").
- The choice of tools, thinking, effort and the presence of images count as part of the messages;
  speed and citations as part of the system prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from mock_claude.accounts.prefixes import FIVE_MINUTES_S, MESSAGES, ONE_HOUR_S, Piece
from mock_claude.accounts.prefixes import prefixes as known_by

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
    """Prefixes that become readable when the response begins, each with its life in seconds."""

    prefixes: tuple[tuple[bytes, int], ...]
    asked_at: float


@dataclass(frozen=True)
class Found:
    """What of a prompt is written and read, in tokens.

    ``used`` is for :meth:`PromptCache.use`, ``write`` for :meth:`PromptCache.begin`.
    """

    created: int = 0
    read: int = 0
    created_1h: int = 0
    """How much of ``created`` is to live an hour."""
    reach: int = 0
    """All tokens up to the last breakpoint: what the next request may read."""
    used: tuple[bytes, ...] = ()
    write: Write | None = None


_NOTHING = Found()


class PromptCache:
    """The known prefixes. Times are seconds of the caller's clock."""

    def __init__(self, limit: int = ENTRIES) -> None:
        self._limit = limit
        # By life: when each prefix expires, the least recently used first.
        self._expires_at: dict[int, dict[bytes, float]] = {FIVE_MINUTES_S: {}, ONE_HOUR_S: {}}

    def __len__(self) -> int:
        return sum(map(len, self._expires_at.values()))

    def account(
        self, pieces: Sequence[Piece], salts: Sequence[str], minimum: int, now: float
    ) -> Found:
        """What a request would read and write now; nothing changes before :meth:`use`.

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
        read = 0 if hit is None else totals[hit]
        used = {prefixes[mark] for mark in marks if self._is_fresh(prefixes[mark], now)}
        if hit is not None:
            used.add(prefixes[hit])
        new = {prefixes[n]: pieces[n].life_s for n in marks if prefixes[n] not in used}
        hours = [totals[n] for n in marks if pieces[n].life_s == ONE_HOUR_S]
        return Found(
            totals[marks[-1]] - read,
            read,
            max(hours[-1] - read, 0) if hours else 0,
            totals[marks[-1]],
            tuple(used),
            Write(tuple(new.items()), now) if new else None,
        )

    def use(self, prefixes: Sequence[bytes], now: float) -> None:
        """A request that reads these has started: each gets its life anew."""
        for prefix in prefixes:
            for life_s, expires_at in self._expires_at.items():
                if now < expires_at.get(prefix, now):
                    _put(expires_at, prefix, now + life_s)

    def begin(self, write: Write, now: float) -> None:
        """The response has begun: from now on, what it wrote can be read."""
        for prefix, life_s in write.prefixes:
            expires_at = self._expires_at[life_s]
            _put(expires_at, prefix, max(write.asked_at + life_s, expires_at.get(prefix, 0.0)))
        for expires_at in self._expires_at.values():
            self._forget(expires_at, now)

    def _forget(self, expires_at: dict[bytes, float], now: float) -> None:
        """What has expired; and the least recently used, a tenth at once, beyond the limit."""
        excess = self._limit // 10 + 1 if len(expires_at) > self._limit else 0
        stale = list[bytes]()
        for number, (prefix, expires) in enumerate(expires_at.items()):
            if number >= excess and now < expires:
                break
            stale.append(prefix)
        for prefix in stale:
            del expires_at[prefix]

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
        return any(now < each.get(prefix, now) for each in self._expires_at.values())


def _put(expires_at: dict[bytes, float], prefix: bytes, expires: float) -> None:
    expires_at.pop(prefix, None)  # to the end: the most recently used
    expires_at[prefix] = expires


def _is_one_run(one: Piece, two: Piece) -> bool:
    kind = _kind(two.block)
    return kind in _RUNS and one.section == two.section == MESSAGES and _kind(one.block) == kind


def _kind(block: object) -> object:
    return block.get("type") if isinstance(block, dict) else None
