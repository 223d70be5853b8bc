"""A call costs what the price table says, to the last fraction of a cent."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.pricing import PRICES, UnknownModelError, cost_usd

TOKENS = st.integers(0, 10_000_000)


def test_a_million_tokens_each_way_cost_the_two_prices_together() -> None:
    assert cost_usd("claude-sonnet-5-5", 1_000_000, 1_000_000) == Decimal(12)


def test_fractions_of_a_cent_are_kept() -> None:
    assert cost_usd("claude-haiku-4-5", 1, 1) == Decimal("0.000006")


def test_cached_tokens_have_prices_of_their_own() -> None:
    cost = cost_usd(
        "claude-opus-5-5",
        0,
        0,
        cache_write_5m_tokens=1_000_000,
        cache_write_1h_tokens=1_000_000,
        cache_read_tokens=1_000_000,
    )
    assert cost == Decimal(5) + Decimal(8) + Decimal("0.20")


def test_a_prompt_over_the_limit_is_billed_whole_at_the_higher_rates() -> None:
    assert cost_usd("claude-haiku-5-5", 100_000, 0) == Decimal("0.01")
    assert cost_usd("claude-haiku-5-5", 100_001, 0) == Decimal("0.0500005")


def test_cached_tokens_count_towards_the_length_of_the_prompt() -> None:
    cost = cost_usd("claude-haiku-5-5", 1, 0, cache_read_tokens=100_000)
    assert cost == (Decimal("0.50") + 100_000 * Decimal("0.05")) / 1_000_000


def test_an_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(UnknownModelError, match="claude-unheard-of"):
        cost_usd("claude-unheard-of", 1, 1)


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        cost_usd("claude-sonnet-5-5", 1, -1)


@pytest.mark.parametrize("model", PRICES)
def test_every_row_names_its_source_and_the_day_it_was_read(model: str) -> None:
    price = PRICES[model]
    assert price.source
    assert date.fromisoformat(price.read_on) <= date.today()  # noqa: DTZ011 - a calendar day


@given(model=st.sampled_from(sorted(PRICES)), a=TOKENS, b=TOKENS)
def test_two_calls_of_short_prompts_cost_as_much_apart_as_together(
    model: str, a: int, b: int
) -> None:
    assert cost_usd(model, 0, a) + cost_usd(model, 0, b) == cost_usd(model, 0, a + b)


@pytest.mark.parametrize("wrong", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), 2.5])
def test_a_price_is_a_decimal_of_zero_or_more(wrong: Decimal) -> None:
    with pytest.raises(ValueError, match="output must be a Decimal of 0 or more"):
        replace(PRICES["claude-sonnet-5-5"], output=wrong)
