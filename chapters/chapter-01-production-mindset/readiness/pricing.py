"""What a model call costs: the book's one price table.

Prevents the bill that nobody computed. Prices are US dollars per million tokens (MTok); every row
names its source and the day it was read. All arithmetic is Decimal, because fractions of a cent
add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType

MTOK = Decimal(1_000_000)
TABLES = "genai-prices 0.2.3 and litellm 1.109.1, which agree"
GENAI_PRICES = "genai-prices 0.2.3"
READ_ON = "2026-11-20"


class UnknownModelError(LookupError):
    """No price is known for a model; a guess would look like a fact."""


@dataclass(frozen=True)
class Price:
    """US dollars per MTok of each kind of token.

    With ``long_prompt``, a call whose whole prompt is longer than ``long_above`` tokens is billed
    entirely at those rates. Raises ValueError for a price that is negative or no Decimal.
    """

    input: Decimal
    output: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    cache_read: Decimal
    source: str
    read_on: str  # ISO date
    long_above: int | None = None
    long_prompt: Price | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read"):
            value = getattr(self, name)
            if not (isinstance(value, Decimal) and value.is_finite() and value >= 0):
                raise ValueError(f"{name} must be a Decimal of 0 or more, not {value!r}")


def _row(
    rates: str,
    source: str = TABLES,
    read_on: str = READ_ON,
    long_above: int | None = None,
    long_prompt: Price | None = None,
) -> Price:
    a, b, c, d, e = map(Decimal, rates.split())
    return Price(a, b, c, d, e, source, read_on, long_above, long_prompt)


#                     input output write5m write1h read
_FABLE_5_2 = _row("    8    40     10      16    0.20", GENAI_PRICES)
_FABLE_5_1 = _row("   10    50     12.50   20    0.25")
_FABLE_5 = _row("     10    50     12.50   20    1", GENAI_PRICES, "2026-11-29")
_OPUS_5_5 = _row("     4    20      5       8    0.20")
_OPUS_5 = _row("       5    25      6.25   10    0.50")
_SONNET_5_5 = _row("   2    10      2.50    4    0.10")
_SONNET_5 = _row("     2    10      2.50    4    0.20")
_SONNET_4 = _row("     3    15      3.75    6    0.30")
_HAIKU_LONG = _row("   0.50  2.50   0.625   1    0.05")
_HAIKU_5_5 = _row("    0.10  0.50   0.125   0.20 0.01", long_above=100_000, long_prompt=_HAIKU_LONG)
_HAIKU_4_5 = _row("    1     5      1.25    2    0.10")

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

# When the API stops serving a model (DEPRECATED_MODELS of anthropic 2.11.0).
RETIRES_ON: Mapping[str, date] = MappingProxyType(
    {
        "claude-sonnet-4-5": date(2026, 11, 30),
        "claude-sonnet-4-5-20250929": date(2026, 11, 30),
    }
)


def cost_usd(
    model: str,
    input_tokens: int,
    output_tokens: int,
    *,
    cache_write_5m_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
    cache_read_tokens: int = 0,
) -> Decimal:
    """The price of one call in US dollars, exact.

    The counts are the API's own: ``input_tokens`` excludes tokens written to or read from the
    cache. Raises UnknownModelError for a model without a row and ValueError for a negative count.
    """
    counts = (input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens)
    if min(*counts, cache_read_tokens) < 0:
        raise ValueError("token counts cannot be negative")
    if model not in PRICES:
        raise UnknownModelError(f"no price is known for {model!r}; known: {', '.join(PRICES)}")
    price = PRICES[model]
    prompt = input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens
    if price.long_prompt is not None and prompt > (price.long_above or 0):
        price = price.long_prompt
    return (
        input_tokens * price.input
        + output_tokens * price.output
        + cache_write_5m_tokens * price.cache_write_5m
        + cache_write_1h_tokens * price.cache_write_1h
        + cache_read_tokens * price.cache_read
    ) / MTOK
