"""What of a prompt is cached, and what a request costs.

This prevents a bill that cannot be explained. One estimate (``tokens``) serves usage, limits,
bills and count_tokens.
``input_tokens`` is what the cache neither wrote nor read (see ``prompt_cache``): all input is
input + creation + read.

Billing: a request that is refused, hangs, is reset or is answered by a status fault costs
nothing, because the fault comes before the model. Every other one is billed in full, also when a
delay or a broken stream made its client leave before the end: the model had done its work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from mock_claude.accounts.diagnostics import Diagnostics
from mock_claude.accounts.limits import RateLimits
from mock_claude.accounts.moments import Moments
from mock_claude.accounts.pieces import pieces, prompt_tokens, salts_of
from mock_claude.accounts.prompt_cache import DEFAULT_MINIMUM, MINIMUM, Found, PromptCache
from mock_claude.accounts.tenants import Tenants
from mock_claude.accounts.threads import Threads
from mock_claude.accounts.tokens import call_tokens, cut_text, text_tokens
from mock_claude.api.catalog import BATCH_FACTOR, FAST_FACTOR, PRICES, Model, Price

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

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Usage:
    """The token counts of one answered request."""

    input_tokens: int
    """Input that the cache neither wrote nor read."""
    output_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    """How much of what the cache wrote is to live an hour; the rest lives five minutes."""
    speed: str = "standard"
    tier: str = "standard"
    cached: Found | None = field(default=None, compare=False, repr=False)
    """What the cache is to do: nothing of it has happened before :meth:`Accounts.use`."""

    @property
    def limited_input_tokens(self) -> int:
        """What rate limits count: reads from the cache are free."""
        return self.input_tokens + self.cache_creation_input_tokens

    def with_output(self, tokens: int) -> Usage:
        """The same, once the model has answered."""
        return Usage(
            self.input_tokens, tokens, self.cache_creation_input_tokens,
            self.cache_read_input_tokens, self.cache_creation_1h_input_tokens, self.speed,
            self.tier, self.cached,
        )  # fmt: skip

    @property
    def total_input_tokens(self) -> int:
        """Everything the request showed the model."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens


class Accounts:
    """Usage per request, prompt cache, limits and spending. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._cache = PromptCache()
        self.moments = Moments(clock)
        self.tenants = Tenants()
        self.limits = RateLimits(clock, self.moments)
        self.threads = Threads()
        self._diagnostics = Diagnostics()

    def usage(
        self, raw: Mapping[str, object], model: Model, workspace: str, output_tokens: int
    ) -> Usage:
        """What a validated request uses now; it reads the cache and prepares what it writes."""
        found = self.measure(raw, model, workspace).with_output(output_tokens)
        self.use(found)
        return found

    def measure(
        self, raw: Mapping[str, object], model: Model, workspace: str, tier: str = "standard"
    ) -> Usage:
        """What the input of a validated request would cost now; nothing changes by it."""
        row = list(pieces(raw))
        total = max(sum(piece.tokens for piece in row), 1)
        speed = "fast" if raw.get("speed") == "fast" else "standard"
        if not any(piece.life_s for piece in row):
            return Usage(total, 0, speed=speed, tier=tier)
        minimum = MINIMUM.get(model.id, DEFAULT_MINIMUM)
        salts = salts_of(raw, row, model.id, workspace)
        found = self._cache.account(row, salts, minimum, self._clock())
        rest = total - found.created - found.read
        return Usage(
            rest, 0, found.created, found.read, found.created_1h, speed, tier, cached=found
        )

    def use(self, usage: Usage) -> None:
        """The request is served: what it reads lives on."""
        if usage.cached is not None and usage.cached.used:
            self._cache.use(usage.cached.used, self._clock())

    def began(self, usage: Usage) -> None:
        """The response has begun: what the request wrote can be read from now on."""
        if usage.cached is not None and usage.cached.write is not None:
            self._cache.begin(usage.cached.write, self._clock())

    def diagnosis(
        self, raw: Mapping[str, object], workspace: str, usage: Usage, message_id: str
    ) -> dict[str, object] | None:
        """The response's ``diagnostics``; a request that carries some is remembered."""
        if not isinstance(raw.get("diagnostics"), dict):
            return None
        row = list(pieces(raw))
        found = self._diagnostics.miss(raw, row, workspace, usage.cache_read_input_tokens)
        reach = 0 if usage.cached is None else usage.cached.reach
        self._diagnostics.remember(raw, row, workspace, message_id, reach)
        return found

    def preview(self, raw: Mapping[str, object]) -> int:
        """All input tokens of the request, without touching the cache."""
        return prompt_tokens(raw)


def bill(model: Model, usage: Usage) -> Decimal:
    """What the request costs in USD, exactly; equal bills are one object, for the log's sake."""
    return _bill(
        model.id, usage.input_tokens, usage.output_tokens, usage.cache_creation_input_tokens,
        usage.cache_read_input_tokens, usage.cache_creation_1h_input_tokens, usage.speed,
        usage.tier,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _bill(
    model: str, fresh: int, output: int, written: int, read: int, hour: int, speed: str, tier: str
) -> Decimal:
    return cost_usd(PRICES[model], Usage(fresh, output, written, read, hour, speed, tier))


def cost_usd(price: Price, usage: Usage) -> Decimal:
    """What the request costs in USD, exactly. The size of the whole prompt decides the rate.

    Fast speed costs twice (genai-prices, 2026-11-29), a request of a batch half, all of it.
    """
    rate = price.for_prompt(usage.total_input_tokens)
    written_1h = usage.cache_creation_1h_input_tokens
    cost = (
        usage.input_tokens * rate.input
        + (usage.cache_creation_input_tokens - written_1h) * rate.write_5m
        + written_1h * rate.write_1h
        + usage.cache_read_input_tokens * rate.cache_read
        + usage.output_tokens * rate.output
    ) / _MILLION
    if usage.speed == "fast":
        cost *= FAST_FACTOR
    return cost * BATCH_FACTOR if usage.tier == "batch" else cost
