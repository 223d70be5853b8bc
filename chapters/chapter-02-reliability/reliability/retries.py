"""Send a failed call again, but only when that can help and nobody pays twice for it.

Prevents the retry storm: a thousand callers that repeat every failure at the same moments keep a
struggling API down, and each repeat of a generation is billed. The rules, in the order of `retry`:

- The wait has full jitter, so that callers spread out, and never undercuts `Retry-After`. After a
  rate limit that names no wait it has a floor: a draw near zero would only meet the limit again.
- `classify` says whether a repeat can succeed, `idempotent` whether it could do harm.
- What timed out is not tried again while a fallback stands by, which can answer in that time.
- A wait that would outlast the deadline is not begun: the call fails now, with time left to say so.
- A budget per dependency bounds all retries: when everything fails, load grows by a fifth.

Exactly one layer retries: build the client with `AsyncAnthropic(max_retries=0)`. tenacity runs the
loop, the rules are here, and the last exception itself is raised.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar

from tenacity import AsyncRetrying, RetryCallState

from reliability.errors import Failure, FailureKind, classify, stop_task_of
from reliability.events import (
    Attempts,
    RetriesStopped,
    RetryScheduled,
    StopReason,
    attach_attempts,
    emit,
)
from reliability.protect import (
    Bottom,
    Policy,
    bottom_of,
    leads_to,
    naming,
    predicate,
    require_async,
)
from reliability.retry_budget import RetryBudget, require_numbers

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

# What a fallback stands by for. Not a flag: what that calls in turn has no fallback.
_standing_by: ContextVar[Bottom | None] = ContextVar("standing_by", default=None)

MAX_BUDGETS = 256  # dependencies that one retry(...) remembers: a model can invent tool names


@dataclass(frozen=True)
class ExponentialBackoff:
    """Full jitter: each wait is drawn between 0 and `base_s * 2**n` seconds, at most `cap_s`.

    A rate limit counts requests over seconds, so a repeat after a few milliseconds meets it again
    and counts against the next: with `floor` the wait is drawn between `base_s * 2**n` and twice
    that, still at most `cap_s`. The jitter above the floor keeps callers apart.
    The numbers are the SDK's, not its jitter of 25 %: that would keep the callers in step.
    Source: AWS Architecture Blog, "Exponential Backoff And Jitter". Raises ValueError.
    """

    base_s: float = 0.5
    cap_s: float = 8.0

    def __post_init__(self) -> None:
        require_numbers(self, "base_s", "cap_s")

    def wait_s(
        self, retry: int, uniform: Callable[[float, float], float], *, floor: bool = False
    ) -> float:
        """Draw the wait in seconds before retry number `retry`; the first is 0."""
        # 2.0**1024 overflows; long before that every wait has met its cap.
        bound_s = self.base_s * 2.0 ** min(retry, 1000)
        if not floor:
            return uniform(0.0, min(self.cap_s, bound_s))
        floor_s = min(bound_s, self.cap_s / 2)  # above a floor at the cap there were no jitter
        return uniform(floor_s, 2 * floor_s)


@dataclass(frozen=True)
class RetrySettings:
    """The numbers of one retry policy; `RetryBudget` explains its three. Raises ValueError."""

    max_attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 8.0
    retry_after_cap_s: float = 30.0  # the longest wait that a Retry-After may ask for
    budget_capacity: float = 100.0
    budget_per_call: float = 0.2
    budget_per_retry: float = 1.0

    def __post_init__(self) -> None:
        if type(self.max_attempts) is not int or self.max_attempts < 1:
            raise ValueError(f"max_attempts must be a whole number >= 1, not {self.max_attempts!r}")
        require_numbers(self, "base_s", "cap_s", "retry_after_cap_s")
        require_numbers(self, "budget_capacity", "budget_per_call")
        require_numbers(self, "budget_per_retry", above_zero=True)


def no_deadline() -> float | None:
    return None


def retry(
    settings: RetrySettings | None = None,
    *,
    max_attempts: int | None = None,
    backoff: ExponentialBackoff | None = None,
    retry_after_cap_s: float | None = None,
    budget: RetryBudget | None = None,
    idempotent: Callable[..., bool] | bool = True,
    classify: Callable[[BaseException], Failure] = classify,
    remaining_s: Callable[[], float | None] = no_deadline,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Policy:
    """Retry an async function by `settings`; `max_attempts`, `backoff` and the cap override them.

    `idempotent` says whether a call is safe to repeat, as a function of its arguments or for all
    calls; False means one attempt. `remaining_s` returns the seconds left to the deadline, or None.
    `budget` stands in for the budgets per dependency, to share one between decorators.

    The call raises its last attempt's own exception, with a note and `attempts_of` to tell how it
    went; what is no `Exception`, such as CancelledError, passes untouched. `retry` raises
    ValueError for a number out of range, TypeError without parentheses, on a plain function, and
    for a predicate that is none.
    """
    if settings is not None and not isinstance(settings, RetrySettings):
        raise TypeError(f"write @retry() or @retry(settings), not retry({settings!r})")
    rules = settings or RetrySettings()
    if max_attempts is not None:
        rules = replace(rules, max_attempts=max_attempts)
    if retry_after_cap_s is not None:
        rules = replace(rules, retry_after_cap_s=retry_after_cap_s)
    jitter = backoff or ExponentialBackoff(rules.base_s, rules.cap_s)
    # No Random() of our own: after a fork only the module's generator draws anew in each worker.
    uniform = rng.uniform if rng else random.uniform
    is_repeatable = predicate(True if idempotent is None else idempotent, "idempotent")
    budgets: dict[str, RetryBudget] = {}

    def budget_of(dependency: str) -> RetryBudget:
        found = budgets.pop(dependency, None) or RetryBudget(
            rules.budget_capacity, rules.budget_per_call, rules.budget_per_retry
        )
        budgets[dependency] = found  # now last in line; the first is the longest unused
        if len(budgets) > MAX_BUDGETS:
            del budgets[next(iter(budgets))]
        return found

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        require_async(function, "retry")
        name_of, bottom = naming(function), bottom_of(function)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            dependency = name_of(args, kwargs)
            repeatable = is_repeatable(*args, **kwargs)
            tokens = budget or budget_of(dependency)
            tokens.add_call()
            began = clock()
            try:
                return await function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - raised again below, by the loop
                pending: Exception | None = error
            failure: Failure  # of the last attempt

            def fallback_stands_by() -> bool:
                served = _standing_by.get()
                return served is not None and leads_to(bottom, served, args)

            async def attempt() -> R:
                nonlocal pending
                if pending is not None:  # the first attempt has been made
                    error, pending = pending, None
                    try:
                        raise error
                    finally:
                        del error  # a frame that holds its own error is a cycle
                return await function(*args, **kwargs)

            def wait_s(state: RetryCallState) -> float:
                nonlocal failure
                failure = classify(_error_of(state))
                asked_s = min(failure.retry_after_s or 0.0, rules.retry_after_cap_s)
                floor = failure.kind is FailureKind.RATE_LIMIT and not asked_s
                number = state.attempt_number - 1
                if floor:
                    return jitter.wait_s(number, uniform, floor=True)
                return max(jitter.wait_s(number, uniform), asked_s)

            def must_stop(state: RetryCallState) -> bool:
                error, left_s = _error_of(state), remaining_s()
                why: StopReason
                if not failure.retryable or stop_task_of(error):
                    why = "permanent"
                elif not repeatable:
                    why = "not_idempotent"
                elif failure.kind is FailureKind.TIMEOUT and fallback_stands_by():
                    why = "fallback"
                elif state.attempt_number >= rules.max_attempts:
                    why = "attempts"
                elif left_s is not None and state.upcoming_sleep >= left_s:
                    why = "deadline"
                elif not tokens.take_retry():  # asked last: only a retry that will run is paid for
                    why = "budget"
                else:
                    return False
                result = Attempts(state.attempt_number, clock() - began)
                attach_attempts(error, result)
                emit(RetriesStopped(dependency, result.attempts, result.elapsed_s, failure, why))
                return True

            def announce(state: RetryCallState) -> None:
                number, wait = state.attempt_number, state.upcoming_sleep
                text = "%r: attempt %d failed (%s), the next one in %.2f s"
                logger.info(text, dependency, number, failure.reason, wait)
                emit(RetryScheduled(dependency, number, wait, failure))

            # One per call that failed: a call that goes well does not pay for it, and a shared one
            # keeps its state per thread, where all tasks would meet.
            loop = AsyncRetrying(
                wait=wait_s, stop=must_stop, before_sleep=announce, sleep=sleep, reraise=True
            )
            return await loop(attempt)

        return call

    return decorate


@contextmanager
def standing_by(function: object) -> Iterator[None]:
    """While the block runs, no `retry` around what `function` leads to repeats what timed out."""
    before = _standing_by.set(bottom_of(function))
    try:
        yield
    finally:
        _standing_by.reset(before)


def _error_of(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None, "tenacity asks for a wait or a stop only after an Exception"
    return error
