"""Stop calling a dependency that is down, and find out at little cost when it is back.

Prevents two failures: every caller waits for a timeout that is certain to come, and a service that
tries to stand up is knocked down by all who waited for it. The rules:

- Closed, calls pass; recent ones are judged by their rate of failures and of slow calls.
- Open, nothing is sent: a call fails at once and is told when to come back.
- Half open, a few probes pass and all others are refused. One that fails or is slow opens again.
- A cancelled call tells nothing and gives its permit back: a timeout belongs inside the breaker.
  One that a deadline cut off tells something: `circuit_window` says when it counts.
- A request that was judged before it was sent tells nothing either.

A circuit lives in one process, by choice: it decides without a network, and an outage costs each
process `minimum_calls`. Shared state is chapter 6. All calls of a breaker run in one event loop;
nothing awaits between a check and the change that follows, so it needs no locks.
Sources: M. Nygard, "Release It!"; resilience4j and failsafe-go for probes with permits.
"""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from reliability.circuit_window import BreakerSettings, Circuit, Outcome
from reliability.deadlines import has_cut_off
from reliability.errors import (
    BadReply,
    FailureKind,
    ReliabilityError,
    is_callers_mistake,
    members,
    stop_task_of,
    was_judged_before,
)
from reliability.events import CircuitRefused, CircuitState, emit
from reliability.protect import naming, require_async, require_plain

__all__ = ["BreakerSettings", "CircuitBreaker", "CircuitOpenError", "circuit_breaker"]

P = ParamSpec("P")
R = TypeVar("R")

MAX_CIRCUITS = 256  # dependencies that one breaker remembers: a model can invent tool names


class CircuitOpenError(ReliabilityError):
    """Nothing was sent to `dependency`; in `retry_after_s` seconds, at the latest, a call may pass.

    Never retried: the next attempt would be refused as well, and a fallback can answer now.
    """

    kind = FailureKind.TRANSIENT
    retryable = False
    retry_after_s: float

    def __init__(self, dependency: str, retry_after_s: float) -> None:
        super().__init__(dependency, retry_after_s)  # its own arguments, or it cannot be pickled
        self.dependency, self.retry_after_s = dependency, max(0.0, retry_after_s)

    def __str__(self) -> str:
        wait = f"try again in {self.retry_after_s:.2f} s"
        return f"circuit open for {self.dependency!r}, nothing was sent: {wait}"


def circuit_breaker(
    settings: BreakerSettings | None = None,
    *,
    failure_threshold: int | None = None,
    timeout: float | None = None,
    excluded: tuple[type[Exception], ...] = (),
    key: Callable[..., str] | None = None,
    clock: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
) -> CircuitBreaker:
    """Break calls by `settings`; `failure_threshold` and `timeout` (its `open_s`) override them.

    A call in whose way the circuit stands raises CircuitOpenError. `excluded` errors count like an
    answer, as a caller's mistake does that the other side found. `key` gets the call's arguments
    and names its circuit; without it `dependency_of` does. `clock` returns seconds and never goes
    back. Raises ValueError for a number out of range, TypeError without parentheses and for an
    async `key`.
    """
    if settings is not None and not isinstance(settings, BreakerSettings):
        raise TypeError(f"write @circuit_breaker() or pass BreakerSettings, not {settings!r}")
    rules = settings or BreakerSettings()
    if failure_threshold is not None:
        rules = replace(rules, failure_threshold=failure_threshold)
    if timeout is not None:
        rules = replace(rules, open_s=timeout, open_cap_s=max(timeout, rules.open_cap_s))
    if key is not None:
        require_plain(key, "key")
    isinstance(None, excluded)  # raises TypeError now, not in place of a call's own error
    # No Random() of our own: after a fork only the module's generator draws anew in each worker.
    return CircuitBreaker(rules, excluded, key, clock, rng.uniform if rng else random.uniform)


@dataclass(frozen=True, eq=False)
class CircuitBreaker:
    """What `circuit_breaker` returns: a Policy that keeps one circuit per dependency."""

    settings: BreakerSettings
    excluded: tuple[type[Exception], ...]
    key: Callable[..., str] | None
    clock: Callable[[], float]
    uniform: Callable[[float, float], float]
    _circuits: dict[str, Circuit] = field(default_factory=dict, init=False, repr=False)

    def __call__(
        self, function: Callable[P, Awaitable[R]], /
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        require_async(function, "circuit_breaker")
        name_of = naming(function)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            own = self.key(*args, **kwargs) if self.key else None
            dependency = own or name_of(args, kwargs)
            with _Call(self, dependency):
                return await function(*args, **kwargs)

        return call

    def guard(self, dependency: str) -> AbstractAsyncContextManager[None]:
        """Put a block under the same rules: `async with breaker.guard("search"): ...`."""
        return _Guard(self, dependency)

    def state(self, dependency: str) -> CircuitState:
        """Return the state. Calls change it, not time: open lasts until the first probe."""
        return self.states().get(dependency, "closed")

    def states(self) -> dict[str, CircuitState]:
        """Return the state of each circuit that is remembered."""
        return {name: circuit.state for name, circuit in self._circuits.items()}

    def retry_after_s(self, dependency: str) -> float:
        """Return the seconds until a call may pass, at the latest; 0 if one may pass now."""
        circuit = self._circuits.get(dependency)
        return circuit.retry_after_s(self.clock()) if circuit else 0.0

    def _circuit_of(self, dependency: str) -> Circuit:
        found = self._circuits.pop(dependency, None)
        if found is None:
            if len(self._circuits) >= MAX_CIRCUITS:
                self._forget_one()
            found = Circuit(dependency, self.settings, self.uniform)
        self._circuits[dependency] = found  # now last in line; the first is the longest unused
        return found

    def _forget_one(self) -> None:
        """Forget the longest unused circuit, one that protects or counts nothing if there is."""
        least = min(self._circuits.values(), key=lambda c: (c.state != "closed", bool(c.permits)))
        del self._circuits[least.name]
        if least.state != "closed":
            least.change("closed")  # listeners learn that it is gone
        least.permits.clear()  # its calls under way speak for nobody now


class _Call:
    """One call or block, from its permit to its outcome."""

    __slots__ = ("breaker", "circuit", "dependency", "permit")

    def __init__(self, breaker: CircuitBreaker, dependency: str) -> None:
        self.breaker, self.dependency = breaker, dependency

    def __enter__(self) -> Self:
        self.circuit, now = self.breaker._circuit_of(self.dependency), self.breaker.clock()
        if (permit := self.circuit.admit(now)) is None:
            wait_s = self.circuit.retry_after_s(now)
            emit(CircuitRefused(self.dependency, wait_s))
            raise CircuitOpenError(self.dependency, wait_s)
        self.permit = permit
        return self

    def __exit__(
        self, _: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outcome = _outcome_of(error, self.breaker.excluded)
        self.circuit.record(self.permit, outcome, self.breaker.clock())


class _Guard:
    """What `guard` returns. Tasks may share one: each leaves with the permit that it got."""

    def __init__(self, breaker: CircuitBreaker, dependency: str) -> None:
        self.breaker, self.dependency = breaker, dependency
        self.entered: list[tuple[asyncio.Task[Any] | None, _Call]] = []

    async def __aenter__(self) -> None:
        call = _Call(self.breaker, self.dependency).__enter__()
        self.entered.append((asyncio.current_task(), call))

    async def __aexit__(self, *error: Any) -> None:
        task = asyncio.current_task()
        own = [place for place, (by, _) in enumerate(self.entered) if by is task]
        # The block of an async generator may be closed by another task than the one that began it.
        _, call = self.entered.pop(own[-1] if own else 0)
        call.__exit__(*error)


def _outcome_of(error: BaseException | None, excluded: tuple[type[Exception], ...]) -> Outcome:
    """Say what the end of a call proves about the dependency."""
    if error is None:
        return "success"
    if has_cut_off(error) and not isinstance(error, excluded):
        return "cut_off"
    if not isinstance(error, Exception) or stop_task_of(error):
        return "neither"
    outcomes = {_outcome_of_one(member, excluded) for member in members(error)}
    return next(each for each in ("failure", "success", "neither") if each in outcomes)


def _outcome_of_one(error: BaseException, excluded: tuple[type[Exception], ...]) -> Outcome:
    if isinstance(error, ReliabilityError) and not isinstance(error, BadReply):
        # Only a timeout below tells of the dependency.
        timed_out = error.kind is FailureKind.TIMEOUT and not isinstance(error, excluded)
        return "failure" if timed_out else "neither"
    if isinstance(error, excluded):
        return "success"
    if was_judged_before(error):
        return "neither"
    return "success" if is_callers_mistake(error) else "failure"
