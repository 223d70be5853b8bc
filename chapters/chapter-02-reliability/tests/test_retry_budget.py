"""The budget bounds what retries add to the load of a dependency that is already down."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability import Event, RetriesStopped, RetryBudget, RetrySettings, retry, subscribe
from reliability.retries import MAX_BUDGETS


async def no_sleep(seconds: float) -> None: ...


class Down:
    """A dependency that fails every request and counts them."""

    def __init__(self) -> None:
        self.requests = 0

    async def call(self, tool_name: str = "search") -> None:
        self.requests += 1
        raise ConnectionResetError


async def test_ten_thousand_failing_calls_cause_at_most_a_fifth_more_requests() -> None:
    down = Down()
    call = retry(max_attempts=1_000_000, sleep=no_sleep)(down.call)
    for _ in range(10_000):
        with pytest.raises(ConnectionResetError):
            await call()
    assert 12_000 <= down.requests <= 12_100


async def test_a_full_budget_pays_for_its_capacity_before_it_runs_out() -> None:
    down = Down()
    settings = RetrySettings(max_attempts=1_000, budget_capacity=7, budget_per_call=0)
    call = retry(settings, sleep=no_sleep)(down.call)
    with pytest.raises(ConnectionResetError):
        await call()
    assert down.requests == 1 + 7
    with pytest.raises(ConnectionResetError):
        await call()
    assert down.requests == 1 + 7 + 1


async def test_an_exhausted_budget_is_told_as_the_reason() -> None:
    heard: list[Event] = []
    undo = subscribe(heard.append)
    with pytest.raises(ConnectionResetError):
        await retry(budget=RetryBudget(capacity=0, per_call=0), sleep=no_sleep)(Down().call)()
    undo()
    (stop,) = heard
    assert isinstance(stop, RetriesStopped)
    assert (stop.why, stop.attempts) == ("budget", 1)


async def test_calls_that_succeed_earn_retries_back() -> None:
    broken, down = False, Down()
    budget = RetryBudget(capacity=2, per_call=0.5)

    async def work() -> None:
        if broken:
            await down.call()

    call = retry(max_attempts=10, budget=budget, sleep=no_sleep)(work)
    budget.tokens = 0.0
    await call()
    await call()
    await call()
    broken = True
    with pytest.raises(ConnectionResetError):
        await call()
    assert down.requests == 1 + 2


async def test_each_dependency_of_one_decorator_has_its_own_budget() -> None:
    down = Down()
    settings = RetrySettings(max_attempts=100, budget_capacity=3, budget_per_call=0)
    call = retry(settings, sleep=no_sleep)(down.call)
    for tool in ("search", "weather"):
        with pytest.raises(ConnectionResetError):
            await call(tool)
    assert down.requests == 2 * (1 + 3)


async def test_two_decorators_share_nothing_unless_they_are_given_one_budget() -> None:
    settings = RetrySettings(max_attempts=100, budget_capacity=3, budget_per_call=0)
    apart, together, budget = Down(), Down(), RetryBudget(capacity=3, per_call=0)
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await retry(settings, sleep=no_sleep)(apart.call)()
        with pytest.raises(ConnectionResetError):
            await retry(settings, budget=budget, sleep=no_sleep)(together.call)()
    assert apart.requests == 2 * (1 + 3)
    assert together.requests == (1 + 3) + 1


async def test_invented_tool_names_do_not_fill_the_memory_and_a_name_in_use_is_kept() -> None:
    settings = RetrySettings(max_attempts=2, budget_capacity=1, budget_per_call=0)
    down = Down()
    call = retry(settings, sleep=no_sleep)(down.call)

    async def requests_of(tool: str) -> int:
        before = down.requests
        with pytest.raises(ConnectionResetError):
            await call(tool)
        return down.requests - before

    assert await requests_of("first") == 2
    assert await requests_of("kept") == 2
    for number in range(2 * MAX_BUDGETS):
        await requests_of(f"invented-{number}")
        assert await requests_of("kept") == 1, "its spent budget is remembered while it is in use"
    assert await requests_of("first") == 2, "forgotten, so it starts with a full budget"


async def test_a_call_that_stops_for_another_reason_pays_nothing() -> None:
    budget = RetryBudget(capacity=5, per_call=0)
    rules = {"limit": retry(max_attempts=1, budget=budget, sleep=no_sleep)}
    rules["deadline"] = retry(budget=budget, remaining_s=lambda: 0.0, sleep=no_sleep)
    rules["unsafe"] = retry(budget=budget, idempotent=lambda *call: False, sleep=no_sleep)
    for rule in rules.values():
        with pytest.raises(ConnectionResetError):
            await rule(Down().call)()
    assert budget.tokens == 5


@given(
    st.floats(0, 1_000), st.floats(0, 10), st.floats(0.01, 10), st.lists(st.booleans(), max_size=99)
)
def test_tokens_stay_between_zero_and_capacity(
    capacity: float, per_call: float, per_retry: float, steps: list[bool]
) -> None:
    budget = RetryBudget(capacity, per_call, per_retry)
    paid = 0
    for is_call in steps:
        if is_call:
            budget.add_call()
        else:
            paid += budget.take_retry()
        assert 0 <= budget.tokens <= capacity
    earned = capacity + per_call * sum(steps)
    assert paid * per_retry <= earned + 1e-6


@pytest.mark.parametrize("field", ["capacity", "per_call", "per_retry"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True, "1"])
def test_a_budget_refuses_numbers_out_of_range_by_name(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must be"):
        RetryBudget(**{field: value})


def test_a_retry_cannot_be_free() -> None:
    with pytest.raises(ValueError, match="> 0"):
        RetryBudget(per_retry=0)


async def test_so_many_dependencies_are_remembered_and_not_one_less() -> None:
    settings = RetrySettings(max_attempts=2, budget_capacity=1, budget_per_call=0)
    down = Down()
    call = retry(settings, sleep=no_sleep)(down.call)
    names = [f"tool-{number}" for number in range(MAX_BUDGETS)]
    for requests in (2, 1):  # each budget is spent by its first call
        for name in names:
            before = down.requests
            with pytest.raises(ConnectionResetError):
                await call(name)
            assert down.requests - before == requests


def test_a_budget_begins_full_with_the_documented_numbers() -> None:
    budget = RetryBudget()
    assert (budget.capacity, budget.per_call, budget.per_retry) == (100.0, 0.2, 1.0)
    assert budget.tokens == 100.0


def test_a_refused_number_is_told_with_its_field_and_bound() -> None:
    with pytest.raises(ValueError, match=r"^capacity must be a finite number >= 0, not -1$"):
        RetryBudget(capacity=-1)
    with pytest.raises(ValueError, match=r"^per_retry must be a finite number > 0, not 0$"):
        RetryBudget(per_retry=0)
