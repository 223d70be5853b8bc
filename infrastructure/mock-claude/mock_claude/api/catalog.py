"""Which models the simulator offers, what they cost and when they end; ``traits`` has the rest.

This prevents a bill, or a refusal, that the real API would not give. The prices are the
simulator's own copy, so that a test can compare them with another table instead of with itself.

Prices: USD per million tokens. Sources: genai-prices 0.2.3 and litellm 1.109.1, which agree, and
the model overview pages, read on 2026-11-20. Retirement dates: ``DEPRECATED_MODELS`` of anthropic
2.11.0. The row of claude-fable-5, and which models have a fast mode at twice their price:
genai-prices, read on 2026-11-29. claude-mythos-5 is not offered: no source states its price.

Lifecycle is judged at ``AS_OF``, not at the wall clock: a run gives the same answers next year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from mock_claude.api.traits import Traits, traits_of

AS_OF = date(2026, 11, 20)


@dataclass(frozen=True)
class Price:
    """USD per million tokens. Prompts above ``long_above`` tokens are billed by ``long`` whole."""

    input: Decimal
    output: Decimal
    write_5m: Decimal
    write_1h: Decimal
    cache_read: Decimal
    long_above: int | None = None
    long: Price | None = None

    def for_prompt(self, tokens: int) -> Price:
        """The price that applies to a prompt of ``tokens`` tokens."""
        if self.long is not None and self.long_above is not None and tokens > self.long_above:
            return self.long
        return self


def _price(row: str, long_above: int | None = None, long: Price | None = None) -> Price:
    prompt, output, write_5m, write_1h, cache_read = map(Decimal, row.split())
    return Price(prompt, output, write_5m, write_1h, cache_read, long_above, long)


#       input output write_5m write_1h cache_read
_FABLE_5_2 = _price("8 40 10 16 0.20")
_FABLE_5_1 = _price("10 50 12.50 20 0.25")
_FABLE_5 = _price("10 50 12.50 20 1")
_OPUS_5_5 = _price("4 20 5 8 0.20")
_OPUS_5 = _price("5 25 6.25 10 0.50")
_SONNET_5_5 = _price("2 10 2.50 4 0.10")
_SONNET_5 = _price("2 10 2.50 4 0.20")
_SONNET_4 = _price("3 15 3.75 6 0.30")
_HAIKU_5_5 = _price("0.10 0.50 0.125 0.20 0.01", 100_000, _price("0.50 2.50 0.625 1 0.05"))
_HAIKU_4_5 = _price("1 5 1.25 2 0.10")

PRICES: Mapping[str, Price] = MappingProxyType(
    {
        "claude-fable-5-2": _FABLE_5_2,
        "claude-mythos-5-2": _FABLE_5_2,
        "claude-fable-5-1": _FABLE_5_1,
        "claude-mythos-5-1": _FABLE_5_1,
        "claude-fable-5": _FABLE_5,
        "claude-opus-5-5": _OPUS_5_5,
        "claude-opus-5": _OPUS_5,
        "claude-opus-4-8": _OPUS_5,
        "claude-opus-4-7": _OPUS_5,
        "claude-opus-4-6": _OPUS_5,
        "claude-opus-4-5": _OPUS_5,
        "claude-opus-4-5-20251101": _OPUS_5,
        "claude-sonnet-5-5": _SONNET_5_5,
        "claude-sonnet-5": _SONNET_5,
        "claude-sonnet-4-6": _SONNET_4,
        "claude-sonnet-4-5": _SONNET_4,
        "claude-sonnet-4-5-20250929": _SONNET_4,
        "claude-haiku-5-5": _HAIKU_5_5,
        "claude-haiku-4-5": _HAIKU_4_5,
        "claude-haiku-4-5-20251001": _HAIKU_4_5,
    }
)

FAST = frozenset(
    {
        "claude-fable-5-2",
        "claude-mythos-5-2",
        "claude-opus-5-5",
        "claude-opus-5",
        "claude-opus-4-8",
    }
)
"""Models that take ``speed: fast``."""

FAST_FACTOR = 2
BATCH_FACTOR = Decimal("0.5")

RETIRES_ON: Mapping[str, date] = MappingProxyType(
    {
        "claude-sonnet-4-5": date(2026, 11, 30),
        "claude-sonnet-4-5-20250929": date(2026, 11, 30),
        "claude-mythos-preview": date(2026, 6, 30),
        "claude-opus-4-0": date(2026, 6, 15),
        "claude-opus-4-20250514": date(2026, 6, 15),
        "claude-sonnet-4-0": date(2026, 6, 15),
        "claude-sonnet-4-20250514": date(2026, 6, 15),
        "claude-3-7-sonnet-latest": date(2026, 2, 19),
        "claude-3-7-sonnet-20250219": date(2026, 2, 19),
        "claude-3-5-haiku-latest": date(2026, 2, 19),
        "claude-3-5-haiku-20241022": date(2026, 2, 19),
        "claude-3-opus-20240229": date(2026, 1, 5),
        "claude-3-sonnet-20240229": date(2025, 7, 21),
        "claude-2.1": date(2025, 7, 21),
        "claude-2.0": date(2025, 7, 21),
    }
)


@dataclass(frozen=True)
class Model:
    """One model as a caller may use it."""

    id: str
    price: Price
    lifecycle: Literal["active", "deprecated"]
    traits: Traits


@lru_cache(maxsize=1024)
def lookup(model_id: str) -> Model | None:
    """The model of that id, or None if the API would answer 404: unknown, or retired."""
    price = PRICES.get(model_id)
    if price is None or is_retired(model_id):
        return None
    lifecycle: Literal["active", "deprecated"] = (
        "deprecated" if model_id in RETIRES_ON else "active"
    )
    return Model(model_id, price, lifecycle, traits_of(model_id))


def is_retired(model_id: str) -> bool:
    """Whether the model's retirement lies at or before ``AS_OF``."""
    retires_on = RETIRES_ON.get(model_id)
    return retires_on is not None and retires_on <= AS_OF
