"""Give a request one end in time that everything below it can ask for.

Prevents the patience that adds up: twenty turns, each with five attempts of thirty seconds, keep a
caller waiting for most of an hour though no single limit was broken. The rule: whoever takes a
request sets one absolute end; nested ends can only be nearer; whoever waits or sends asks
`remaining_s()` first, and what has no time left is not begun.

    async with deadline(120):
        answer = await agent.run(task)
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType, SimpleNamespace
from typing import Literal, TypeAlias, get_args

from reliability.errors import FailureKind, StopTask
from reliability.retry_budget import require_numbers

DeadlineScope: TypeAlias = Literal["request", "session"]

FLOOR_S = 0.05  # with less than this left nothing is sent


class DeadlineExceeded(StopTask):
    """The request, or its whole session, has used up its `limit_s` seconds: end the task now.

    No TimeoutError: handlers for a slow peer must not take it for one.
    """

    kind = FailureKind.TIMEOUT

    def __init__(self, scope: DeadlineScope, limit_s: float) -> None:
        super().__init__(scope, limit_s)
        self.scope, self.limit_s = scope, limit_s

    def __str__(self) -> str:
        advice = ": begin a new session" if self.scope == "session" else ""
        return f"the {self.scope} has used up its {self.limit_s:g} s{advice}"


class SessionEnded(DeadlineExceeded):
    """The session's time is over, so that no request in it can ever succeed: begin a new one."""


@dataclass(frozen=True)
class TimeoutSettings:
    """How long each level may take, in seconds; every level is also bounded by those above it.

    session      session_s     from its first request on
    request      request_s     one `run(...)`: all turns, tool calls, retries and waits
    agent loop                 what is left of the request
    model call                 what is left of it too: all attempts, and the waits between them
    attempt      model_call_s  one request to the model, from connecting to the last byte
                 tool_call_s   one run of a tool
    connect      connect_s     `connect` of the HTTP client's own timeout

    With less than `floor_s` left nothing is sent: it could only be billed, not be answered in time.
    Raises ValueError, also for a level that is not shorter than the one above it.
    """

    connect_s: float = 5.0
    model_call_s: float = 30.0
    tool_call_s: float = 10.0
    request_s: float = 120.0
    session_s: float = 3600.0
    floor_s: float = FLOOR_S

    def __post_init__(self) -> None:
        require_numbers(self, "connect_s", "model_call_s", "tool_call_s", above_zero=True)
        require_numbers(self, "request_s", "session_s", above_zero=True)
        require_numbers(self, "floor_s")
        order = [("request_s", "session_s")]
        for operation in ("model_call_s", "tool_call_s"):
            order += [("connect_s", operation), ("floor_s", operation), (operation, "request_s")]
        for shorter, longer in order:
            low, high = getattr(self, shorter), getattr(self, longer)
            if low >= high:
                raise ValueError(f"{shorter} must be less than {longer}, not {low!r} >= {high!r}")


@dataclass(frozen=True)
class Deadline:
    """The end in force: `at` is a moment of `clock`, the time of the event loop, in seconds."""

    at: float
    limit_s: float
    scope: DeadlineScope
    clock: Callable[[], float]

    def error(self) -> DeadlineExceeded:
        kind = SessionEnded if self.scope == "session" else DeadlineExceeded
        return kind(self.scope, self.limit_s)


# Inherited by every task and thread begun below it, never seen by the tasks beside.
current_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def remaining_s() -> float | None:
    """Return the seconds left to the deadline in force, never below 0.0; None without a deadline.

    A duration, because no two machines agree on the time: what the next hop gets as its limit
    (source: grpc.io/docs/guides/deadlines), and what `retry(remaining_s=remaining_s)` asks.
    """
    end = current_deadline.get()
    return None if end is None else max(0.0, end.at - end.clock())


def latest_start(at: float) -> tuple[float, Deadline | None]:
    """Return until when to wait for a place, at most until `at`; and the deadline if it decides.

    Both moments are the loop's, in seconds. A call that begins later has less than FLOOR_S left.
    """
    end = current_deadline.get()
    if end is None or end.at - FLOOR_S > at:
        return at, None
    return end.at - FLOOR_S, end


def deadline(seconds: float, scope: DeadlineScope = "request") -> AbstractAsyncContextManager[None]:
    """End the `async with` block after `seconds`: cancel it and raise DeadlineExceeded.

    Inside a nearer deadline the nearer one stays in force, with its own scope and limit, and if it
    has passed the block is not begun. Raises ValueError. A cancellation from outside stays
    CancelledError, and a TimeoutError of the block's own passes untouched.

    Not in an async generator: between two items its deadline would be the consumer's, whose task it
    would cancel. Raises RuntimeError there; put the deadline around the loop that consumes.
    """
    require_seconds(seconds=seconds)
    if scope not in get_args(DeadlineScope):
        raise ValueError(f"scope must be one of {get_args(DeadlineScope)}, not {scope!r}")
    return _deadline(seconds, scope)


@asynccontextmanager
async def _deadline(seconds: float, scope: DeadlineScope) -> AsyncIterator[None]:
    refuse_async_generators("deadline", sys._getframe())
    async with ending_in(seconds, seconds, scope):
        yield


@asynccontextmanager
async def ending_in(left_s: float, limit_s: float, scope: DeadlineScope) -> AsyncIterator[None]:
    """Do what `deadline` does, when `left_s` of the `limit_s` seconds are left."""
    clock = asyncio.get_running_loop().time
    end = Deadline(clock() + left_s, limit_s, scope, clock)
    outer = current_deadline.get()
    if outer is not None and outer.at <= end.at:
        end = outer
    if end.at <= clock():
        raise end.error()
    previous = current_deadline.set(end)
    try:
        async with cut_off(asyncio.timeout_at(end.at), end.error):
            yield
    finally:
        current_deadline.reset(previous)


@contextmanager
def counted_from(began: float, limit_s: float) -> Iterator[None]:
    """Let a request's deadline in the block count from `began`, a moment of the loop, in seconds.

    It sets the end and no limit: what is bounded in the block cannot be bounded any later.
    """
    clock = asyncio.get_running_loop().time
    before = current_deadline.set(Deadline(began + limit_s, limit_s, "request", clock))
    try:
        yield
    finally:
        current_deadline.reset(before)


@asynccontextmanager
async def cut_off(limit: asyncio.Timeout, error: Callable[[], Exception]) -> AsyncIterator[None]:
    """Run the block under `limit`, and raise what `error` makes only if `limit` ended the block.

    Two limits that end at one moment, or a limit and a cancellation, leave the word to the outer.
    """
    own = False  # whether the block raised a TimeoutError: a library's, or of a limit further in
    try:
        async with limit:
            try:
                yield
            except TimeoutError:
                own = True
                raise
    except TimeoutError as timed_out:
        if own:
            raise
        raise error() from timed_out


def has_cut_off(error: BaseException) -> bool:
    """Say whether a deadline ended a call under way with `error`, as a call in it sees that.

    A call that was not begun, since too little time was left, is none: nothing was sent.
    """
    if isinstance(error, DeadlineExceeded):  # raised further in: from the TimeoutError that cut off
        return isinstance(error.__cause__, TimeoutError)
    end = current_deadline.get() if isinstance(error, asyncio.CancelledError) else None
    return end is not None and end.at <= end.clock()


_CONTEXTLIB = inspect.getsourcefile(contextlib)
_ENTERS = contextlib._AsyncGeneratorContextManager.__aenter__.__code__


def refuse_async_generators(what: str, frame: FrameType | None) -> None:
    """Raise RuntimeError if an async generator enters the block that begins in `frame`.

    A ContextVar set in it is seen by its consumer between two items, and can be taken back only in
    the task that set it (PEP 789). One that is a context manager may: it is entered and left by one
    task, around a block that is meant to see what it set.
    """
    while frame is not None:
        code, caller = frame.f_code, frame.f_back
        if code.co_flags & inspect.CO_ASYNC_GENERATOR:
            if caller is None or caller.f_code is not _ENTERS:
                raise RuntimeError(
                    f"no {what} in the async generator {code.co_name}: its consumer would see it "
                    "between two items; put it around the loop that consumes them"
                )
        elif code.co_filename != _CONTEXTLIB:
            return
        frame = caller


def require_seconds(**seconds: float) -> None:
    """Raise ValueError unless each argument is a finite number above zero, named as given."""
    require_numbers(SimpleNamespace(**seconds), *seconds, above_zero=True)
