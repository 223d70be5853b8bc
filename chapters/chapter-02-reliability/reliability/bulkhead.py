"""Give each dependency so many calls at once, and nobody a long wait for one of them.

Prevents the slow dependency that takes the process with it: each call to it holds memory, a
connection and a caller, and calls that need nothing from it find no room. The rules:

- `limit` calls run at once. Others wait in a short line for a short time, first come first served.
- Who finds the line full or grows too old in it is refused, with nothing sent: no token is spent.
- A call with no time left to its deadline never runs, however long it has waited.

One process, one event loop, no locks. Sources: M. Nygard, "Release It!"; failsafe-go, `bulkhead`.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

from reliability.deadlines import Deadline, latest_start
from reliability.errors import FailureKind, ReliabilityError
from reliability.events import BulkheadEntered, BulkheadRefused, TimedOut, emit
from reliability.protect import naming, require_async
from reliability.retry_budget import require_numbers

P = ParamSpec("P")
R = TypeVar("R")
Why: TypeAlias = Literal["queue_full", "wait_too_long"]

MAX_LANES = 256  # dependencies that one bulkhead remembers: a model can invent tool names
NEWEST_SHARE = 0.2  # of the newest call in the mean: the last ten or so decide
MIN_WAIT_S, MAX_WAIT_S = 0.1, 30.0  # that a refusal asks for


class BulkheadFullError(ReliabilityError):
    """Nothing was sent to `dependency`: no slot is free. One may be in `retry_after_s` seconds."""

    kind = FailureKind.OVERLOAD
    retryable = True

    def __init__(self, dependency: str, retry_after_s: float) -> None:
        super().__init__(dependency, retry_after_s)
        self.dependency, self.retry_after_s = dependency, retry_after_s

    def __str__(self) -> str:
        return f"no slot for {self.dependency!r}, nothing was sent: wait {self.retry_after_s:.2f} s"


@dataclass(frozen=True)
class BulkheadSettings:
    """Per dependency: calls at once, calls that may wait, seconds of waiting. Raises ValueError."""

    limit: int = 20
    queue: int = 10  # 0: who finds no free slot is refused
    wait_s: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("limit", 1), ("queue", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name} must be a whole number >= {least}, not {value!r}")
        require_numbers(self, "wait_s")


@dataclass
class _Lane:
    """The calls to one dependency. While one waits, all slots are taken."""

    name: str
    running: int = 0
    line: deque[asyncio.Future[bool]] = field(default_factory=deque)  # True: the slot is yours
    mean_s: float | None = None  # how long calls held their slot, whatever came of them

    @property
    def waiting(self) -> int:
        return sum(not turn.done() for turn in self.line)  # who was cancelled is about to go

    def pass_on(self) -> None:
        """Hand the slot to the first in line, so that nobody overtakes, or leave it free."""
        while self.line:
            turn = self.line.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self.running -= 1


class Bulkhead:
    """A decorator; or hold a slot by hand: `async with calls.slot("claude")`. See `bulkhead`."""

    def __init__(self, settings: BulkheadSettings, clock: Callable[[], float]) -> None:
        self.settings, self.clock = settings, clock
        self._lanes: dict[str, _Lane] = {}  # the longest unused first

    def running(self, dependency: str) -> int:
        """Return how many calls hold a slot now."""
        return self._lanes.get(dependency, _Lane(dependency)).running

    def waiting(self, dependency: str) -> int:
        """Return how many calls wait for a slot now."""
        return self._lanes.get(dependency, _Lane(dependency)).waiting

    def __call__(
        self, function: Callable[P, Awaitable[R]], /
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        require_async(function, "bulkhead")
        name_of = naming(function)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self.slot(name_of(args, kwargs)):
                return await function(*args, **kwargs)

        return call

    @asynccontextmanager
    async def slot(self, dependency: str) -> AsyncIterator[None]:
        """Hold one of the slots of `dependency` while the block runs."""
        lane = self._lane(dependency)
        arrived = self.clock()
        await self._enter(lane)
        entered = self.clock()
        try:
            emit(BulkheadEntered(dependency, lane.running, lane.waiting, entered - arrived))
            yield
        finally:
            held_s = self.clock() - entered
            mean_s = held_s if lane.mean_s is None else lane.mean_s
            lane.mean_s = mean_s + NEWEST_SHARE * (held_s - mean_s)
            lane.pass_on()

    async def _enter(self, lane: _Lane) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        leaves_at, end = latest_start(now + self.settings.wait_s)
        if now > leaves_at:
            raise self._refusal(lane, "wait_too_long", end)
        if lane.running < self.settings.limit:
            lane.running += 1
            return
        if lane.waiting >= self.settings.queue:
            raise self._refusal(lane, "queue_full", None)
        turn: asyncio.Future[bool] = loop.create_future()
        lane.line.append(turn)
        # A timer, not asyncio.timeout: whether the slot came in time is decided in one place.
        timer = loop.call_at(leaves_at, lambda: None if turn.done() else turn.set_result(False))
        entered = False
        try:
            entered = await turn and loop.time() <= leaves_at  # the loop itself may have stalled
        finally:
            timer.cancel()
            if turn in lane.line:
                lane.line.remove(turn)
            elif not (entered or turn.cancelled()) and turn.result():
                lane.pass_on()  # the slot came as the caller left
        if not entered:
            raise self._refusal(lane, "wait_too_long", end)

    def _refusal(self, lane: _Lane, why: Why, end: Deadline | None) -> ReliabilityError:
        if end is not None:
            emit(TimedOut(lane.name, end.scope, end.limit_s))
            return end.error()
        emit(BulkheadRefused(lane.name, lane.running, lane.waiting, why))
        mean_s = self.settings.wait_s if lane.mean_s is None else lane.mean_s
        free_in_s = mean_s * (lane.waiting + 1) / self.settings.limit
        return BulkheadFullError(lane.name, min(max(free_in_s, MIN_WAIT_S), MAX_WAIT_S))

    def _lane(self, dependency: str) -> _Lane:
        lane = self._lanes.pop(dependency, _Lane(dependency))
        if len(self._lanes) >= MAX_LANES:
            idle = next((name for name, it in self._lanes.items() if not it.running), dependency)
            self._lanes.pop(idle, None)
        self._lanes[dependency] = lane  # the last one now
        return lane


def bulkhead(
    settings: BulkheadSettings | None = None,
    *,
    limit: int | None = None,
    queue: int | None = None,
    wait_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Bulkhead:
    """Make a bulkhead from `settings`; the keywords override them, `clock` is monotonic.

    A call raises BulkheadFullError when the line is full or after `wait_s` seconds in it, and
    DeadlineExceeded with less than 0.05 s left to the deadline, at the door or in line. Emits
    BulkheadEntered, BulkheadRefused, and TimedOut when the deadline decides. `retry_after_s` is the
    mean time that calls lately held a slot (`wait_s` until one has ended), times the calls in line
    and this one, over `limit`; between 0.1 and 30 s. Raises ValueError, TypeError without ().
    """
    if settings is not None and not isinstance(settings, BulkheadSettings):
        raise TypeError(f"write @bulkhead() or @bulkhead(settings), not bulkhead({settings!r})")
    chosen = {"limit": limit, "queue": queue, "wait_s": wait_s}
    overrides: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    return Bulkhead(replace(settings or BulkheadSettings(), **overrides), clock)
