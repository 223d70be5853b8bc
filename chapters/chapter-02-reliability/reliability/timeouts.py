"""Bound every operation in time as a whole, and every request and session around it.

Prevents the call that never ends. The SDK's own timeout bounds each read: a server that sends one
byte now and then holds a call, its slot and its caller for as long as it likes. The rule: one limit
covers the whole attempt, from connecting to the last byte, and is never longer than what is left
of the request. What one limit ended says so by its type:

    OperationTimeout   the limit of `timeout(...)`: another attempt may be faster
    DeadlineExceeded   the request's end, or as SessionEnded the session's: the task is over
    TimeoutError       of the function itself, or of a library in it: passes untouched
    CancelledError     of whoever cancelled the task: passes untouched

    self.ask_claude = protect(self.ask_claude, retry(...), timeout(seconds=30), dependency="claude")
    self.run = protect(self.run, request_deadline(settings.timeouts))
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeVar

from reliability.bounded import BoundedMap
from reliability.deadlines import (
    FLOOR_S,
    DeadlineExceeded,
    DeadlineScope,
    TimeoutSettings,
    current_deadline,
    cut_off,
    ending_in,
    require_seconds,
)
from reliability.errors import FailureKind, ReliabilityError, stop_task_of
from reliability.events import TimedOut, emit
from reliability.protect import Policy, argument, naming, require_async
from reliability.retry_budget import require_numbers

P = ParamSpec("P")
R = TypeVar("R")


class OperationTimeout(ReliabilityError):
    """One call to `dependency` took longer than `limit_s` seconds and was cut off.

    The other side may still do the work, and bill it. No TimeoutError, which a library raises.
    """

    kind = FailureKind.TIMEOUT
    retryable = True

    def __init__(self, dependency: str, limit_s: float) -> None:
        super().__init__(dependency, limit_s)
        self.dependency, self.limit_s = dependency, limit_s

    def __str__(self) -> str:
        return f"{self.dependency!r} took longer than {self.limit_s:g} s"


def timeout(seconds: float, *, floor_s: float = FLOOR_S) -> Policy:
    """End each call after `seconds`, or at the deadline in force if that is nearer.

    Raises OperationTimeout, or DeadlineExceeded when the deadline decides; that also at once, with
    nothing sent, when less than `floor_s` is left to it. Emits TimedOut. A function that swallows
    its cancellation cannot be bounded. `timeout` raises ValueError for a number out of range,
    TypeError without parentheses or on a plain function.
    """
    if callable(seconds):
        raise TypeError(f"write @timeout(seconds=30), not timeout({seconds!r})")
    require_seconds(seconds=seconds)
    require_numbers(SimpleNamespace(floor_s=floor_s), "floor_s")

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        require_async(function, "timeout")
        name_of = naming(function)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            dependency = name_of(args, kwargs)
            now, end = asyncio.get_running_loop().time(), current_deadline.get()
            at = now + seconds
            if end is not None and end.at > at and end.at - now >= floor_s:
                end = None  # it is not what decides

            def error() -> ReliabilityError:
                return OperationTimeout(dependency, seconds) if end is None else end.error()

            def tell() -> None:
                if end is None:
                    emit(TimedOut(dependency, "operation", seconds))
                else:
                    emit(TimedOut(dependency, end.scope, end.limit_s))

            if end is not None and end.at - now < floor_s:
                tell()
                raise error()
            limit = asyncio.timeout_at(at if end is None else end.at)
            try:
                async with cut_off(limit, error):
                    return await function(*args, **kwargs)
            finally:
                if limit.expired():  # also when a deadline around it ends at the same moment
                    tell()

        return call

    return decorate


def request_deadline(
    settings: TimeoutSettings,
    *,
    max_sessions: int = 10_000,
    clock: Callable[[], float] = time.monotonic,
) -> Policy:
    """End each call after `request_s`, or at its session's end if that is nearer.

    The session is the call's argument `session`. It ends `session_s` after its first call began;
    from then on its calls raise DeadlineExceeded before anything is done. Callers can invent names:
    the `max_sessions` used last are remembered, and all with a call under way. One forgotten begins
    anew, as it does in another process. `clock` is monotonic, in seconds. Emits TimedOut for each
    call so ended. Raises ValueError, TypeError without settings or on a plain function.
    """
    if not isinstance(settings, TimeoutSettings):
        raise TypeError(f"write request_deadline(settings), not request_deadline({settings!r})")
    if type(max_sessions) is not int or max_sessions < 1:
        raise ValueError(f"max_sessions must be a whole number >= 1, not {max_sessions!r}")
    ends: BoundedMap[Hashable, float] = BoundedMap(max_sessions)  # moments of `clock`, by session

    def left_of(session: Hashable) -> float:
        now = clock()
        return ends.setdefault(session, now + settings.session_s) - now

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        require_async(function, "request_deadline")
        name_of, session_of = naming(function), argument(function, "session")

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            dependency, session = name_of(args, kwargs), session_of(args, kwargs)
            left_s = limit_s = settings.request_s
            scope: DeadlineScope = "request"
            try:
                with ends.in_use(session):
                    if session is not None and (session_left_s := left_of(session)) < left_s:
                        left_s, limit_s, scope = session_left_s, settings.session_s, "session"
                    async with ending_in(left_s, limit_s, scope):
                        return await function(*args, **kwargs)
            except Exception as error:
                stop = stop_task_of(error)
                if isinstance(stop, DeadlineExceeded):  # also one in a group
                    emit(TimedOut(dependency, stop.scope, stop.limit_s))
                raise

        return call

    return decorate
