"""What a task costs, what a day of N tasks will cost, and what would make it cheaper.

Prevents the bill that surprises: a price per million tokens says nothing until somebody multiplies
it by the calls of a real task and the requests of a real day. The rules:

- Project from observed tasks, never from a guess; without one there is nothing to project.
- All money is Decimal and exact; only a division rounds, at 28 digits. No float gets in.
- A month is 30 days, one request is one task, and 0 requests a day cost 0.

A what-if turns each observed call into a weighted mix of calls, so that an expected value (nine
hits in ten, 0.8 times the words) is priced exactly, long prompts included. It takes token counts
as observed, though another model may need more of them for the same words.

A wrong value raises ValueError that names the field, a model without a price UnknownModelError.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from fractions import Fraction
from typing import Protocol, TypeAlias

from readiness.pricing import cost_usd

DAYS_PER_MONTH = 30
ONE = Decimal(1)


class Usage(Protocol):
    """What the API reports of a call: the SDK's `Usage` fits, and so do the simulator's logs."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cache_creation_input_tokens(self) -> int | None: ...
    @property
    def cache_read_input_tokens(self) -> int | None: ...


@dataclass(frozen=True)
class Call:
    """One model call: the API's counts, where `input_tokens` excludes what the cache took.

    Cache writes are priced as those for five minutes, the API's default.
    """

    model: str
    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    def __post_init__(self) -> None:
        for field, value in vars(self).items():
            if field != "model":
                _count(field, value)

    @classmethod
    def of(cls, model: str, usage: Usage) -> Call:
        """The call that the API reported; counts it left out are 0."""
        written, read = usage.cache_creation_input_tokens, usage.cache_read_input_tokens
        return cls(model, usage.input_tokens, usage.output_tokens, written or 0, read or 0)

    @property
    def cost_usd(self) -> Decimal:
        return cost_usd(
            self.model,
            self.input_tokens,
            self.output_tokens,
            cache_write_5m_tokens=self.cache_creation_input_tokens,
            cache_read_tokens=self.cache_read_input_tokens,
        )


Task: TypeAlias = Sequence[Call]
Change: TypeAlias = Callable[[Call], Sequence[tuple[Decimal, Call]]]
When: TypeAlias = Callable[[Call], bool]


@dataclass(frozen=True)
class Projection:
    """US dollars, from observed tasks at a number of requests a day."""

    mean_usd: Decimal
    median_usd: Decimal
    per_day_usd: Decimal
    per_month_usd: Decimal


@dataclass(frozen=True)
class WhatIf:
    """The projection as observed, as changed, and what that saves: below 0 it costs more."""

    before: Projection
    after: Projection
    saving: Projection


def cost_of_task(calls: Task, *changes: Change) -> Decimal:
    """What the calls of one task cost, in US dollars; a task without a call costs 0."""
    mix = [(ONE, call) for call in calls]
    for change in changes:
        mix = [(share * part, new) for share, call in mix for part, new in change(call)]
    return sum((share * call.cost_usd for share, call in mix), Decimal(0))


def project(tasks: Sequence[Task], requests_per_day: int, *changes: Change) -> Projection:
    """The cost of the observed tasks, as changed, and of a day and a month of such tasks."""
    _count("requests_per_day", requests_per_day)
    if not tasks:
        raise ValueError("tasks is empty: without an observed task there is nothing to project")
    costs = [cost_of_task(task, *changes) for task in tasks]
    total = sum(costs, Decimal(0))
    return Projection(
        mean_usd=total / len(costs),
        median_usd=statistics.median(costs),
        per_day_usd=total * requests_per_day / len(costs),
        per_month_usd=total * requests_per_day * DAYS_PER_MONTH / len(costs),
    )


def what_if(tasks: Sequence[Task], requests_per_day: int, *changes: Change) -> WhatIf:
    """What the changes, made one after the other to every call, would save."""
    before = project(tasks, requests_per_day)
    after = project(tasks, requests_per_day, *changes)
    saving = (getattr(before, each.name) - getattr(after, each.name) for each in fields(before))
    return WhatIf(before, after, Projection(*saving))


def prompt_caching(
    hit_ratio: Decimal,
    *,
    prefix_tokens: int | None = None,
    prefix_share: Decimal | None = None,
    when: When | None = None,
) -> Change:
    """The start of each prompt is read from the cache in `hit_ratio` of calls, else written to it.

    That start is a count of the call's uncached input tokens, or a share of them. Not modelled: a
    prefix below the model's minimum (512 to 4,096 tokens) is not cached at all.
    """
    if (prefix_tokens is None) == (prefix_share is None):
        raise ValueError("give either prefix_tokens or prefix_share")
    _count("prefix_tokens", 0 if prefix_tokens is None else prefix_tokens)
    share = ONE if prefix_share is None else _amount("prefix_share", prefix_share, at_most=1)
    hits = _amount("hit_ratio", hit_ratio, at_most=1)

    def change(call: Call) -> list[tuple[Decimal, Call]]:
        cached = call.input_tokens if prefix_tokens is None else prefix_tokens
        if cached > call.input_tokens:
            raise ValueError(f"prefix_tokens ({cached}) is more than the input of {call}")
        rest = replace(call, input_tokens=call.input_tokens - cached)
        hit = replace(rest, cache_read_input_tokens=rest.cache_read_input_tokens + cached)
        miss = replace(rest, cache_creation_input_tokens=rest.cache_creation_input_tokens + cached)
        return [(share * hits, hit), (share * (1 - hits), miss), (1 - share, call)]

    return _only(when, change)


def another_model(model: str, *, when: When | None = None) -> Change:
    """The calls go to another model, a smaller one for instance."""
    cost_usd(model, 0, 0)  # refuses an unknown model now
    return _only(when, lambda call: [(ONE, replace(call, model=model))])


def shorter_answers(factor: Decimal, *, when: When | None = None) -> Change:
    """Answers have `factor` times the tokens; above 1 they are longer."""
    part = _amount("factor", factor)
    return _only(when, lambda call: [(part, call), (1 - part, replace(call, output_tokens=0))])


def downtime_usd(budget_minutes: Fraction | Decimal, revenue_per_minute_usd: Decimal) -> Decimal:
    """What it costs to spend a whole error budget (`SLO.budget_minutes`) on being down."""
    revenue = _amount("revenue_per_minute_usd", revenue_per_minute_usd)
    if not isinstance(budget_minutes, Fraction):
        return revenue * _amount("budget_minutes", budget_minutes)
    minutes = _amount("budget_minutes", Decimal(budget_minutes.numerator))
    return revenue * minutes / budget_minutes.denominator


def _only(when: When | None, change: Change) -> Change:
    return lambda call: change(call) if when is None or when(call) else [(ONE, call)]


def _count(field: str, value: int) -> None:
    if type(value) is not int or value < 0:
        raise ValueError(f"{field} must be a whole number >= 0, not {value!r}")


def _amount(field: str, value: Decimal | int, at_most: float = math.inf) -> Decimal:
    number = isinstance(value, Decimal) or type(value) is int
    if not (number and math.isfinite(value) and 0 <= value <= at_most):
        raise ValueError(f"{field} must be a Decimal from 0 to {at_most}, not {value!r}")
    return Decimal(value)
