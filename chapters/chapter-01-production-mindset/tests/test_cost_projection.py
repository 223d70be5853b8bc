"""A projection is the bill of observed tasks, multiplied; a what-if is the same bill, changed."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam, Usage
from hypothesis import given
from hypothesis import strategies as st

from readiness.cost_projection import (
    Call,
    Change,
    Projection,
    another_model,
    cost_of_task,
    downtime_usd,
    project,
    prompt_caching,
    shorter_answers,
    what_if,
)
from readiness.pricing import PRICES, UnknownModelError
from readiness.slo import SLO

if TYPE_CHECKING:
    from mock_claude import Simulator

MTOK = Decimal(1_000_000)
SONNET, OPUS, HAIKU = "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"

# Sonnet 5.5 is $2 in, $10 out, $2.50 to write and $0.10 to read the cache, per million tokens.
CHEAP = [Call(SONNET, 1_000, 100)]  # $0.003
MIDDLE = [Call(SONNET, 2_000, 200), Call(SONNET, 1_000, 0)]  # $0.008
DEAR = [Call(OPUS, 10_000, 1_000)]  # $0.06
TASKS = [DEAR, CHEAP, MIDDLE]

TOKENS = st.integers(0, 300_000)
CALLS = st.builds(Call, st.sampled_from(sorted(PRICES)), TOKENS, TOKENS, TOKENS, TOKENS)
SHARES = st.decimals(0, 1, places=3)


# The bill of the simulator


async def test_the_projection_of_each_of_100_tasks_is_the_bill_of_the_simulator(
    simulator: Simulator,
) -> None:
    models = [OPUS, SONNET, HAIKU, "claude-haiku-4-5"]
    tasks: list[list[Call]] = []
    bills: list[Decimal] = []
    seen = 0
    async with AsyncAnthropic(base_url=simulator.url, api_key="any", max_retries=0) as client:
        for number in range(100):
            # Every fifth task has a system prompt of its own; one prompt is over 100,000 tokens.
            words = 120_000 if number == 2 else 1_500
            system = f"Rules of house {number // 5}. " + "Be brief. " * (words * 4 // 10)
            tasks.append(await run_task(client, system, number, models))
            exchanges = simulator.log[seen:]
            seen += len(exchanges)
            bills.append(sum((each.cost_usd for each in exchanges), Decimal(0)))
            assert [Call.of(str(each.model), each) for each in exchanges] == tasks[-1]
    calls = [call for task in tasks for call in task]
    assert {call.model for call in calls} == set(models)
    assert len(calls) > len(tasks)
    assert any(call.cache_creation_input_tokens for call in calls)
    assert any(call.cache_read_input_tokens for call in calls)
    assert any(call.model == HAIKU and call.input_tokens > 100_000 for call in calls)

    assert [cost_of_task(task) for task in tasks] == bills
    projection = project(tasks, requests_per_day=100)
    assert projection.per_day_usd == sum(each.cost_usd for each in simulator.log) > 0
    assert projection.per_month_usd == 30 * projection.per_day_usd
    assert projection.mean_usd == projection.per_day_usd / 100


async def run_task(
    client: AsyncAnthropic, system: str, number: int, models: list[str]
) -> list[Call]:
    """A dialogue of one to three turns, two tasks in three with a cached system prompt."""
    calls: list[Call] = []
    messages: list[MessageParam] = []
    for turn in range(1 + number % 3):
        messages.append({"role": "user", "content": f"What is {number} * {turn + 7}?"})
        model = models[(number + turn) % len(models)]
        message = await client.messages.create(
            model=model,
            max_tokens=200,
            system=[{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
            if (number + 1) % 3
            else system,
            messages=messages,
        )
        messages.append(message.to_param())
        calls.append(Call.of(model, message.usage))
    return calls


# A task


def test_a_task_costs_what_its_calls_cost() -> None:
    assert cost_of_task(CHEAP) == Decimal("0.003")
    assert cost_of_task(MIDDLE) == Decimal("0.008")
    assert cost_of_task(DEAR) == Decimal("0.06")


def test_cache_tokens_have_prices_of_their_own() -> None:
    call = Call(SONNET, 1, 1, cache_creation_input_tokens=1_000, cache_read_input_tokens=100_000)
    assert cost_of_task([call]) == Decimal("0.000012") + Decimal("0.0025") + Decimal("0.01")


def test_a_task_without_a_call_costs_nothing() -> None:
    cost = cost_of_task([])
    assert cost == 0
    assert isinstance(cost, Decimal)


def test_a_model_without_a_price_is_refused_by_name() -> None:
    with pytest.raises(UnknownModelError, match="claude-unheard-of"):
        cost_of_task([Call("claude-unheard-of", 1, 1)])


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None])
@pytest.mark.parametrize(
    "field",
    ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"],
)
def test_a_count_that_is_no_count_is_refused_by_name(field: str, value: int) -> None:
    counts = {"input_tokens": 1, "output_tokens": 1, field: value}
    with pytest.raises(ValueError, match=rf"^{field} must be a whole number >= 0, not {value!r}$"):
        Call(SONNET, **counts)


def test_the_apis_usage_is_taken_as_it_is() -> None:
    usage = Usage(
        input_tokens=1,
        output_tokens=2,
        cache_creation_input_tokens=3,
        cache_read_input_tokens=4,
    )
    assert Call.of(OPUS, usage) == Call(OPUS, 1, 2, 3, 4)


def test_counts_that_the_api_leaves_out_are_zero() -> None:
    assert Call.of(OPUS, Usage(input_tokens=1, output_tokens=2)) == Call(OPUS, 1, 2, 0, 0)


# A day and a month


def test_a_day_is_the_mean_task_times_its_requests_and_a_month_is_thirty_days() -> None:
    assert project(TASKS, 3_000) == Projection(
        mean_usd=Decimal("0.071") / 3,
        median_usd=Decimal("0.008"),
        per_day_usd=Decimal(71),
        per_month_usd=Decimal(2_130),
    )


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    assert project([*TASKS, DEAR], 1).median_usd == Decimal("0.034")


def test_only_a_division_rounds() -> None:
    """A day of three tasks a third of whose cost is no decimal is exact all the same."""
    projection = project([CHEAP, CHEAP, [Call(SONNET, 1, 0)]], 3)
    assert projection.per_day_usd == Decimal("0.006002")
    assert projection.per_month_usd == Decimal("0.18006")
    assert projection.mean_usd * 3 != projection.per_day_usd


def test_no_requests_cost_nothing() -> None:
    projection = project(TASKS, 0)
    assert projection.per_day_usd == projection.per_month_usd == 0
    assert projection.median_usd == Decimal("0.008")


def test_without_an_observed_task_there_is_no_projection() -> None:
    with pytest.raises(ValueError, match=r"^tasks is empty: without an observed task"):
        project([], 10)


@pytest.mark.parametrize("value", [-1, 0.5, True])
def test_requests_are_counted(value: int) -> None:
    with pytest.raises(ValueError, match=rf"^requests_per_day must be a whole .*, not {value}$"):
        project(TASKS, value)


# What if


def test_a_what_if_shows_both_bills_and_the_difference() -> None:
    result = what_if([DEAR, DEAR, CHEAP], 1_000, another_model(SONNET))
    assert result.before == project([DEAR, DEAR, CHEAP], 1_000)
    assert result.after == project([[Call(SONNET, 10_000, 1_000)]] * 2 + [CHEAP], 1_000)
    assert result.saving == Projection(
        mean_usd=Decimal("0.041") - Decimal("0.063") / 3,
        median_usd=Decimal("0.03"),
        per_day_usd=Decimal(20),
        per_month_usd=Decimal(600),
    )


def test_nothing_changed_saves_nothing() -> None:
    assert what_if(TASKS, 5).saving == Projection(*[Decimal(0)] * 4)


def test_a_dearer_model_saves_less_than_nothing() -> None:
    assert what_if([CHEAP], 1, another_model(OPUS)).saving.mean_usd == Decimal("-0.003")


def test_only_the_calls_that_are_meant_go_to_another_model() -> None:
    first, second = MIDDLE
    change = another_model(HAIKU, when=lambda call: call.output_tokens == 0)
    assert cost_of_task(MIDDLE, change) == cost_of_task([first]) + cost_of_task(
        [Call(HAIKU, second.input_tokens, second.output_tokens)]
    )


def test_another_model_keeps_the_cache_tokens() -> None:
    call = Call(OPUS, 1, 2, 3, 4)
    assert cost_of_task([call], another_model(SONNET)) == Call(SONNET, 1, 2, 3, 4).cost_usd


def test_another_model_must_have_a_price() -> None:
    with pytest.raises(UnknownModelError, match="claude-unheard-of"):
        another_model("claude-unheard-of")


def test_a_long_prompt_moved_to_haiku_is_billed_at_its_higher_rate() -> None:
    cost = cost_of_task([Call(SONNET, 100_001, 0)], another_model(HAIKU))
    assert cost == Decimal("0.0500005")


def test_shorter_answers_cost_their_part_of_the_output() -> None:
    assert cost_of_task(DEAR, shorter_answers(Decimal("0.25"))) == Decimal("0.045")
    assert cost_of_task([Call(OPUS, 0, 3)], shorter_answers(Decimal("0.5"))) == 30 / MTOK


def test_no_answer_costs_its_question_and_twice_the_answer_twice() -> None:
    assert cost_of_task(DEAR, shorter_answers(Decimal(0))) == Decimal("0.04")
    assert cost_of_task(DEAR, shorter_answers(Decimal(1))) == Decimal("0.06")
    assert cost_of_task(DEAR, shorter_answers(Decimal(2))) == Decimal("0.08")


def test_only_the_answers_that_are_meant_are_shorter() -> None:
    change = shorter_answers(Decimal(0), when=lambda call: call.model == OPUS)
    assert cost_of_task([*DEAR, *CHEAP], change) == Decimal("0.043")


def test_a_cached_prefix_is_written_when_missed_and_read_when_hit() -> None:
    call = Call(SONNET, 10_000, 0)
    for hits, cost in (
        ("0", 2_000 * Decimal(2) + 8_000 * Decimal("2.50")),
        ("1", 2_000 * Decimal(2) + 8_000 * Decimal("0.10")),
        ("0.9", 2_000 * Decimal(2) + 800 * Decimal("2.50") + 7_200 * Decimal("0.10")),
    ):
        change = prompt_caching(Decimal(hits), prefix_tokens=8_000)
        assert cost_of_task([call], change) == cost / MTOK


def test_a_share_of_the_prompt_is_cached_like_a_count_of_it() -> None:
    call = Call(SONNET, 10_000, 50)
    by_share = prompt_caching(Decimal("0.75"), prefix_share=Decimal("0.8"))
    by_count = prompt_caching(Decimal("0.75"), prefix_tokens=8_000)
    assert cost_of_task([call], by_share) == cost_of_task([call], by_count)
    nothing = prompt_caching(Decimal(1), prefix_share=Decimal(0))
    assert cost_of_task([call], nothing) == call.cost_usd


def test_what_is_cached_already_stays_cached() -> None:
    call = Call(SONNET, 1_000, 10, 200, 3_000)
    hit = prompt_caching(Decimal(1), prefix_tokens=1_000)
    miss = prompt_caching(Decimal(0), prefix_tokens=400)
    assert cost_of_task([call], hit) == Call(SONNET, 0, 10, 200, 4_000).cost_usd
    assert cost_of_task([call], miss) == Call(SONNET, 600, 10, 600, 3_000).cost_usd


def test_a_prefix_cannot_be_longer_than_the_prompt() -> None:
    with pytest.raises(ValueError, match=r"^prefix_tokens \(1001\) is more than the input of Call"):
        cost_of_task(CHEAP, prompt_caching(Decimal(1), prefix_tokens=1_001))


def test_calls_without_the_prefix_can_be_left_out() -> None:
    change = prompt_caching(
        Decimal(1), prefix_tokens=5_000, when=lambda call: call.input_tokens >= 5_000
    )
    saved = 5_000 * (Decimal(4) - Decimal("0.20")) / MTOK
    assert cost_of_task([*CHEAP, *DEAR], change) == Decimal("0.063") - saved


def test_a_prefix_is_a_count_or_a_share() -> None:
    with pytest.raises(ValueError, match=r"^give either prefix_tokens or prefix_share$"):
        prompt_caching(Decimal(1))
    with pytest.raises(ValueError, match=r"^give either prefix_tokens or prefix_share$"):
        prompt_caching(Decimal(1), prefix_tokens=0, prefix_share=Decimal(0))


def test_a_caching_long_prompt_keeps_its_long_rate() -> None:
    call = Call(HAIKU, 100_001, 0)
    cost = cost_of_task([call], prompt_caching(Decimal(1), prefix_tokens=100_000))
    assert cost == (Decimal("0.50") + 100_000 * Decimal("0.05")) / MTOK


def test_changes_are_made_one_after_the_other() -> None:
    """Each change sees the calls as the one before left them."""
    to_sonnet = another_model(SONNET)
    half = shorter_answers(Decimal("0.5"), when=lambda call: call.model == SONNET)
    assert cost_of_task(DEAR, to_sonnet, half) == Decimal("0.025")
    assert cost_of_task(DEAR, half, to_sonnet) == Decimal("0.03")


@pytest.mark.parametrize("value", [Decimal("-0.1"), Decimal("NaN"), Decimal("Infinity"), 0.5, True])
def test_amounts_are_finite_decimals_from_zero_up(value: Decimal) -> None:
    for field, make in (
        ("factor", lambda: shorter_answers(value)),
        ("hit_ratio", lambda: prompt_caching(value, prefix_tokens=1)),
        ("prefix_share", lambda: prompt_caching(Decimal(1), prefix_share=value)),
        ("budget_minutes", lambda: downtime_usd(value, Decimal(1))),
        ("revenue_per_minute_usd", lambda: downtime_usd(Fraction(1), value)),
    ):
        with pytest.raises(ValueError, match=rf"^{field} must be a Decimal from 0 to "):
            make()


def test_shares_are_at_most_one() -> None:
    above = Decimal("1.01")
    with pytest.raises(
        ValueError, match=rf"^hit_ratio must be a Decimal from 0 to 1, not .*{above}"
    ):
        prompt_caching(above, prefix_tokens=1)
    with pytest.raises(ValueError, match=r"^prefix_share must be a Decimal from 0 to 1, not "):
        prompt_caching(Decimal(1), prefix_share=above)


@pytest.mark.parametrize("value", [-1, 0.0, False])
def test_a_prefix_is_counted_in_whole_tokens(value: int) -> None:
    with pytest.raises(
        ValueError, match=rf"^prefix_tokens must be a whole number >= 0, not {value}$"
    ):
        prompt_caching(Decimal(1), prefix_tokens=value)


# Downtime


def test_a_month_of_three_nines_is_43_minutes_of_revenue() -> None:
    assert downtime_usd(SLO(0.999).budget_minutes, Decimal(250)) == Decimal(10_800)
    assert downtime_usd(Decimal("43.2"), Decimal("0.01")) == Decimal("0.432")


def test_downtime_costs_nothing_without_minutes_or_revenue() -> None:
    assert downtime_usd(Fraction(0), Decimal(5)) == 0
    assert downtime_usd(Fraction(216, 5), Decimal(0)) == 0


def test_downtime_is_money_also_for_whole_numbers() -> None:
    cost = downtime_usd(Fraction(5, 2), 3)  # type: ignore[arg-type]
    assert cost == Decimal("7.5")
    assert isinstance(cost, Decimal)


def test_a_third_of_a_minute_is_rounded_once() -> None:
    assert downtime_usd(Fraction(1, 3), Decimal(3)) == 1


def test_negative_minutes_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^budget_minutes must be .*-1"):
        downtime_usd(Fraction(-1, 3), Decimal(1))


# For any calls


@given(st.lists(st.lists(CALLS, max_size=4), min_size=1, max_size=5), st.integers(0, 10**6))
def test_money_is_decimal_and_a_day_of_the_observed_tasks_is_their_sum(
    tasks: list[list[Call]], requests_per_day: int
) -> None:
    assert project(tasks, len(tasks)).per_day_usd == sum(map(cost_of_task, tasks))
    projection = project(tasks, requests_per_day)
    assert all(isinstance(amount, Decimal) and amount >= 0 for amount in vars(projection).values())
    month = 30 * projection.per_day_usd
    assert abs(projection.per_month_usd - month) <= month * Decimal("1e-25")


@given(CALLS, SHARES, SHARES, SHARES)
def test_every_change_is_linear(call: Call, hits: Decimal, share: Decimal, part: Decimal) -> None:
    """Halfway between two changes costs half as much as the two together."""
    makes: list[tuple[Decimal, Change, Change, Change]] = [
        (
            hits,
            prompt_caching(hits, prefix_share=share),
            prompt_caching(Decimal(1), prefix_share=share),
            prompt_caching(Decimal(0), prefix_share=share),
        ),
        (
            share,
            prompt_caching(hits, prefix_share=share),
            prompt_caching(hits, prefix_share=Decimal(1)),
            prompt_caching(hits, prefix_share=Decimal(0)),
        ),
        (
            part,
            shorter_answers(part),
            shorter_answers(Decimal(1)),
            shorter_answers(Decimal(0)),
        ),
    ]
    for weight, mixed, one, zero in makes:
        expected = weight * cost_of_task([call], one) + (1 - weight) * cost_of_task([call], zero)
        assert cost_of_task([call], mixed) == expected
